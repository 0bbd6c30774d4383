//! How long the heap's searches have kept a program's threads standing still.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was counted, in microseconds.
#[derive(Debug, Default)]
pub struct Pauses {
    count: AtomicU64,
    stopping: AtomicU64,
    whole: AtomicU64,
    longest: AtomicU64,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Pauses {
    /// Starts anew, in a child process.
    pub fn forget(&self) {
        for count in [&self.count, &self.stopping, &self.whole, &self.longest] {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// Counts one: how long it took until all stood still, and until they could go on.
    pub fn count(&self, stopping: Duration, whole: Duration) {
        let whole = micros(whole);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.stopping.fetch_add(micros(stopping), Ordering::Relaxed);
        self.whole.fetch_add(whole, Ordering::Relaxed);
        self.longest.fetch_max(whole, Ordering::Relaxed);
    }
}

impl fmt::Display for Pauses {
    /// A line, or nothing where no thread ever had to wait.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 {
            return Ok(());
        }
        let whole = self.whole.load(Ordering::Relaxed);
        writeln!(
            f,
            "threads stood still {count} times for a search of addresses: {} usecs/time \
             ({} until all stood), {} at most, {:.3} seconds in all",
            whole / count,
            self.stopping.load(Ordering::Relaxed) / count,
            self.longest.load(Ordering::Relaxed),
            Duration::from_micros(whole).as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_told_if_there_were_any() {
        let pauses = Pauses::default();
        assert_eq!(pauses.to_string(), "");
        pauses.count(Duration::from_micros(10), Duration::from_micros(300));
        pauses.count(Duration::from_micros(30), Duration::from_millis(1));
        let text = "threads stood still 2 times for a search of addresses: 650 usecs/time \
                    (20 until all stood), 1000 at most, 0.001 seconds in all\n";
        assert_eq!(pauses.to_string(), text);
        pauses.forget();
        assert_eq!(pauses.to_string(), "");
    }
}
