//! The threads of a program that are alive, and the program's end.
//!
//! A thread is *inside* while its vCPU may run the guest. Whoever takes memory away waits until
//! every other thread has either been outside since, or has flushed its translations: the *era*
//! counts how often that was wanted, and a thread goes in only when it has flushed for the era it
//! sees. A thread joins and leaves under the lock of the list, so a thread id in the list is valid
//! while the lock is held.

use super::area::Area;
use super::halt::Known;
use super::run::End;
use crate::seccomp;
use crate::signals::kick;
use dangless_core::abi::area::VcpuArea;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// [`Member::inside`] of a thread that is not.
const OUTSIDE: u64 = u64::MAX;
/// How long a kicked thread is waited for before it is kicked again.
const PATIENCE: Duration = Duration::from_millis(1);

/// Threads that reports can number.
const MOST_REMEMBERED: usize = 1 << 20;

/// One living thread, as the others see it.
pub struct Member {
    /// Its id on the host, which is its id in the program.
    pub id: i32,
    /// Its area.
    pub(super) area: Area,
    /// Descriptor of its vCPU.
    pub(super) descriptor: AtomicI32,
    /// Whether a signal of the program waits for the runtime to finish.
    pub(super) deferred: AtomicBool,
    /// The era that its processor has flushed for while it may run the guest.
    inside: AtomicU64,
    /// The last era that it has flushed for; written by the thread itself.
    flushed: AtomicU64,
    /// Whether its processor runs program or runtime, or may at any time: see [`Crew::work`].
    working: AtomicBool,
    /// What it has in registers while it rests.
    pub(super) known: Known,
    /// What system calls it has given up.
    pub(super) seccomp: Arc<seccomp::Cell>,
}

impl Member {
    /// Whether freed objects wait for its processor to revoke them.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let word = self.area.shared(offset_of!(VcpuArea, pending));
        word.is_some_and(|word| word.load(Ordering::SeqCst) != 0)
    }

    /// Whether something waits that only an interruption ends in time: freed objects, or a signal.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.has_pending() || self.deferred.load(Ordering::SeqCst)
    }

    /// Counts a millisecond off the time in which an interruption because of freed objects would be
    /// in vain; answers whether there was one left, and nothing else waits.
    #[must_use]
    pub fn rests(&self) -> bool {
        let Some(word) = self.area.shared(offset_of!(VcpuArea, rest)) else {
            return false;
        };
        let left = word.load(Ordering::SeqCst);
        if left == 0 || self.deferred.load(Ordering::SeqCst) {
            return false;
        }
        word.store(left - 1, Ordering::SeqCst);
        true
    }

    /// Whether its processor may run the guest.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.inside.load(Ordering::SeqCst) != OUTSIDE
    }

    /// Tells the runtime whether the VMM looks at its queue once a millisecond.
    pub fn set_ticking(&self, ticking: bool) {
        if let Some(word) = self.area.shared(offset_of!(VcpuArea, ticking)) {
            word.store(u64::from(ticking), Ordering::SeqCst);
        }
    }

    /// Whether its processor runs, or may at any time.
    pub(super) fn is_working(&self) -> bool {
        self.working.load(Ordering::SeqCst)
    }

    /// It works although all are held: it is the one that holds them.
    pub(super) fn resume_work(&self) {
        self.working.store(true, Ordering::SeqCst);
    }

    /// The thread's processor has left the guest.
    pub fn leave_guest(&self) {
        self.inside.store(OUTSIDE, Ordering::SeqCst);
    }
}

/// The living threads of a program.
#[derive(Default)]
pub struct Crew {
    members: Mutex<Vec<Arc<Member>>>,
    /// Area of the first thread, which is vCPU 0's.
    first: OnceLock<Area>,
    left: Condvar,
    /// Ids of the threads, in the order in which they were made.
    roster: Mutex<Vec<u64>>,
    era: AtomicU64,
    /// Whether threads that rest must not begin to work.
    held: AtomicBool,
    /// Children that run in the program's memory.
    lent: AtomicU32,
    /// Whether the program ends; signal handlers look at it.
    stop: AtomicBool,
    end: Mutex<Option<End>>,
}

