//! Serves the heap's conservative search: where the program may hold pointers.

use super::crew::Member;
use super::thread::Thread;
use dangless_core::abi::area::{MOST_ROOTS, MOST_WORDS};
use dangless_core::abi::exit::FAILED;
use dangless_core::abi::layout;
use kvm_bindings::kvm_xsave;
use std::fs;
use std::sync::atomic::Ordering;

/// `_IOR(KVMIO, 0xa4, struct kvm_xsave)`
const KVM_GET_XSAVE: u64 = 0x9000_aea4;
/// Bits of an address; programs may keep other things above.
const ADDRESS: u64 = (1 << 47) - 1;

impl Thread {
    /// Lists touched memory of the program's mappings from `from` on, in the area.
    pub(super) fn roots(&self, from: u64) -> u64 {
        let sp = self.processor.vcpu.registers().rsp;
        let unused = if self.is_on_stack(sp) {
            self.stack_start()..sp
        } else {
            0..0
        };
        let Ok(touched) = self.program.space.touched(from, &unused, MOST_ROOTS) else {
            return FAILED;
        };
        self.processor.area.update(|area| {
            area.roots.count = touched.pieces.len() as u64;
            area.roots.next = touched.next.unwrap_or(0);
            for (to, (start, length)) in area.roots.pieces.iter_mut().zip(&touched.pieces) {
                *to = [start.0, *length];
            }
        });
        0
    }

    /// Lists words from number `from` on that may be addresses in the heap and lie in no memory of
    /// the program, in the area.
    pub(super) fn root_words(&mut self, from: u64) -> u64 {
        if self.program.crew.is_lending() {
            // What the parent of a `vfork` has in registers is out of reach.
            return FAILED;
        }
        if from == 0 {
            let Some(words) = self.find_words() else {
                return FAILED;
            };
            self.words = words;
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = self.words.get(from..).unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(MOST_WORDS));
        self.processor.area.update(|area| {
            area.roots.count = now.len() as u64;
            area.roots.next = if later.is_empty() {
                0
            } else {
                (from + now.len()) as u64
            };
            let places = area.roots.pieces.as_flattened_mut();
            for (to, word) in places.iter_mut().zip(now) {
                *to = *word;
            }
        });
        0
    }

    /// All such words; `None` where the host does not tell.
    fn find_words(&self) -> Option<Vec<u64>> {
        let mut words = kept_by_kernel();
        for member in self.program.crew.members().iter() {
            if self.is_other(member) {
                words.extend(member.known.words());
                words.extend(vectors(member)?);
            }
        }
        words.retain(|word| {
            let at = word & ADDRESS;
            // The end of the last object too.
            layout::is_alias(at) || layout::is_alias(at.wrapping_sub(1))
        });
        words.sort_unstable();
        words.dedup();
        Some(words)
    }
}

/// What a thread whose processor stands still has in vector registers.
fn vectors(member: &Member) -> Option<Vec<u64>> {
    let descriptor = member.descriptor.load(Ordering::Relaxed);
    if descriptor < 0 {
        // It has not begun: its registers are a copy of its parent's.
        return Some(Vec::new());
    }
    let mut state = kvm_xsave::default();
    // SAFETY: the vCPU of a living thread; KVM writes the structure, which is as large as it
    // expects.
    let got = unsafe { libc::ioctl(descriptor, KVM_GET_XSAVE, &raw mut state) };
    (got == 0).then(|| {
        let halves = state.region.chunks_exact(2);
        let word = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair[1]) << 32;
        halves.map(word).collect()
    })
}

/// Words that the program has handed to the host's kernel, to get them back with events: those of
/// `epoll` and of timers. Where `/proc` is out of reach there are none.
fn kept_by_kernel() -> Vec<u64> {
    let mut words = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
    {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if target.to_str() == Some("anon_inode:[eventpoll]") {
            let mut path = std::path::PathBuf::from("/proc/self/fdinfo");
            path.push(entry.file_name());
            let text = fs::read_to_string(path).unwrap_or_default();
            words.extend(after(&text, "data:"));
        }
    }
    // A line "signal: NUMBER/WORD" for each timer.
    let timers = fs::read_to_string("/proc/self/timers").unwrap_or_default();
    let values = timers.lines().filter_map(|line| {
        let (_, word) = line.strip_prefix("signal:")?.split_once('/')?;
        u64::from_str_radix(word.trim(), 16).ok()
    });
    words.extend(values);
    words
}

/// The hexadecimal number after each `label`.
fn after<'t>(text: &'t str, label: &'t str) -> impl Iterator<Item = u64> + 't {
    text.split(label).skip(1).filter_map(|rest| {
        let word = rest.split_whitespace().next()?;
        u64::from_str_radix(word, 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_epoll_are_found() {
        // SAFETY: makes descriptors and closes them.
        unsafe {
            let (epoll, event) = (libc::epoll_create1(0), libc::eventfd(0, 0));
            let mut interest = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: 0x1234_5678_9abc,
            };
            let added = libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, event, &raw mut interest);
            assert_eq!(added, 0);
            assert!(kept_by_kernel().contains(&0x1234_5678_9abc));
            libc::close(event);
            libc::close(epoll);
        }
        assert!(!kept_by_kernel().contains(&0x1234_5678_9abc));
    }

    #[test]
    fn words_of_timers_are_found() {
        // SAFETY: all zeroes are a valid structure; the timer is made and deleted, and never set.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_NONE;
            event.sigev_value.sival_ptr = 0x1234_5678_9ab0 as *mut libc::c_void;
            let mut timer: libc::timer_t = std::mem::zeroed();
            let made = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
            assert_eq!(made, 0);
            assert!(kept_by_kernel().contains(&0x1234_5678_9ab0));
            libc::timer_delete(timer);
        }
    }
}
