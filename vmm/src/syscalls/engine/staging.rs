//! The arguments of one forwarded call, on their way to the host kernel and back.

use super::bounce::{self, Bounce};
use super::host;
use super::names::{self, Own};
use crate::memory::user::{Access, Fault};
use crate::signals::mask;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::table::entry::{Block, Direction, Extent, Filled, Follow, Kind};
use dangless_core::address::GuestVirtual;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

/// Longest path, with its terminator.
const PATH_LIMIT: usize = 4096;
/// Descriptors in the largest `fd_set` that is looked at.
const DESCRIPTOR_LIMIT: u64 = 1 << 20;

/// What is kept of an argument while the call is made.
#[derive(Default)]
enum Held {
    /// Nothing: a value, or the program's own memory.
    #[default]
    Nothing,
    /// A string.
    String(CString),
    /// A copy that the kernel reads only.
    Read(Bounce),
    /// A copy to be written back.
    Copy(Bounce, Filled, Direction),
    /// A copy of memory whose size the program keeps in a word; `capacity` is what it offered.
    Sized {
        copy: Bounce,
        length: usize,
        capacity: usize,
    },
    /// That word, at its address in the program.
    Word { at: u64 },
}

/// The arguments of one call. It must stay where it is between `stage` and `collect`: the kernel is
/// given the addresses of `words` and `masks`.
#[derive(Default)]
pub struct Staging {
    held: [Held; 6],
    words: [i32; 6],
    /// A signal mask, then its address and size for `pselect6`.
    masks: [u64; 3],
    /// Whether the call has a signal mask of its own.
    has_mask: bool,
}

impl Staging {
    /// Turns the arguments into those of the host's call; `given` are taken as they are.
    ///
    /// # Errors
    /// EBADF for the VMM's descriptors, a report of a freed pointer, ENAMETOOLONG and EINVAL for
    /// strings and masks that Linux would refuse.
    pub fn stage(&mut self, call: &mut Call<'_>, given: &[(usize, u64)]) -> Result<[u64; 6], Stop> {
        let mut host = [0; 6];
        let entry = call.entry;
        for (slot, &value) in host
            .iter_mut()
            .zip(&call.arguments)
            .take(entry.arguments.len())
        {
            *slot = value;
        }
        for (index, argument) in entry.arguments.iter().enumerate() {
            if let Some((_, value)) = given.iter().find(|(which, _)| *which == index) {
                host[index] = *value;
                continue;
            }
            let at = call.argument(index);
            match argument.kind {
                Kind::Descriptor | Kind::Directory => {
                    call.descriptor(index)?;
                }
                Kind::Path(follow) => host[index] = self.path(call, index, at, follow)?,
                Kind::Text => host[index] = self.text(call, index, at)?,
                Kind::Memory(block) => host[index] = self.block(call, index, &block, &mut host)?,
                Kind::Sized {
                    length, capacity, ..
                } => {
                    if !given.iter().any(|(which, _)| *which == length) {
                        self.sized(call, index, length, capacity, &mut host)?;
                    }
                }
                Kind::DescriptorSet => {
                    host[index] = self.descriptor_set(call, index, at, &mut host)?;
                }
                Kind::SignalMask { size } => {
                    host[index] = self.mask(call, index, at, call.argument(size))?;
                }
                Kind::SignalMaskPair => host[index] = self.mask_pair(call, index, at)?,
                // A pointer that nobody translated must not reach the host.
                Kind::Vector { .. } | Kind::Pointer(_) => host[index] = 0,
                // Set together with the memory it measures.
                Kind::SizedLength => {}
                Kind::Int
                | Kind::Unsigned
                | Kind::Long
                | Kind::Size
                | Kind::Address
                | Kind::Mode
                | Kind::Signal
                | Kind::Flags(_)
                | Kind::WideFlags(_) => {}
            }
        }
        Ok(host)
    }

    /// The signal mask for the duration of the call, if it has one.
    #[must_use]
    pub fn waits_with(&self) -> Option<u64> {
        self.has_mask.then_some(self.masks[0])
    }

    /// A copy of a signal mask, without the VMM's own signal.
    fn mask(&mut self, call: &Call<'_>, index: usize, at: u64, size: u64) -> Result<u64, Stop> {
        if at == 0 {
            return Ok(0);
        }
        // What cannot be read, or has another size, is the kernel's to refuse, in its order.
        match call.read_u64(index, at) {
            Ok(mask) if size == 8 => self.masks[0] = mask & mask::ALL,
            Ok(_) | Err(Stop::Errno(_)) => return Ok(host::fence()),
            Err(stop) => return Err(stop),
        }
        self.has_mask = true;
        Ok(self.masks.as_ptr() as u64)
    }

