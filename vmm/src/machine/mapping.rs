//! `mmap` and its family, for a thread of the program.
//!
//! One call at a time: each holds the program's mapping lock from the look at what is mapped until
//! the last entry is cleared and the memory behind it dropped, so that two threads never get the
//! same addresses. The lock is taken before any other and never while serving a request of the
//! runtime.

use super::thread::Thread;
use crate::memory::account::Account;
use crate::memory::space::Stale;
use crate::process::{Errno, MapRequest, Process};
use dangless_core::abi::exit::Upcall;
use dangless_core::abi::layout;
use dangless_core::address::PAGE_SIZE;
use std::ops::Range;

/// As `MADV_DONTNEED`, of locked memory too; libc has no name for it.
const MADV_DONTNEED_LOCKED: i32 = 24;

/// A page-aligned range of application memory.
fn range(at: u64, length: u64) -> Result<Range<u64>, Errno> {
    let length = length
        .checked_next_multiple_of(PAGE_SIZE)
        .filter(|&length| length != 0)
        .ok_or(Errno(libc::EINVAL))?;
    if at % PAGE_SIZE != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let end = at.checked_add(length).ok_or(Errno(libc::EINVAL))?;
    Ok(at..end)
}

/// Bytes of a range whose page-table entries are made again at once after its protection changed.
const SOON: u64 = 1 << 20;

const KNOWN_PROTECTION: i32 = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;

impl Thread {
    pub(super) fn map_memory(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let MapRequest {
            at,
            length,
            protection,
            flags,
            descriptor,
            offset,
        } = request;
        let kind = flags & libc::MAP_TYPE;
        // SAFETY: asks about a descriptor; no memory is involved.
        let mode = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
        let closed = self.is_hidden(descriptor) || mode < 0 || mode & libc::O_PATH != 0;
        if flags & libc::MAP_ANONYMOUS == 0 && closed {
            return Err(Errno(libc::EBADF));
        }
        let anonymous = flags & libc::MAP_ANONYMOUS != 0;
        let fixed = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) != 0;
        if kind != libc::MAP_PRIVATE
            && kind != libc::MAP_SHARED
            && kind != libc::MAP_SHARED_VALIDATE
            || length == 0
            || offset % PAGE_SIZE != 0
        {
            return Err(Errno(libc::EINVAL));
        }
        if length > layout::USER_END {
            return Err(Errno(libc::ENOMEM));
        }
        if flags & libc::MAP_HUGETLB != 0 {
            return Err(Errno(libc::ENOMEM));
        }
        let length = length.next_multiple_of(PAGE_SIZE);
        let wanted = if fixed {
            let wanted = range(at, length)?;
            if at < 0x1_0000 {
                return Err(Errno(libc::EPERM));
            }
            if !layout::is_application(at, length) {
                return Err(Errno(libc::ENOMEM));
            }
            if flags & libc::MAP_FIXED_NOREPLACE != 0 && self.program.space.is_occupied(&wanted) {
                return Err(Errno(libc::EEXIST));
            }
            wanted
        } else {
            let hint = at & !(PAGE_SIZE - 1);
            let limit = if flags & libc::MAP_32BIT != 0 {
                1 << 31
            } else {
                0
            };
            let start = self
                .program
                .space
                .find_free(if hint < 0x1_0000 { 0 } else { hint }, length, limit)
                .ok_or(Errno(libc::ENOMEM))?;
            start..start + length
        };
        let lazy = flags & libc::MAP_NORESERVE != 0 || protection & KNOWN_PROTECTION == 0;
        let private = anonymous && kind == libc::MAP_PRIVATE;
        if private && !lazy && length > self.program.machine.physical.limit() {
            return Err(Errno(libc::ENOMEM));
        }
        self.may_map(&wanted, private && protection & libc::PROT_WRITE != 0)?;
        if fixed && self.program.space.is_occupied(&wanted) {
            let stale = self.program.space.remove(&wanted);
            self.clear(stale)?;
        }
        let protection = protection & KNOWN_PROTECTION;
        if private {
            self.program
                .space
                .map_anonymous(wanted.clone(), protection, !lazy)
                .map_err(|_| Errno(libc::ENOMEM))?;
            if flags & libc::MAP_GROWSDOWN != 0 {
                self.program.space.set_growing(wanted.start);
            }
        } else {
            let host_flags = flags & (libc::MAP_TYPE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
            self.program.space.map_host(
                wanted.clone(),
                protection,
                host_flags,
                descriptor,
                offset,
            )?;
        }
        self.program
            .machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        if !anonymous && protection & libc::PROT_EXEC != 0 {
            self.adopt(&wanted, flags, descriptor, offset);
        }
        Ok(wanted.start)
    }

