//! A program in a machine: the process that system calls see.

use super::boot::Machine;
use super::diagnose::Context;
use super::run::End;
use super::tick::Ticker;
use crate::memory::space::{Space, Stale};
use crate::memory::user::UserMemory;
use crate::observe::Observer;
use crate::process::{Errno, MapRequest, Outcome, Process};
use crate::syscalls::state::CallState;
use dangless_core::abi::exit::Upcall;
use dangless_core::abi::layout;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use std::ops::Range;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A loaded program and the machine it runs in.
pub struct Guest {
    // First, so that its thread is gone before what it looks at. Made at the first queued free.
    pub(super) ticker: Option<Ticker>,
    pub(super) machine: Machine,
    pub(super) space: Arc<Space>,
    executable: PathBuf,
    calls: CallState,
    pub(super) observer: Observer,
    /// What reports need to know of the program.
    pub(super) context: Context,
    protected: bool,
    stack: Range<u64>,
    fs_base: u64,
    /// Descriptors of the VMM.
    hidden: Vec<RawFd>,
    pub(super) last_fault: (u64, u64),
    pub(super) repeats: u32,
    /// An upcall that failed inside a system call ends the program after it.
    broken: Option<End>,
}

/// What a guest is made of.
pub struct Parts {
    /// The machine, with the runtime configured.
    pub machine: Machine,
    /// The address space with the program in it.
    pub space: Arc<Space>,
    /// Absolute path of the program.
    pub executable: PathBuf,
    /// Who watches system calls and reads the log.
    pub observer: Observer,
    /// What reports need to know of the program.
    pub context: Context,
    /// Whether its malloc family is the runtime's.
    pub protected: bool,
    /// Its initial stack.
    pub stack: Range<u64>,
}

impl Guest {
    /// Puts the parts together; with protection, the runtime's heap is started.
    ///
    /// # Errors
    /// When the runtime does not start.
    pub fn new(parts: Parts, entry: u64, sp: u64) -> Result<Self, End> {
        let mut hidden = parts.machine.descriptors().to_vec();
        hidden.extend(parts.observer.hidden());
        let mut guest = Self {
            ticker: None,
            machine: parts.machine,
            space: parts.space,
            executable: parts.executable,
            calls: CallState::default(),
            observer: parts.observer,
            context: parts.context,
            protected: parts.protected,
            stack: parts.stack,
            fs_base: 0,
            hidden,
            last_fault: (0, 0),
            repeats: 0,
            broken: None,
        };
        let (low, high) = (guest.stack.start, guest.stack.end);
        guest.machine.update_area(|area| {
            area.stack_low = low;
            area.stack_high = high;
        });
        guest.machine.vcpu.set_registers(&kvm_bindings::kvm_regs {
            rip: entry,
            rsp: sp,
            rflags: 0x202,
            ..kvm_bindings::kvm_regs::default()
        });
        if guest.protected && guest.upcall(Upcall::Start, [0; 3])? != 0 {
            return Err(End::Broken(
                "no memory for the heap; raise --memory".to_owned(),
            ));
        }
        Ok(guest)
    }

    /// Whether the program's heap is the runtime's.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    pub(super) fn is_on_stack(&self, at: u64) -> bool {
        self.stack.contains(&at)
    }

    /// The program's address space.
    #[must_use]
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// Who watches.
    #[must_use]
    pub fn observer(&mut self) -> &mut Observer {
        &mut self.observer
    }

    /// Tells the user something that is not part of a report.
    pub(super) fn note(&mut self, text: &str) {
        self.observer.note(text);
    }

    /// A line of the runtime's log.
    pub(super) fn log(&mut self, level: u64, text: &str) {
        self.observer.log(level, text);
    }

    /// Serves a system call, watched by the observer.
    pub(super) fn dispatch(&mut self, number: u64, arguments: [u64; 6]) -> Outcome {
        let mut observer = std::mem::take(&mut self.observer);
        let outcome = observer.dispatch(self, number, arguments);
        self.observer = observer;
        outcome
    }

    /// Takes what went wrong in the middle of a system call.
    pub(super) fn take_broken(&mut self) -> Option<End> {
        self.broken.take()
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
        self.space.settle(stale);
        Ok(())
    }

    /// Reads memory of the program or of the runtime, for reports and the log.
    pub(super) fn read_any(&self, at: u64, into: &mut [u8]) -> Result<(), ()> {
        if (layout::RUNTIME_START..layout::RUNTIME_END).contains(&at) {
            return self.machine.read_runtime(at, into);
        }
        self.space.read(GuestVirtual(at), into).map_err(|_| ())
    }
}

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

