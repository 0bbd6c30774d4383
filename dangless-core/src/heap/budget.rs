//! The token bucket that decides whether a free is revoked at once or queued.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Milliseconds of revocation in credit at the start.
const CREDIT_MS: u64 = 40;
/// Most milliseconds of revocation that can be saved up.
const MOST_MS: u64 = 100;
/// Microseconds that a fault takes in a host that shadows page tables.
const FAULT_US: u64 = 1;
/// Most milliseconds that the clock waits for the bucket.
const MOST_WAIT: u64 = 20;
/// Share, in thousandths, that means no limit.
const UNLIMITED: u64 = 1000;

/// Ticks of run time that revocation may still take. Updates may be lost between threads: the
/// share is a policy, not a guarantee.
pub struct Budget {
    share: u64,
    per_ms: u64,
    /// Ticks that a fault takes in the host.
    fault: u64,
    most: i64,
    left: AtomicI64,
    filled: AtomicU64,
}

impl Budget {
    /// A bucket that gains `share` thousandths of run time from `now` on.
    #[must_use]
    pub fn new(share: u64, ticks_per_ms: u64, now: u64) -> Self {
        let ticks = |ms: u64| i64::try_from(ticks_per_ms.saturating_mul(ms)).unwrap_or(i64::MAX);
        Self {
            share,
            per_ms: ticks_per_ms,
            fault: ticks_per_ms.saturating_mul(FAULT_US) / 1000,
            most: ticks(MOST_MS),
            left: AtomicI64::new(ticks(CREDIT_MS)),
            filled: AtomicU64::new(now),
        }
    }

    /// Whether every free is revoked at once.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.share >= UNLIMITED
    }

    /// Whether there is something left at `now`.
    #[must_use]
    pub fn allows(&self, now: u64) -> bool {
        let passed = now.saturating_sub(self.filled.load(Ordering::Relaxed));
        let gain = i64::try_from(passed.saturating_mul(self.share) / 1000).unwrap_or(i64::MAX);
        let left = self.left.load(Ordering::Relaxed);
        if gain > 0 {
            self.filled.store(now, Ordering::Relaxed);
            let left = left.saturating_add(gain).min(self.most);
            self.left.store(left, Ordering::Relaxed);
            return left > 0;
        }
        left > 0
    }

    /// For how many milliseconds from `now` on there will be nothing left, at most [`MOST_WAIT`].
    #[must_use]
    pub fn wait(&self, now: u64) -> u64 {
        if self.allows(now) {
            return 0;
        }
        let owed = self.left.load(Ordering::Relaxed).unsigned_abs();
        let gain = self.per_ms.saturating_mul(self.share) / 1000;
        owed.checked_div(gain)
            .map_or(MOST_WAIT, |wait| wait.min(MOST_WAIT))
    }

    /// Takes out what a revocation cost that began and ended at these times, and the `faults` that
    /// the program will take because of it.
    pub fn spend_on(&self, began: u64, ended: u64, faults: u32) {
        let later = self.fault.saturating_mul(faults.into());
        self.spend(ended.saturating_sub(began).saturating_add(later));
    }

    fn spend(&self, ticks: u64) {
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        let left = self.left.load(Ordering::Relaxed).saturating_sub(ticks);
        self.left.store(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_run_time_can_be_spent() {
        let budget = Budget::new(500, 1000, 0);
        assert!(!budget.is_unlimited() && budget.allows(0));
        budget.spend(CREDIT_MS * 1000);
        assert!(!budget.allows(0));
        assert!(budget.allows(10));
        budget.spend(5);
        assert!(budget.wait(10) < MOST_WAIT);
        assert!(!budget.allows(10) && !budget.allows(11) && budget.allows(13));
    }

    #[test]
    fn savings_are_bounded_and_nothing_overflows() {
        let budget = Budget::new(999, u64::MAX, 0);
        assert!(budget.allows(u64::MAX));
        budget.spend(u64::MAX);
        let budget = Budget::new(999, 10, 0);
        assert!(budget.allows(u64::MAX));
        budget.spend(MOST_MS * 10);
        assert!(!budget.allows(u64::MAX));
        assert!(Budget::new(1000, 1, 0).is_unlimited());
    }
}