    /// A copy of `pselect6`'s pair of a pointer to a mask and its size.
    fn mask_pair(&mut self, call: &Call<'_>, index: usize, at: u64) -> Result<u64, Stop> {
        if at == 0 {
            return Ok(0);
        }
        let pair: [u8; 16] = match call.read_array(index, at) {
            Ok(pair) => pair,
            // For the kernel to refuse, in its order.
            Err(Stop::Errno(_)) => return Ok(host::fence()),
            Err(stop) => return Err(stop),
        };
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (mask, size) = (word(&pair[..8]), word(&pair[8..]));
        self.masks[1] = self.mask(call, index, mask, size)?;
        self.masks[2] = size;
        Ok(self.masks.as_ptr().wrapping_add(1) as u64)
    }

    /// Writes back what the kernel filled, and gives the call's value.
    ///
    /// # Errors
    /// EFAULT where the program's memory cannot take it; EIO for a length over the buffer.
    pub fn collect(&mut self, call: &Call<'_>, value: i64) -> Result<i64, Stop> {
        for index in 0..self.held.len() {
            let word = |words: &[i32; 6], which: usize| words.get(which).copied().unwrap_or(0);
            match &mut self.held[index] {
                Held::Nothing | Held::String(_) | Held::Read(_) => {}
                Held::Copy(copy, _, Direction::InOut) => {
                    match copy.scatter_changes(call.memory()) {
                        // An error is told as it is.
                        Err(Fault::Unmapped(_)) if value < 0 => {}
                        other => other.map_err(|fault| Call::stop(index, fault))?,
                    }
                }
                Held::Copy(copy, filled, _) => {
                    let filled = match (*filled, value) {
                        (Filled::WhenInterrupted, value) if value == -i64::from(libc::EINTR) => {
                            copy.length()
                        }
                        (Filled::WhenInterrupted, _) => 0,
                        (_, ..0) => 0,
                        (Filled::Whole, _) => copy.length(),
                        (Filled::Result, _) => bounded(value, 1, copy.length())?,
                        (Filled::ResultItems(size), _) => bounded(value, size, copy.length())?,
                    };
                    copy.scatter(call.memory(), filled)
                        .map_err(|fault| Call::stop(index, fault))?;
                }
                Held::Sized {
                    copy,
                    length,
                    capacity,
                } => {
                    let now = word(&self.words, *length).max(0) as usize;
                    if value >= 0 {
                        copy.scatter(call.memory(), now.min(*capacity))
                            .map_err(|fault| Call::stop(index, fault))?;
                    }
                }
                Held::Word { at } => {
                    if value >= 0 {
                        let now = word(&self.words, index);
                        call.write(index, *at, &now.to_le_bytes())?;
                    }
                }
            }
        }
        Ok(value)
    }

    fn path(
        &mut self,
        call: &Call<'_>,
        index: usize,
        at: u64,
        follow: Follow,
    ) -> Result<u64, Stop> {
        let Some(mut path) = string(call, index, at, libc::ENAMETOOLONG)? else {
            return Ok(host::absent(at, 1));
        };
        let nofollow = libc::AT_SYMLINK_NOFOLLOW;
        let follows = match follow {
            Follow::Always => follows_end(call)?,
            Follow::Never => false,
            Follow::Unless(flags) => call.int(flags) & nofollow == 0,
        };
        let before = index
            .checked_sub(1)
            .and_then(|before| call.entry.arguments.get(before));
        let directory = match before.map(|argument| argument.kind) {
            Some(Kind::Directory) => call.int(index - 1),
            _ => libc::AT_FDCWD,
        };
        let bytes = match names::resolve(call, directory, path.as_bytes(), follows) {
            Some(Own::Executable) if follows => {
                Some(call.process.executable().as_os_str().as_bytes().to_vec())
            }
            Some(Own::Absent) => return Err(Stop::Errno(libc::ENOENT)),
            Some(Own::Descriptor(number)) if call.process.is_hidden(number) => {
                return Err(Stop::Errno(libc::ENOENT));
            }
            Some(Own::Descriptor(number)) => {
                Some(names::in_thread(format!("fd/{number}").as_bytes()))
            }
            Some(Own::Entry(entry)) => Some(names::in_thread(&entry)),
            Some(Own::Executable) | None => None,
        };
        if let Some(bytes) = bytes {
            path = CString::new(bytes).map_err(|_| Stop::Errno(libc::ENOENT))?;
        }
        Ok(self.hold(index, Held::String(path)))
    }

    fn text(&mut self, call: &Call<'_>, index: usize, at: u64) -> Result<u64, Stop> {
        Ok(match string(call, index, at, libc::EINVAL)? {
            Some(text) => self.hold(index, Held::String(text)),
            None => host::absent(at, 1),
        })
    }

