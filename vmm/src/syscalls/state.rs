//! What the handlers keep between calls, for a process and for each of its threads.

use crate::signals::mask::{bit, UNBLOCKABLE};
use crate::syscalls::handlers::aio::Contexts;
use std::collections::BTreeMap;

/// Limits on the address space, which must not bind the VMM: soft and hard, by resource.
pub type Limits = BTreeMap<u32, [u64; 2]>;

/// What the handlers keep for a process.
#[derive(Clone, Debug, Default)]
pub struct SharedState {
    /// Limits that the program has set.
    pub limits: Limits,
    /// Flags of the `mlockall` that holds for new mappings, 0 if none does.
    pub lock_future: i32,
    /// Contexts of asynchronous input and output.
    pub contexts: Contexts,
    /// What the process does with signals.
    pub actions: Actions,
}

/// What the handlers keep for a thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadState {
    /// The alternate signal stack.
    pub stack: AlternateStack,
    /// Where the thread's id is cleared at its end (`set_tid_address`).
    pub tid_address: u64,
    /// Head and length of the list of robust futexes.
    pub robust_list: (u64, u64),
}

/// `struct sigaction` as the kernel takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the handler's address.
    pub handler: u64,
    /// `SA_*`
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Signals blocked while it runs.
    pub mask: u64,
}

impl Action {
    /// Whether the default action is taken.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.handler == libc::SIG_DFL as u64
    }

    /// Whether the signal is ignored.
    #[must_use]
    pub const fn is_ignore(&self) -> bool {
        self.handler == libc::SIG_IGN as u64
    }

    /// Whether a handler runs.
    #[must_use]
    pub const fn is_handled(&self) -> bool {
        !self.is_default() && !self.is_ignore()
    }
}

/// An alternate signal stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateStack {
    /// Lowest address.
    pub base: u64,
    /// `SS_*`
    pub flags: i32,
    /// Bytes.
    pub size: u64,
}

/// `SS_AUTODISARM`, which libc has no name for.
pub const AUTODISARM: i32 = i32::MIN;

impl Default for AlternateStack {
    fn default() -> Self {
        Self {
            base: 0,
            flags: libc::SS_DISABLE,
            size: 0,
        }
    }
}

impl AlternateStack {
    /// Whether a thread with this stack pointer runs on it.
    #[must_use]
    pub const fn is_in_use(&self, sp: u64) -> bool {
        self.flags & AUTODISARM == 0
            && self.size != 0
            && sp > self.base
            && sp - self.base <= self.size
    }
}

/// Number of signals.
pub const SIGNALS: i32 = 64;

/// What a process does with each signal.
#[derive(Clone, Debug)]
pub struct Actions([Action; SIGNALS as usize]);

impl Default for Actions {
    fn default() -> Self {
        Self([Action::default(); SIGNALS as usize])
    }
}

impl Actions {
    /// The action for a signal; `None` for a number that is no signal.
    #[must_use]
    pub fn get(&self, signal: i32) -> Option<Action> {
        let place = usize::try_from(signal).ok()?.checked_sub(1)?;
        self.0.get(place).copied()
    }

    /// Sets an action; whether the signal allows it.
    pub fn set(&mut self, signal: i32, mut action: Action) -> bool {
        if bit(signal) & UNBLOCKABLE != 0 {
            return false;
        }
        action.mask &= !UNBLOCKABLE;
        let place = usize::try_from(signal)
            .ok()
            .and_then(|signal| signal.checked_sub(1));
        let Some(slot) = place.and_then(|place| self.0.get_mut(place)) else {
            return false;
        };
        *slot = action;
        true
    }
}

/// What a signal does by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByDefault {
    /// Nothing.
    Ignored,
    /// The process stops until it is continued.
    Stops,
    /// The process dies of it.
    Kills,
}

/// What a signal does by default.
#[must_use]
pub const fn by_default(signal: i32) -> ByDefault {
    match signal {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => ByDefault::Ignored,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => ByDefault::Stops,
        _ => ByDefault::Kills,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_and_stop_cannot_be_changed() {
        let mut actions = Actions::default();
        let ignore = Action {
            handler: libc::SIG_IGN as u64,
            ..Action::default()
        };
        assert!(!actions.set(libc::SIGKILL, ignore));
        assert!(!actions.set(libc::SIGSTOP, ignore));
        assert!(!actions.set(0, ignore));
        assert!(!actions.set(65, ignore));
        assert!(!actions.set(i32::MIN, ignore));
        assert!(actions.set(64, ignore));
        assert!(actions.get(64).is_some_and(|action| action.is_ignore()));
        assert!(actions.get(65).is_none());
    }

    #[test]
    fn a_stack_is_in_use_between_its_ends() {
        let stack = AlternateStack {
            base: 0x1000,
            flags: 0,
            size: 0x1000,
        };
        assert!(!stack.is_in_use(0x1000));
        assert!(stack.is_in_use(0x1001) && stack.is_in_use(0x2000));
        assert!(!stack.is_in_use(0x2001));
        assert!(!AlternateStack::default().is_in_use(0));
    }
}
