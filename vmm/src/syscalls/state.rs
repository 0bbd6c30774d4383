//! What the handlers keep between calls, for a process and for each of its threads.

use std::collections::BTreeMap;

/// What the handlers keep for a process.
#[derive(Clone, Debug, Default)]
pub struct SharedState {
    /// Limits on the address space, which must not bind the VMM: soft and hard, by resource.
    pub limits: BTreeMap<u32, [u64; 2]>,
}

/// What the handlers keep for a thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadState {
    /// Signal dispositions, mask and pending signals.
    pub signals: Signals,
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

impl Default for AlternateStack {
    fn default() -> Self {
        Self {
            base: 0,
            flags: libc::SS_DISABLE,
            size: 0,
        }
    }
}

/// What becomes of a signal that the process sends to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing.
    Ignored,
    /// It waits until it is unblocked.
    Pending,
    /// The process stops until it is continued.
    Stops,
    /// The process dies of it.
    Kills,
}

/// Number of signals.
pub const SIGNALS: i32 = 64;

/// Dispositions, mask and pending signals.
///
/// Handlers are kept and given back faithfully, but none is run: a signal with a handler kills the
/// process as if it had none.
#[derive(Clone, Debug)]
pub struct Signals {
    actions: [Action; SIGNALS as usize],
    mask: u64,
    pending: u64,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            actions: [Action::default(); SIGNALS as usize],
            mask: 0,
            pending: 0,
        }
    }
}

/// The bit of a signal in a mask; 0 for a number that is no signal.
#[must_use]
pub const fn bit(signal: i32) -> u64 {
    if signal >= 1 && signal <= SIGNALS {
        1 << (signal - 1)
    } else {
        0
    }
}

/// The signals that nothing blocks, catches or ignores.
const UNSTOPPABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

impl Signals {
    /// The disposition of a signal; `None` for a number that is no signal.
    #[must_use]
    pub fn action(&self, signal: i32) -> Option<Action> {
        self.actions
            .get(usize::try_from(signal).ok()?.checked_sub(1)?)
            .copied()
    }

    /// Sets a disposition; whether the signal allows it.
    pub fn set_action(&mut self, signal: i32, mut action: Action) -> bool {
        if bit(signal) & UNSTOPPABLE != 0 {
            return false;
        }
        action.mask &= !UNSTOPPABLE;
        let place = usize::try_from(signal)
            .ok()
            .and_then(|signal| signal.checked_sub(1));
        let Some(slot) = place.and_then(|place| self.actions.get_mut(place)) else {
            return false;
        };
        *slot = action;
        if self.is_ignored(signal) {
            self.pending &= !bit(signal);
        }
        true
    }

    /// The blocked signals.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        self.mask
    }

    /// Sets the blocked signals.
    pub fn set_mask(&mut self, mask: u64) {
        self.mask = mask & !UNSTOPPABLE;
    }

    /// The signals that wait to be unblocked.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    /// Takes the first pending signal of a set.
    pub fn take(&mut self, set: u64) -> Option<i32> {
        let waiting = self.pending & set;
        if waiting == 0 {
            return None;
        }
        let signal = waiting.trailing_zeros() as i32 + 1;
        self.pending &= !bit(signal);
        Some(signal)
    }

    /// Takes the first pending signal that `mask` does not block, and says what becomes of it.
    pub fn deliver(&mut self, mask: u64) -> Option<(i32, Delivery)> {
        let signal = self.take(!(mask & !UNSTOPPABLE))?;
        Some((signal, self.effect(signal)))
    }

    /// The process sends itself a signal. A blocked one waits even if it is ignored now.
    pub fn raise(&mut self, signal: i32) -> Delivery {
        if bit(signal) & self.mask != 0 {
            self.pending |= bit(signal);
            return Delivery::Pending;
        }
        self.effect(signal)
    }

    fn effect(&self, signal: i32) -> Delivery {
        let handled = self.action(signal).is_some_and(|action| action.handler > 1);
        match signal {
            _ if self.is_ignored(signal) => Delivery::Ignored,
            libc::SIGSTOP => Delivery::Stops,
            libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU if !handled => Delivery::Stops,
            _ => Delivery::Kills,
        }
    }

    fn is_ignored(&self, signal: i32) -> bool {
        match self.action(signal).map(|action| action.handler) {
            Some(handler) if handler == libc::SIG_IGN as u64 => true,
            Some(handler) if handler == libc::SIG_DFL as u64 => matches!(
                signal,
                libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT
            ),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_handler(handler: usize) -> Action {
        Action {
            handler: handler as u64,
            ..Action::default()
        }
    }

    #[test]
    fn default_signals_kill_are_ignored_or_stop() {
        let mut signals = Signals::default();
        assert_eq!(signals.raise(libc::SIGTERM), Delivery::Kills);
        assert_eq!(signals.raise(libc::SIGCHLD), Delivery::Ignored);
        assert_eq!(signals.raise(libc::SIGTSTP), Delivery::Stops);
    }

    #[test]
    fn a_blocked_signal_pends_until_it_is_let_in_or_ignored() {
        let mut signals = Signals::default();
        signals.set_mask(bit(libc::SIGUSR1));
        assert_eq!(signals.raise(libc::SIGUSR1), Delivery::Pending);
        assert_eq!(signals.deliver(signals.mask()), None);
        assert_eq!(signals.deliver(0), Some((libc::SIGUSR1, Delivery::Kills)));
        assert_eq!(signals.raise(libc::SIGUSR1), Delivery::Pending);
        assert!(signals.set_action(libc::SIGUSR1, with_handler(libc::SIG_IGN)));
        assert_eq!(signals.pending(), 0);
    }

    #[test]
    fn kill_and_stop_cannot_be_changed() {
        let mut signals = Signals::default();
        assert!(!signals.set_action(libc::SIGKILL, with_handler(libc::SIG_IGN)));
        signals.set_mask(u64::MAX);
        assert_eq!(signals.raise(libc::SIGKILL), Delivery::Kills);
        assert!(!signals.set_action(0, Action::default()));
        assert!(!signals.set_action(65, Action::default()));
        assert!(!signals.set_action(i32::MIN, Action::default()));
    }
}
