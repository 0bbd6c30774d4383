//! What a thread has given up.

use super::action::{rank, Action};
use super::filter::{Data, Filter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most instructions of all filters of a thread (`MAX_INSNS_PER_PATH`).
const MOST: usize = 32768;
/// What each filter counts more than its instructions.
const OVERHEAD: usize = 4;

/// A filter, and those that were there before it.
#[derive(Debug)]
pub struct Chain {
    filter: Filter,
    before: Option<Arc<Chain>>,
}

impl Drop for Chain {
    /// One after the other: a chain may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(one) = before {
            before = Arc::into_inner(one).and_then(|mut one| one.before.take());
        }
    }
}

impl Chain {
    fn iter(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |one| one.before.as_ref())
    }

    /// The answer of the most restrictive filter, of the newest of several such.
    fn answer(self: &Arc<Self>, data: &Data) -> u32 {
        let mut least = libc::SECCOMP_RET_ALLOW;
        for one in self.iter() {
            let answer = one.filter.run(data);
            if rank(answer) < rank(least) {
                least = answer;
            }
        }
        least
    }
}

/// What a thread has given up.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Open,
    /// All but `read`, `write`, `exit` and `rt_sigreturn`.
    Strict,
    /// What its filters say.
    Filtered(Arc<Chain>),
}

impl Mode {
    /// As the kernel numbers it.
    #[must_use]
    pub const fn number(&self) -> u32 {
        match self {
            Self::Open => libc::SECCOMP_MODE_DISABLED,
            Self::Strict => libc::SECCOMP_MODE_STRICT,
            Self::Filtered(_) => libc::SECCOMP_MODE_FILTER,
        }
    }

    /// Its filters, the oldest first.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        let Self::Filtered(chain) = self else {
            return Vec::new();
        };
        let mut filters: Vec<Filter> = chain.iter().map(|one| one.filter.clone()).collect();
        filters.reverse();
        filters
    }

    /// The mode with these filters, the oldest first.
    #[must_use]
    pub fn with(filters: Vec<Filter>) -> Self {
        let chain = |before, filter| Some(Arc::new(Chain { filter, before }));
        let chain = filters.into_iter().fold(None, chain);
        chain.map_or(Self::Open, Self::Filtered)
    }

    /// The mode with a filter more.
    ///
    /// # Errors
    /// EINVAL in strict mode; ENOMEM if there are too many.
    pub fn and(&self, filter: Filter) -> Result<Self, i32> {
        let before = match self {
            Self::Open => None,
            Self::Strict => return Err(libc::EINVAL),
            Self::Filtered(chain) => Some(chain),
        };
        let others = before.into_iter().flat_map(Chain::iter);
        let count: usize = others.map(|one| one.filter.length() + OVERHEAD).sum();
        if count + filter.length() > MOST {
            return Err(libc::ENOMEM);
        }
        Ok(Self::Filtered(Arc::new(Chain {
            filter,
            before: before.cloned(),
        })))
    }

    /// Whether `other` has all that this mode has, and perhaps more.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open, _) => true,
            (Self::Filtered(own), Self::Filtered(other)) => {
                other.iter().any(|one| Arc::ptr_eq(one, own))
            }
            _ => false,
        }
    }

    /// What becomes of a call.
    #[must_use]
    pub fn judge(&self, data: &Data, number: u32) -> Action {
        match self {
            Self::Open => Action::Allow,
            Self::Strict => match i64::from(number) {
                libc::SYS_read | libc::SYS_write | libc::SYS_exit | libc::SYS_rt_sigreturn => {
                    Action::Allow
                }
                _ => Action::KillThread,
            },
            Self::Filtered(chain) => Action::of(chain.answer(data)),
        }
    }
}

