//! The pool of 2 MiB blocks between the heap and the machine.
//!
//! A grant costs an exit, so the pool asks for growing amounts and keeps a bounded number of blocks
//! that came free; the rest goes back to the machine at once. How many it keeps grows when
//! blocks are wanted again soon after some went back: a program that frees its memory for good keeps
//! next to nothing. It remembers which blocks are known to be zero.

use core::sync::atomic::{AtomicU64, Ordering};

use super::lock::SpinLock;
use super::machine::Machine;
use crate::address::{GuestPhysical, LARGE_PAGE_SIZE};

/// Ranges the pool can hold.
const RANGES: usize = 64;
/// Blocks that came free and are kept, at first and at most.
const KEEP: (u64, u64) = (4, 32);
/// Ticks of the time stamp counter within which a block is wanted again soon: about a second.
const SOON: u64 = 1 << 31;
/// First grant asked for: an exit saved is worth more than addresses, which cost nothing.
const FIRST_GRANT: u64 = 8;
/// Largest grant asked for in advance.
const LARGEST_GRANT: u64 = 16;
/// Blocks after which grants ask for host huge pages: small heaps are better off without.
const HUGE_AFTER: u64 = 8;

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it starts.
    pub start: GuestPhysical,
    /// How many blocks it has.
    pub blocks: u64,
    /// Whether every byte is known to be zero.
    pub zero: bool,
}

impl Run {
    const NONE: Self = Self {
        start: GuestPhysical(0),
        blocks: 0,
        zero: false,
    };

    const fn end(&self) -> GuestPhysical {
        self.start.add(self.blocks * LARGE_PAGE_SIZE)
    }
}

struct Pool {
    runs: [Run; RANGES],
    used: usize,
    /// Blocks in `runs` that may have been written.
    dirty: u64,
    /// Blocks granted in all.
    granted: u64,
    next_grant: u64,
    /// Blocks that came free and are kept.
    keep: u64,
    /// When blocks last went back.
    released: Option<u64>,
}

/// The pool.
pub struct Blocks {
    /// Blocks that the heap has taken.
    in_use: AtomicU64,
    pool: SpinLock<Pool>,
}

impl Blocks {
    /// An empty pool.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            in_use: AtomicU64::new(0),
            pool: SpinLock::new(Pool {
                runs: [Run::NONE; RANGES],
                used: 0,
                dirty: 0,
                granted: 0,
                next_grant: FIRST_GRANT,
                keep: KEEP.0,
                released: None,
            }),
        }
    }

    /// Blocks that were taken and not given back.
    pub fn in_use(&self) -> u64 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// A run of exactly `blocks`.
    pub fn take(&self, machine: &impl Machine, blocks: u64) -> Option<Run> {
        let run = self.find(machine, blocks)?;
        self.in_use.fetch_add(blocks, Ordering::Relaxed);
        Some(run)
    }

    fn find(&self, machine: &impl Machine, blocks: u64) -> Option<Run> {
        let mut pool = self.pool.lock();
        if let Some(run) = pool.carve(blocks) {
            return Some(run);
        }
        pool.learn(machine.now());
        let ask = blocks.max(pool.next_grant);
        let huge = pool.granted >= HUGE_AFTER && blocks < LARGEST_GRANT;
        let mut grant = machine.grant(ask, huge).map(|start| (start, ask));
        if grant.is_none() && ask > blocks {
            pool.next_grant = 1;
            grant = machine.grant(blocks, huge).map(|start| (start, blocks));
        }
        if grant.is_none() && pool.used > 0 {
            // What is in pieces here may be whole over there.
            pool.release_all(machine);
            grant = machine.grant(blocks, huge).map(|start| (start, blocks));
        }
        let (start, granted) = grant?;
        pool.granted += granted;
        if granted == pool.next_grant {
            pool.next_grant = (granted * 2).min(LARGEST_GRANT);
        }
        if granted > blocks {
            let rest = start.add(blocks * LARGE_PAGE_SIZE);
            pool.put(
                machine,
                Run {
                    start: rest,
                    blocks: granted - blocks,
                    zero: true,
                },
            );
        }
        Some(Run {
            start,
            blocks,
            zero: true,
        })
    }

    /// Takes a run back; nothing may reach it any more.
    pub fn give(&self, machine: &impl Machine, run: Run) {
        self.in_use.fetch_sub(run.blocks, Ordering::Relaxed);
        let mut pool = self.pool.lock();
        if pool.dirty + run.blocks > pool.keep {
            pool.released = Some(machine.now());
            machine.release(run.start, run.blocks);
        } else {
            pool.put(machine, run);
        }
    }
}

impl Pool {
    /// Keeps more if blocks are asked for that went back a moment ago, and less if it was long ago.
    fn learn(&mut self, now: u64) {
        if let Some(then) = self.released.take() {
            self.keep = if now.wrapping_sub(then) < SOON {
                (self.keep * 2).min(KEEP.1)
            } else {
                (self.keep / 2).max(KEEP.0)
            };
        }
    }

    /// Cuts `blocks` off the smallest run that has them, a dirty one sooner than a zero one.
    fn carve(&mut self, blocks: u64) -> Option<Run> {
        let fitting = (0..self.used).filter(|&at| self.runs[at].blocks >= blocks);
        let best = fitting.min_by_key(|&at| (self.runs[at].blocks, self.runs[at].zero))?;
        let run = &mut self.runs[best];
        let taken = Run { blocks, ..*run };
        run.start = taken.end();
        run.blocks -= blocks;
        if run.blocks == 0 {
            self.remove(best);
        }
        self.dirty -= if taken.zero { 0 } else { blocks };
        Some(taken)
    }

    /// Adds a run, joined with its neighbours.
    fn put(&mut self, machine: &impl Machine, mut run: Run) {
        self.dirty += if run.zero { 0 } else { run.blocks };
        let mut at = 0;
        while at < self.used {
            let other = self.runs[at];
            let joins =
                other.zero == run.zero && (other.end() == run.start || run.end() == other.start);
            if joins {
                run.start = run.start.min(other.start);
                run.blocks += other.blocks;
                self.remove(at);
            } else {
                at += 1;
            }
        }
        if let Some(free) = self.runs.get_mut(self.used) {
            *free = run;
            self.used += 1;
        } else {
            self.dirty -= if run.zero { 0 } else { run.blocks };
            machine.release(run.start, run.blocks);
        }
    }

    fn remove(&mut self, at: usize) {
        self.used -= 1;
        self.runs[at] = self.runs[self.used];
    }

    fn release_all(&mut self, machine: &impl Machine) {
        for run in &self.runs[..self.used] {
            machine.release(run.start, run.blocks);
        }
        self.used = 0;
        self.dirty = 0;
    }
}
