//! The program's own limits on its address space, which the host does not enforce: there they would
//! bind the VMM.

use super::thread::Thread;
use crate::memory::account::Account;
use crate::process::{Errno, Process};

impl Thread {
    /// The soft limit that the program has set; none if it has not.
    fn own_limit(&self, resource: u32) -> u64 {
        let limits = &self.shared_state().limits;
        limits.get(&resource).map_or(u64::MAX, |[soft, _]| *soft)
    }

    /// Whether the program's address space has a limit.
    pub(super) fn is_limited(&self) -> bool {
        let limits = &self.shared_state().limits;
        limits.contains_key(&libc::RLIMIT_AS) || limits.contains_key(&libc::RLIMIT_DATA)
    }

    /// Whether the address space may grow by `more`, which takes the place of `instead`.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn may_expand(&self, more: Account, instead: Account) -> Result<(), Errno> {
        if !self.is_limited() {
            return Ok(());
        }
        let (all, data) = (
            self.own_limit(libc::RLIMIT_AS),
            self.own_limit(libc::RLIMIT_DATA),
        );
        let now = self.program.account();
        let exceeds = |now: u64, instead: u64, more: u64, limit: u64| {
            more > instead && now.saturating_sub(instead).saturating_add(more) > limit
        };
        if exceeds(now.all, instead.all, more.all, all)
            || exceeds(now.data, instead.data, more.data, data)
        {
            return Err(Errno(libc::ENOMEM));
        }
        Ok(())
    }

    /// Whether the limits allow so many bytes of private memory more.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn may_add(&self, bytes: u64) -> Result<(), Errno> {
        let more = Account {
            all: bytes,
            data: bytes,
        };
        self.may_expand(more, Account::default())
    }

    /// Whether the protected heap may grow by so many bytes.
    pub(super) fn may_grant(&self, bytes: u64) -> bool {
        self.may_add(bytes).is_ok()
    }

    /// Lets a mapping that grows downwards, as the stack is, grow to `at`; whether it has.
    pub(super) fn grow_down(&self, at: u64) -> bool {
        let program = &self.program;
        let mut limit = self.own_limit(libc::RLIMIT_STACK);
        if limit == u64::MAX {
            let mut host = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: the structure is ours and of the right type.
            unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut host) };
            limit = host.rlim_cur;
        }
        program.space.grow(at, limit).is_some() && program.machine.extend_direct_map().is_ok()
    }
}