    /// Whether the limits allow a mapping at `wanted`, in place of what is there.
    fn may_map(&self, wanted: &Range<u64>, data: bool) -> Result<(), Errno> {
        if !self.is_limited() {
            return Ok(());
        }
        let bytes = wanted.end - wanted.start;
        let more = Account {
            all: bytes,
            data: if data { bytes } else { 0 },
        };
        self.may_expand(more, self.program.space.account_within(wanted))
    }

    pub(super) fn unmap_memory(&mut self, at: u64, length: u64) -> Result<(), Errno> {
        let wanted = range(at, length)?;
        if layout::is_reserved(wanted.start, wanted.end) {
            return Err(Errno(libc::EINVAL));
        }
        // What is not the program's between its own mappings stays.
        let stale = self.program.space.remove(&wanted);
        self.clear(stale)
    }

    pub(super) fn protect_memory(
        &mut self,
        at: u64,
        length: u64,
        protection: i32,
    ) -> Result<(), Errno> {
        if protection & !KNOWN_PROTECTION != 0 {
            return Err(Errno(libc::EINVAL));
        }
        if length == 0 && at % PAGE_SIZE == 0 {
            return Ok(());
        }
        let wanted = range(at, length).map_err(|error| {
            if at % PAGE_SIZE == 0 {
                Errno(libc::ENOMEM)
            } else {
                error
            }
        })?;
        if protection & libc::PROT_WRITE != 0 && self.is_limited() {
            // What may be written becomes data.
            let now = self.program.space.account_within(&wanted);
            let more = Account {
                data: wanted.end - wanted.start,
                ..now
            };
            self.may_expand(more, now)?;
        }
        let stale = self.program.space.protect(&wanted, protection)?;
        self.program
            .machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        let linked = stale.ranges.clone();
        self.clear(stale)?;
        // What was in use is likely to be used again.
        for range in linked
            .iter()
            .filter(|range| range.end - range.start <= SOON)
        {
            self.program.space.prepare(range);
        }
        Ok(())
    }

    pub(super) fn remap_memory(
        &mut self,
        at: u64,
        old_length: u64,
        new_length: u64,
        flags: i32,
        new_at: u64,
    ) -> Result<u64, Errno> {
        let fixed = flags & libc::MREMAP_FIXED != 0;
        let may_move = flags & libc::MREMAP_MAYMOVE != 0;
        let keep = flags & libc::MREMAP_DONTUNMAP != 0;
        if flags & !(libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP) != 0
            || ((fixed || keep) && !may_move)
            || (keep && old_length != new_length)
            || old_length == 0
        {
            return Err(Errno(libc::EINVAL));
        }
        let old = match range(at, old_length) {
            // Past the end of memory there is nothing.
            Err(_) if at % PAGE_SIZE == 0 => return Err(Errno(libc::EFAULT)),
            old => old?,
        };
        let new_length = range(0, new_length)?.end;
        if !self.program.space.is_covered(&old) {
            return Err(Errno(libc::EFAULT));
        }
        if fixed {
            let target = range(new_at, new_length)?;
            if !layout::is_application(target.start, new_length)
                || (target.start < old.end && old.start < target.end)
            {
                return Err(Errno(libc::EINVAL));
            }
            if self.program.space.is_occupied(&target) {
                let stale = self.program.space.remove(&target);
                self.clear(stale)?;
            }
            return self.relocate(old, target, keep);
        }
        let old_size = old.end - old.start;
        if new_length <= old_size && !keep {
            if new_length < old_size {
                let stale = self
                    .program
                    .space
                    .remove(&(old.start + new_length..old.end));
                self.clear(stale)?;
            }
            return Ok(at);
        }
        let more = old.end..old.start + new_length;
        let bytes = if keep {
            new_length
        } else {
            new_length - old_size
        };
        self.may_add(bytes)?;
        if !keep
            && layout::is_application(more.start, more.end - more.start)
            && !self.program.space.is_occupied(&more)
            && self.program.space.extend(&old, &more).is_ok()
        {
            self.program
                .machine
                .extend_direct_map()
                .map_err(|_| Errno(libc::ENOMEM))?;
            return Ok(at);
        }
        if !may_move {
            return Err(Errno(libc::ENOMEM));
        }
        let start = self
            .program
            .space
            .find_free(0, new_length, 0)
            .ok_or(Errno(libc::ENOMEM))?;
        self.relocate(old, start..start + new_length, keep)
    }