impl Crew {
    /// The living threads; none ends while this is held.
    pub fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the thread with this id, area and filters.
    pub fn join(&self, id: i32, area: Area, seccomp: Arc<seccomp::Cell>) -> Arc<Member> {
        self.first.get_or_init(|| area.clone());
        let mut members = self.members();
        let member = Arc::new(Member {
            id,
            area,
            descriptor: AtomicI32::new(-1),
            deferred: AtomicBool::new(false),
            inside: AtomicU64::new(OUTSIDE),
            // A processor that was idle may remember anything.
            flushed: AtomicU64::new(OUTSIDE),
            working: AtomicBool::new(false),
            known: Known::nothing(),
            seccomp,
        });
        members.push(Arc::clone(&member));
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        if roster.len() < MOST_REMEMBERED {
            roster.push(u64::from(id.unsigned_abs()));
        }
        member
    }

    /// Area of vCPU 0, once a thread has joined.
    pub(super) fn first_area(&self) -> Option<&Area> {
        self.first.get()
    }

    /// Takes every lock that other threads may hold, for a fork.
    pub(super) fn freeze(&self) -> impl Sized + '_ {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        (end, self.members())
    }

    /// The thread begins to work: its processor may run from now on. Waits while all are held.
    pub(super) fn work(&self, member: &Member) {
        loop {
            member.working.store(true, Ordering::SeqCst);
            if !self.held.load(Ordering::SeqCst) {
                return;
            }
            member.working.store(false, Ordering::SeqCst);
            std::thread::sleep(PATIENCE / 10);
        }
    }

    /// The thread rests: its processor is not in the middle of anything, and runs nothing until
    /// [`Self::work`].
    pub(super) fn rest(member: &Member) {
        member.working.store(false, Ordering::SeqCst);
    }

    /// Whether threads are asked to rest.
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Waits until every thread but `own` rests, and holds them there until
    /// [`Self::release`]; `own` rests, too.
    pub(super) fn hold(&self, own: &Member) {
        while !self.try_hold(own) {
            std::thread::sleep(PATIENCE / 10);
        }
    }

    /// As [`Self::hold`]; answers `false` at once where another holds them.
    pub(super) fn try_hold(&self, own: &Member) -> bool {
        if self.held.swap(true, Ordering::SeqCst) {
            return false;
        }
        loop {
            let mut all = true;
            for other in self.members().iter().filter(|other| other.id != own.id) {
                if other.working.load(Ordering::SeqCst) {
                    all = false;
                    if other.is_inside() {
                        kick::kick(other.id);
                    }
                }
            }
            if all {
                return true;
            }
            std::thread::sleep(PATIENCE / 10);
        }
    }

    /// Ends what [`Self::hold`] began.
    pub(super) fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
    }

    /// A child runs in the program's memory from now on, while its parent stands still.
    pub(super) fn lend(&self) {
        self.lent.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends what [`Self::lend`] began.
    pub(super) fn take_back(&self) {
        self.lent.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether any child runs in the program's memory.
    pub(super) fn is_lending(&self) -> bool {
        self.lent.load(Ordering::SeqCst) != 0
    }

    /// Makes the copy in a forked child the child's own: its threads, which exist in the parent
    /// only, are taken out, and it does not end.
    pub(super) fn revive(&self) -> Vec<Arc<Member>> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        *end = None;
        self.stop.store(false, Ordering::SeqCst);
        // Its own child, if it was one, is its parent's business.
        self.lent.store(0, Ordering::SeqCst);
        std::mem::take(&mut *self.members())
    }

    /// Removes the thread with this id.
    pub fn leave(&self, id: i32) {
        self.members().retain(|member| member.id != id);
        self.left.notify_all();
    }

    /// The ids of all threads that ever were, in the order in which they were made.
    #[must_use]
    pub fn roster(&self) -> Vec<u64> {
        let roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        roster.clone()
    }

    /// Lets a thread's processor in, after `flush` if memory was taken away since it last flushed.
    pub fn enter_guest<E>(
        &self,
        member: &Member,
        mut flush: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let era = self.era.load(Ordering::SeqCst);
            if member.flushed.load(Ordering::Relaxed) != era {
                flush()?;
                member.flushed.store(era, Ordering::Relaxed);
            }
            member.inside.store(era, Ordering::SeqCst);
            if self.era.load(Ordering::SeqCst) == era {
                return Ok(());
            }
            member.inside.store(OUTSIDE, Ordering::SeqCst);
        }
    }

    /// Waits until no thread but `own` remembers a translation that was taken away before.
    pub fn flush_others(&self, own: &Member) {
        let era = self.era.fetch_add(1, Ordering::SeqCst) + 1;
        // Its own processor has flushed where the entries were cleared.
        own.flushed.store(era, Ordering::Relaxed);
        let others: Vec<_> = self.members().iter().map(Arc::clone).collect();
        for other in others.iter().filter(|other| other.id != own.id) {
            let is_behind = || {
                let inside = other.inside.load(Ordering::SeqCst);
                inside != OUTSIDE && inside < era
            };
            let mut kicked: Option<Instant> = None;
            while is_behind() {
                if kicked.is_none_or(|at| at.elapsed() > PATIENCE) {
                    // Under the lock, so that the id is still the thread's.
                    if self.members().iter().any(|member| member.id == other.id) {
                        kick::kick(other.id);
                    }
                    kicked = Some(Instant::now());
                }
                std::thread::yield_now();
            }
        }
    }

    /// Whether the program ends.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// The flag behind [`Self::is_stopping`]; it stays where it is as long as the crew.
    #[must_use]
    pub fn stop_flag(&self) -> *mut AtomicBool {
        std::ptr::from_ref(&self.stop).cast_mut()
    }

    /// Ends the program, in this way unless it ends already, and makes every thread stop.
    pub fn end_with(&self, end: End) {
        {
            let mut first = self.end.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(end);
        }
        self.stop.store(true, Ordering::SeqCst);
        for member in self.members().iter() {
            kick::kick(member.id);
        }
    }

    /// Waits until the last thread has left; how the program ended, if not by its threads' ends.
    pub fn wait(&self) -> Option<End> {
        let mut members = self.members();
        while !members.is_empty() {
            if self.is_stopping() {
                for member in members.iter() {
                    kick::kick(member.id);
                }
                let waited = self.left.wait_timeout(members, PATIENCE);
                members = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                let waited = self.left.wait(members);
                members = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
        drop(members);
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_flushes_before_it_enters_after_memory_was_taken_away() {
        let (crew, mut flushes) = (Crew::default(), 0);
        let area = Area::nowhere();
        let (one, other) = (
            crew.join(1, area.clone(), Arc::default()),
            crew.join(2, area, Arc::default()),
        );
        let enter = |member: &Member, flushes: &mut i32| {
            crew.enter_guest(member, || {
                *flushes += 1;
                Ok::<(), ()>(())
            })
            .expect("it flushes");
            assert!(member.is_inside());
            member.leave_guest();
        };
        enter(&one, &mut flushes);
        enter(&other, &mut flushes);
        assert_eq!(
            flushes, 2,
            "a processor that was idle may remember anything"
        );
        enter(&one, &mut flushes);
        assert_eq!(flushes, 2);
        crew.flush_others(&one);
        enter(&one, &mut flushes);
        assert_eq!(flushes, 2, "the one that cleared the entries has flushed");
        enter(&other, &mut flushes);
        assert_eq!(flushes, 3);
    }

    #[test]
    fn the_first_end_counts() {
        let crew = Crew::default();
        crew.end_with(End::Exit(3));
        crew.end_with(End::Exit(4));
        assert!(crew.is_stopping());
        assert!(matches!(crew.wait(), Some(End::Exit(3))));
    }
}
