//! Counts, errors and time of calls, and the table of them.

use crate::process::Outcome;
use crate::syscalls::table::entry::Entry;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Counts, errors and time by call.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    calls: HashMap<&'static str, Count>,
}

/// What was counted of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was made.
    pub calls: u64,
    /// How often it failed.
    pub errors: u64,
    /// Time in it.
    pub time: Duration,
}

impl Stats {
    /// Counts one call.
    pub fn count(&mut self, entry: &'static Entry, outcome: &Outcome, time: Duration) {
        let count = self.calls.entry(entry.name).or_default();
        count.calls += 1;
        count.time += time;
        if matches!(outcome, Outcome::Value(value) if (-4095..0).contains(value)) {
            count.errors += 1;
        }
    }

    /// What was counted, the most time first.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, Count)> {
        let mut counts: Vec<_> = self
            .calls
            .iter()
            .map(|(name, count)| (*name, *count))
            .collect();
        counts.sort_by(|a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(b.0)));
        counts
    }
}

const RULE: &str = "------ ----------- ----------- --------- --------- ----------------";

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        let total = counts
            .iter()
            .fold(Count::default(), |total, (_, count)| Count {
                calls: total.calls + count.calls,
                errors: total.errors + count.errors,
                time: total.time + count.time,
            });
        writeln!(
            f,
            "% time     seconds  usecs/call     calls    errors syscall"
        )?;
        writeln!(f, "{RULE}")?;
        for (name, count) in &counts {
            row(f, name, count, total.time)?;
        }
        writeln!(f, "{RULE}")?;
        row(f, "total", &total, total.time)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, count: &Count, whole: Duration) -> fmt::Result {
    let seconds = count.time.as_secs_f64();
    let share = if whole.is_zero() {
        0.0
    } else {
        100.0 * seconds / whole.as_secs_f64()
    };
    let each = count.time.as_micros() / u128::from(count.calls.max(1));
    let errors = if count.errors == 0 {
        String::new()
    } else {
        count.errors.to_string()
    };
    let calls = count.calls;
    writeln!(
        f,
        "{share:6.2} {seconds:11.6} {each:11} {calls:9} {errors:>9} {name}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::table;

    #[test]
    fn calls_and_errors_are_counted() {
        let mut stats = Stats::default();
        let entry = table::find(libc::SYS_read as u64).expect("read is known");
        stats.count(entry, &Outcome::Value(3), Duration::from_micros(5));
        stats.count(
            entry,
            &Outcome::Value(-i64::from(libc::EBADF)),
            Duration::from_micros(7),
        );
        let expected = Count {
            calls: 2,
            errors: 1,
            time: Duration::from_micros(12),
        };
        assert_eq!(stats.counts(), [("read", expected)]);
        let table = stats.to_string();
        assert!(
            table.contains("100.00    0.000012           6         2         1 read\n"),
            "{table}"
        );
        assert!(table.ends_with("total\n"));
    }
}