    pub(super) fn move_break(&mut self, at: u64) -> u64 {
        let heap = self.program.space.heap();
        let (old, new) = (
            heap.end.next_multiple_of(PAGE_SIZE),
            at.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX),
        );
        if at < heap.start || at > heap.start + (1 << 42) {
            return heap.end;
        }
        if new > old {
            let more = old..new;
            if self.may_add(new - old).is_err()
                || !layout::is_application(old, new - old)
                || self.program.space.is_occupied(&more)
                || self
                    .program
                    .space
                    .map_anonymous(more, libc::PROT_READ | libc::PROT_WRITE, true)
                    .is_err()
                || self.program.machine.extend_direct_map().is_err()
            {
                return heap.end;
            }
        } else if new < old {
            let stale = self.program.space.remove(&(new..old));
            if self.clear(stale).is_err() {
                return heap.end;
            }
        }
        self.program.space.set_heap(heap.start..at);
        at
    }

    pub(super) fn advise_memory(&mut self, at: u64, length: u64, advice: i32) -> Result<(), Errno> {
        if length == 0 && at % PAGE_SIZE == 0 {
            return Ok(());
        }
        let wanted = range(at, length)?;
        let space = &self.program.space;
        let covered = space.is_covered(&wanted);
        match advice {
            libc::MADV_NORMAL
            | libc::MADV_RANDOM
            | libc::MADV_SEQUENTIAL
            | libc::MADV_WILLNEED
            | libc::MADV_DONTDUMP
            | libc::MADV_DODUMP
            | libc::MADV_MERGEABLE
            | libc::MADV_UNMERGEABLE => {}
            libc::MADV_DONTFORK => space.withhold(&wanted, |it| it.mapping = true)?,
            libc::MADV_DOFORK => space.withhold(&wanted, |it| it.mapping = false)?,
            libc::MADV_WIPEONFORK => space.withhold(&wanted, |it| it.contents = true)?,
            libc::MADV_KEEPONFORK => space.withhold(&wanted, |it| it.contents = false)?,
            libc::MADV_DONTNEED
            | libc::MADV_FREE
            | libc::MADV_REMOVE
            | libc::MADV_HUGEPAGE
            | libc::MADV_NOHUGEPAGE
            | libc::MADV_COLD
            | libc::MADV_PAGEOUT
            | libc::MADV_POPULATE_READ
            | libc::MADV_POPULATE_WRITE
            | MADV_DONTNEED_LOCKED => {
                for (host, bytes) in space.host_ranges(&wanted) {
                    // SAFETY: the range is guest memory inside the reservation; these advices
                    // change its contents at most, as the program asked.
                    let failed = unsafe { libc::madvise(host.cast(), bytes as usize, advice) } != 0;
                    if failed {
                        let number = std::io::Error::last_os_error().raw_os_error();
                        return Err(Errno(number.unwrap_or(libc::EINVAL)));
                    }
                }
            }
            _ => return Err(Errno(libc::EINVAL)),
        }
        if covered {
            Ok(())
        } else {
            Err(Errno(libc::ENOMEM))
        }
    }

    /// For a forked child: takes away what its parent withholds.
    pub(super) fn inherit_memory(&mut self) -> Result<(), Errno> {
        for range in self.program.space.inherit() {
            let stale = self.program.space.remove(&range);
            self.clear(stale)?;
        }
        Ok(())
    }

    fn relocate(&mut self, old: Range<u64>, target: Range<u64>, keep: bool) -> Result<u64, Errno> {
        let length = (old.end - old.start).min(target.end - target.start);
        // What the smaller new mapping has no room for goes first.
        if old.start + length < old.end {
            let stale = self.program.space.remove(&(old.start + length..old.end));
            self.clear(stale)?;
        }
        let stale = self
            .program
            .space
            .relocate(&(old.start..old.start + length), &target, keep)?;
        self.program
            .machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        self.clear(stale)?;
        Ok(target.start)
    }

    /// Has the runtime clear page-table entries, then drops the memory behind them.
    fn clear(&mut self, stale: Stale) -> Result<(), Errno> {
        for range in &stale.ranges {
            match self.upcall(Upcall::Unmap, [range.start, range.end - range.start, 0]) {
                Ok(0) => {}
                Ok(_) => return Err(Errno(libc::ENOMEM)),
                Err(end) => {
                    self.broken = Some(end);
                    return Err(Errno(libc::ENOMEM));
                }
            }
        }
        if !stale.ranges.is_empty() && !self.program.machine.shadow_paging {
            self.program.crew.flush_others(&self.member);
        }
        self.program.space.settle(stale);
        Ok(())
    }
}