/// The mode of one thread, which other threads may change (`SECCOMP_FILTER_FLAG_TSYNC`).
///
/// It changes only while the state that system calls keep for the process is locked.
#[derive(Debug, Default)]
pub struct Cell {
    /// Whether the mode is any but open.
    closed: AtomicBool,
    /// Whether the host thread has yet to be told that it gains no privileges any more.
    owes: AtomicBool,
    mode: Mutex<Mode>,
}

impl Cell {
    /// A cell with this mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            closed: AtomicBool::new(!matches!(mode, Mode::Open)),
            owes: AtomicBool::new(false),
            mode: Mutex::new(mode),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether calls have to be judged.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if self.is_closed() {
            self.lock().clone()
        } else {
            Mode::Open
        }
    }

    /// Sets the mode.
    pub fn set(&self, mode: Mode) {
        let closed = !matches!(mode, Mode::Open);
        *self.lock() = mode;
        self.closed.store(closed, Ordering::Release);
    }

    /// The thread gains no privileges any more, which it has to tell the host itself.
    pub fn owe_no_new_privileges(&self) {
        self.owes.store(true, Ordering::Release);
    }

    /// Whether that is to be done now.
    pub fn take_owed(&self) -> bool {
        self.owes.load(Ordering::Acquire) && self.owes.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: u32) -> Filter {
        let mut bytes = vec![6, 0, 0, 0];
        bytes.extend(value.to_le_bytes());
        Filter::new(&bytes).expect("a filter")
    }

    #[test]
    fn the_most_restrictive_filter_wins_and_among_equals_the_newest() {
        let data = Data::new(1, 2, &[0; 6]);
        for (answers, action) in [
            (vec![0x7fff_0000], Action::Allow),
            (vec![0x0005_0001, 0x7fff_0000], Action::Fail(1)),
            (vec![0x0005_0001, 0x0005_0002], Action::Fail(2)),
            (vec![0x0003_0007, 0x0005_0002], Action::Trap(7)),
            (
                vec![0x8000_0000, 0x0000_0000, 0x0005_0002],
                Action::KillProcess,
            ),
        ] {
            let mode = Mode::with(answers.iter().map(|&value| answer(value)).collect());
            assert_eq!(mode.judge(&data, 1), action, "{answers:x?}");
            let kept: Vec<Filter> = answers.into_iter().map(answer).collect();
            assert_eq!(mode.filters(), kept);
        }
    }

    #[test]
    fn strict_mode_leaves_four_calls() {
        let data = Data::new(0, 0, &[0; 6]);
        let allowed: Vec<u32> = (0..600)
            .filter(|&number| Mode::Strict.judge(&data, number) == Action::Allow)
            .collect();
        assert_eq!(allowed, [0, 1, 15, 60]);
        assert_eq!(Mode::Strict.and(answer(0)).map(|_| ()), Err(libc::EINVAL));
    }

    #[test]
    fn a_mode_is_within_those_that_were_made_of_it() {
        let first = Mode::default().and(answer(1)).expect("room");
        let second = first.and(answer(2)).expect("room");
        let other = first.and(answer(2)).expect("room");
        assert!(Mode::Open.is_within(&second) && first.is_within(&second));
        assert!(first.is_within(&first) && !second.is_within(&first));
        assert!(!second.is_within(&other) && !Mode::Strict.is_within(&second));
    }

    #[test]
    fn there_is_an_end_to_filters() {
        let long = Filter::new(&answer(0).bytes().repeat(4096)).expect("a filter");
        let mut mode = Mode::Open;
        for _ in 0..7 {
            mode = mode.and(long.clone()).expect("room");
        }
        assert_eq!(mode.and(long).map(|_| ()), Err(libc::ENOMEM));
        assert!(mode.and(answer(0)).is_ok());
        let most = MOST / (1 + OVERHEAD);
        let mode = Mode::with(vec![answer(0x7fff_0000); most]);
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let dropped = small.spawn(move || drop(mode)).expect("a thread");
        assert!(dropped.join().is_ok());
    }
}