    /// Keeps what the kernel will work on, and gives its address.
    fn hold(&mut self, index: usize, held: Held) -> u64 {
        self.held[index] = held;
        match &mut self.held[index] {
            Held::Nothing | Held::Word { .. } => 0,
            Held::String(string) => string.as_ptr() as u64,
            Held::Read(copy) | Held::Copy(copy, ..) | Held::Sized { copy, .. } => {
                copy.pointer() as u64
            }
        }
    }

    fn block(
        &mut self,
        call: &Call<'_>,
        index: usize,
        block: &Block,
        host: &mut [u64; 6],
    ) -> Result<u64, Stop> {
        let at = call.argument(index);
        let (length, from) = match block.extent {
            Extent::Fixed(bytes) => (u64::from(bytes), None),
            Extent::Bytes(which) => (length_argument(call, which), Some(which)),
            Extent::Items { count, size } => (
                length_argument(call, count).saturating_mul(u64::from(size)),
                None,
            ),
            Extent::Inner(least) => return self.versioned(call, index, at, least),
        };
        if at == 0 || length == 0 {
            return Ok(host::absent(at, length));
        }
        // Where the kernel fills as much as it has, it does not mind how much more is offered.
        let length = match from {
            Some(which)
                if block.filled == Filled::Result
                    && host::in_user_range(at, 1)
                    && !host::in_user_range(at, length) =>
            {
                host[which] = bounce::LARGEST;
                bounce::LARGEST
            }
            _ => length,
        };
        let access = match block.direction {
            Direction::In => Access::Read,
            Direction::Out | Direction::InOut => Access::Write,
        };
        match host::slices(call.memory(), at, length, access) {
            Ok(slices) => {
                if let [slice] = slices.as_slice() {
                    return Ok(slice.pointer as u64);
                }
            }
            Err(Fault::Revoked(address)) => {
                return Err(Stop::Revoked {
                    argument: index,
                    address,
                });
            }
            // A buffer that is usable at its start may be long enough for what the kernel writes.
            Err(Fault::Unmapped(hole)) if from.is_some() && block.filled == Filled::Result => {
                if hole.0 <= at {
                    return Ok(host::absent(at, length));
                }
            }
            // The kernel may not come to write.
            Err(Fault::Unmapped(_)) if block.direction == Direction::InOut => {}
            Err(Fault::Unmapped(_)) => return Ok(host::absent(at, length)),
        }
        if length > bounce::LARGEST {
            match (from, block.filled) {
                (Some(which), Filled::Result) => host[which] = bounce::LARGEST,
                _ => return Err(Stop::Errno(libc::ENOMEM)),
            }
        }
        let mut copy = Bounce::new(at, length);
        if block.direction != Direction::Out {
            match copy.gather(call.memory()) {
                Ok(()) => {}
                Err(Fault::Unmapped(_)) => return Ok(host::absent(at, length)),
                Err(fault) => return Err(Call::stop(index, fault)),
            }
        }
        let held = match block.direction {
            Direction::In => Held::Read(copy),
            direction => Held::Copy(copy, block.filled, direction),
        };
        Ok(self.hold(index, held))
    }

    /// Always copied: the kernel reads the size again, and it must not have changed.
    fn versioned(
        &mut self,
        call: &Call<'_>,
        index: usize,
        at: u64,
        least: u32,
    ) -> Result<u64, Stop> {
        if at == 0 {
            return Ok(0);
        }
        let stated = call.read_u32(index, at)?;
        let length = if stated == 0 { least } else { stated };
        if u64::from(length) > dangless_core::address::PAGE_SIZE || length < 4 {
            return Err(Stop::Errno(libc::E2BIG));
        }
        let mut copy = Bounce::new(at, u64::from(length));
        copy.gather(call.memory())
            .map_err(|fault| Call::stop(index, fault))?;
        if let Some(first) = copy.bytes().get_mut(..4) {
            first.copy_from_slice(&stated.to_le_bytes());
        }
        Ok(self.hold(index, Held::Read(copy)))
    }