const KNOWN_PROTECTION: i32 = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;

impl Process for Guest {
    fn memory(&self) -> &dyn UserMemory {
        &*self.space
    }

    fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let MapRequest {
            at,
            length,
            protection,
            flags,
            descriptor,
            offset,
        } = request;
        let kind = flags & libc::MAP_TYPE;
        let anonymous = flags & libc::MAP_ANONYMOUS != 0;
        let fixed = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) != 0;
        if kind != libc::MAP_PRIVATE
            && kind != libc::MAP_SHARED
            && kind != libc::MAP_SHARED_VALIDATE
            || length == 0
            || offset % PAGE_SIZE != 0
            || protection & !KNOWN_PROTECTION & !(libc::PROT_GROWSDOWN | libc::PROT_GROWSUP) != 0
        {
            return Err(Errno(libc::EINVAL));
        }
        if length > layout::USER_END {
            return Err(Errno(libc::ENOMEM));
        }
        if !anonymous && self.is_hidden(descriptor) {
            return Err(Errno(libc::EBADF));
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
            if flags & libc::MAP_FIXED_NOREPLACE != 0 && self.space.is_occupied(&wanted) {
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
                .space
                .find_free(if hint < 0x1_0000 { 0 } else { hint }, length, limit)
                .ok_or(Errno(libc::ENOMEM))?;
            start..start + length
        };
        let lazy = flags & libc::MAP_NORESERVE != 0 || protection & KNOWN_PROTECTION == 0;
        let private = anonymous && kind == libc::MAP_PRIVATE;
        if private && !lazy && length > self.machine.physical.limit() {
            return Err(Errno(libc::ENOMEM));
        }
        if fixed && self.space.is_occupied(&wanted) {
            let stale = self.space.remove(&wanted);
            self.clear(stale)?;
        }
        let protection = protection & KNOWN_PROTECTION;
        if private {
            self.space
                .map_anonymous(wanted.clone(), protection, !lazy)
                .map_err(|_| Errno(libc::ENOMEM))?;
        } else {
            let host_flags = flags & (libc::MAP_TYPE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
            self.space
                .map_host(wanted.clone(), protection, host_flags, descriptor, offset)?;
        }
        self.machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        Ok(wanted.start)
    }

    fn unmap(&mut self, at: u64, length: u64) -> Result<(), Errno> {
        let wanted = range(at, length)?;
        if !layout::is_application(wanted.start, wanted.end - wanted.start) {
            return Err(Errno(libc::EINVAL));
        }
        let stale = self.space.remove(&wanted);
        self.clear(stale)
    }

    fn protect(&mut self, at: u64, length: u64, protection: i32) -> Result<(), Errno> {
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
        let stale = self.space.protect(&wanted, protection)?;
        self.machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        self.clear(stale)
    }

    fn remap(
        &mut self,
        at: u64,
        old_length: u64,
        new_length: u64,
        flags: i32,
        new_at: u64,
    ) -> Result<u64, Errno> {
        let fixed = flags & libc::MREMAP_FIXED != 0;
        let may_move = flags & libc::MREMAP_MAYMOVE != 0;
        if flags & !(libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE) != 0
            || (fixed && !may_move)
            || old_length == 0
        {
            return Err(Errno(libc::EINVAL));
        }
        let old = range(at, old_length)?;
        let new_length = range(0, new_length)?.end;
        if !self.space.is_covered(&old) {
            return Err(Errno(libc::EFAULT));
        }
        if fixed {
            let target = range(new_at, new_length)?;
            if !layout::is_application(target.start, new_length)
                || (target.start < old.end && old.start < target.end)
            {
                return Err(Errno(libc::EINVAL));
            }
            if self.space.is_occupied(&target) {
                let stale = self.space.remove(&target);
                self.clear(stale)?;
            }
            return self.relocate(old, target);
        }
        let old_size = old.end - old.start;
        if new_length <= old_size {
            if new_length < old_size {
                let stale = self.space.remove(&(old.start + new_length..old.end));
                self.clear(stale)?;
            }
            return Ok(at);
        }
        let more = old.end..old.start + new_length;
        if layout::is_application(more.start, more.end - more.start)
            && !self.space.is_occupied(&more)
            && self.space.extend(&old, &more).is_ok()
        {
            self.machine
                .extend_direct_map()
                .map_err(|_| Errno(libc::ENOMEM))?;
            return Ok(at);
        }
        if !may_move {
            return Err(Errno(libc::ENOMEM));
        }
        let start = self
            .space
            .find_free(0, new_length, 0)
            .ok_or(Errno(libc::ENOMEM))?;
        self.relocate(old, start..start + new_length)
    }

    fn set_break(&mut self, at: u64) -> u64 {
        let heap = self.space.heap();
        let (old, new) = (
            heap.end.next_multiple_of(PAGE_SIZE),
            at.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX),
        );
        if at < heap.start || at > heap.start + (1 << 42) {
            return heap.end;
        }
        if new > old {
            let more = old..new;
            if !layout::is_application(old, new - old)
                || self.space.is_occupied(&more)
                || self
                    .space
                    .map_anonymous(more, libc::PROT_READ | libc::PROT_WRITE, true)
                    .is_err()
                || self.machine.extend_direct_map().is_err()
            {
                return heap.end;
            }
        } else if new < old {
            let stale = self.space.remove(&(new..old));
            if self.clear(stale).is_err() {
                return heap.end;
            }
        }
        self.space.set_heap(heap.start..at);
        at
    }

    fn advise(&mut self, at: u64, length: u64, advice: i32) -> Result<(), Errno> {
        if length == 0 {
            return Ok(());
        }
        let wanted = range(at, length)?;
        let covered = self.space.is_covered(&wanted);
        match advice {
            libc::MADV_NORMAL
            | libc::MADV_RANDOM
            | libc::MADV_SEQUENTIAL
            | libc::MADV_WILLNEED
            | libc::MADV_DONTFORK
            | libc::MADV_DOFORK
            | libc::MADV_DONTDUMP
            | libc::MADV_DODUMP
            | libc::MADV_MERGEABLE
            | libc::MADV_UNMERGEABLE => {}
            libc::MADV_DONTNEED
            | libc::MADV_FREE
            | libc::MADV_REMOVE
            | libc::MADV_HUGEPAGE
            | libc::MADV_NOHUGEPAGE
            | libc::MADV_COLD
            | libc::MADV_PAGEOUT => {
                for (host, bytes) in self.space.host_ranges(&wanted) {
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

    fn is_mapped(&self, at: u64, length: u64) -> bool {
        at.checked_add(length)
            .is_some_and(|end| self.space.is_covered(&(at..end)))
    }

    fn fs_base(&self) -> u64 {
        self.fs_base
    }

    fn set_fs_base(&mut self, base: u64) {
        let vcpu = &mut self.machine.vcpu;
        let set = vcpu.special().and_then(|mut special| {
            special.fs.base = base;
            vcpu.set_special(&special)
        });
        match set {
            Ok(()) => self.fs_base = base,
            Err(error) => self.broken = Some(End::Broken(error.to_string())),
        }
    }

    fn is_hidden(&self, descriptor: RawFd) -> bool {
        self.hidden.contains(&descriptor)
    }

    fn executable(&self) -> &Path {
        &self.executable
    }

    fn call_state(&mut self) -> &mut CallState {
        &mut self.calls
    }
}

impl Guest {
    fn relocate(&mut self, old: Range<u64>, target: Range<u64>) -> Result<u64, Errno> {
        let length = (old.end - old.start).min(target.end - target.start);
        // What the smaller new mapping has no room for goes first.
        if old.start + length < old.end {
            let stale = self.space.remove(&(old.start + length..old.end));
            self.clear(stale)?;
        }
        let stale = self
            .space
            .relocate(&(old.start..old.start + length), &target)?;
        self.machine
            .extend_direct_map()
            .map_err(|_| Errno(libc::ENOMEM))?;
        self.clear(stale)?;
        Ok(target.start)
    }
}