    /// Memory whose size stands in a word of the program: the kernel works on copies of both, so
    /// that it never uses a size other than the one that was checked.
    fn sized(
        &mut self,
        call: &Call<'_>,
        index: usize,
        length: usize,
        capacity: usize,
        host: &mut [u64; 6],
    ) -> Result<(), Stop> {
        let (at, word_at) = (call.argument(index), call.argument(length));
        let mut word = [0; 4];
        host[index] = host::absent(at, 1);
        match call.memory().read(GuestVirtual(word_at), &mut word) {
            Ok(()) => {}
            Err(Fault::Revoked(address)) if at != 0 => {
                return Err(Stop::Revoked {
                    argument: length,
                    address,
                });
            }
            Err(_) => {
                host[length] = host::absent(word_at, 4);
                return Ok(());
            }
        }
        let stated = i32::from_le_bytes(word);
        let offered = usize::try_from(stated).unwrap_or(0).min(capacity);
        if let Some(slot) = self.words.get_mut(length) {
            *slot = stated.min(i32::try_from(capacity).unwrap_or(i32::MAX));
            host[length] = std::ptr::from_mut(slot) as u64;
        }
        self.held[length] = Held::Word { at: word_at };
        if at == 0 {
            return Ok(());
        }
        call.check_live(index, at, offered as u64)?;
        if host::slices(call.memory(), at, 1, Access::Write).is_err() {
            return Ok(());
        }
        // Room for all the kernel could write, whatever the program offers.
        let mut copy = Bounce::new(at, capacity as u64);
        if let Some(offer) = copy.bytes().get_mut(..offered) {
            // Some options read the buffer first; where it cannot be read it stays zero and the
            // write back decides.
            if call.memory().read(GuestVirtual(at), offer).is_err() {
                offer.fill(0);
            }
        }
        host[index] = self.hold(
            index,
            Held::Sized {
                copy,
                length,
                capacity: offered,
            },
        );
        Ok(())
    }

    fn descriptor_set(
        &mut self,
        call: &Call<'_>,
        index: usize,
        at: u64,
        host: &mut [u64; 6],
    ) -> Result<u64, Stop> {
        let Ok(count) = u64::try_from(call.int(0)) else {
            return Ok(0);
        };
        if at == 0 || count == 0 {
            return Ok(0);
        }
        let count = count.min(DESCRIPTOR_LIMIT);
        host[0] = count;
        let mut copy = Bounce::new(at, count.div_ceil(64) * 8);
        match copy.gather(call.memory()) {
            Ok(()) => {}
            // As above.
            Err(Fault::Unmapped(_)) => return Ok(host::fence()),
            Err(fault) => return Err(Call::stop(index, fault)),
        }
        for (place, byte) in copy.bytes().iter().enumerate() {
            let mut bits = *byte;
            while bits != 0 {
                let number = place as u64 * 8 + u64::from(bits.trailing_zeros());
                if number < count {
                    call.visible(number as i32)?;
                }
                bits &= bits - 1;
            }
        }
        Ok(self.hold(index, Held::Copy(copy, Filled::Whole, Direction::InOut)))
    }
}

/// The string at `at`; `None` where it cannot be read.
fn string(call: &Call<'_>, index: usize, at: u64, too_long: i32) -> Result<Option<CString>, Stop> {
    if !host::in_user_range(at, 1) || at == 0 {
        return Ok(None);
    }
    match call.memory().read_c_string(GuestVirtual(at), PATH_LIMIT) {
        Ok(Some(string)) => Ok(Some(string)),
        Ok(None) => Err(Stop::Errno(too_long)),
        Err(Fault::Unmapped(_)) => Ok(None),
        Err(Fault::Revoked(address)) => Err(Stop::Revoked {
            argument: index,
            address,
        }),
    }
}

/// The length that an argument states; 0 for a negative `int`, which the kernel refuses itself.
fn length_argument(call: &Call<'_>, index: usize) -> u64 {
    match call
        .entry
        .arguments
        .get(index)
        .map(|argument| argument.kind)
    {
        Some(Kind::Int) => u64::try_from(call.int(index)).unwrap_or(0),
        Some(kind) if kind.is_narrow() => u64::from(call.argument(index) as u32),
        _ => call.argument(index),
    }
}

/// Bytes in so many items, which must lie within the copy.
fn bounded(value: i64, size: u32, length: usize) -> Result<usize, Stop> {
    let bytes = usize::try_from(value)
        .ok()
        .and_then(|count| count.checked_mul(size as usize));
    match bytes {
        Some(bytes) if bytes <= length => Ok(bytes),
        _ => Err(Stop::Errno(libc::EIO)),
    }
}

/// Whether a call that opens a file goes through a link at the path's end, to the process's own
/// executable too. Where the way is restricted the kernel judges it; what it opens is looked at.
fn follows_end(call: &Call<'_>) -> Result<bool, Stop> {
    let flags = match call.entry.number {
        libc::SYS_open => call.int(1),
        libc::SYS_openat => call.int(2),
        libc::SYS_openat2 => {
            let how: [u8; 24] = match call.read_array(2, call.argument(2)) {
                Ok(how) => how,
                // The kernel says so, or something else first.
                Err(Stop::Errno(_)) => return Ok(true),
                Err(stop) => return Err(stop),
            };
            if how[16..] != [0; 8] {
                return Ok(false);
            }
            i32::from_le_bytes([how[0], how[1], how[2], how[3]])
        }
        _ => 0,
    };
    Ok(flags & libc::O_NOFOLLOW == 0)
}
