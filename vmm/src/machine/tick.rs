//! The bound on queued revocations: a thread that computes without system calls is interrupted
//! within a millisecond of its first queued free.
//!
//! One host thread looks at the `pending` words of the areas of all threads and kicks those whose
//! is set. When nothing has waited for a while it sleeps, with the areas' `ticking` words at 0;
//! the runtime then asks for it with the next free that is queued.

use super::crew::Crew;
use super::host::HostError;
use super::program::Program;
use crate::signals::{kick, mask};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the words are looked at.
const PERIOD: Duration = Duration::from_millis(1);
/// Looks without anything waiting before the thread sleeps.
const IDLE: u32 = 20;
/// How soon the next kick follows one that found the runtime at work.
const AGAIN: Duration = Duration::from_micros(200);

/// The thread that kicks; it ends when this is dropped.
pub struct Ticker {
    stop: Arc<AtomicBool>,
    /// Whether the last kick found the runtime at work and must be repeated soon.
    missed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Kicks the threads with something waiting; whether there were any.
fn kick_waiting(crew: &Crew) -> bool {
    let mut any = false;
    for member in crew.members().iter().filter(|member| member.is_waiting()) {
        any = true;
        if member.is_inside() && !member.rests() {
            kick::kick(member.id);
        }
    }
    if any {
        crew.catch_up();
    }
    any
}

fn set_ticking(crew: &Crew, ticking: bool) {
    for member in crew.members().iter() {
        member.set_ticking(ticking);
    }
}

impl Ticker {
    /// Starts looking at the threads of a program.
    ///
    /// # Errors
    /// When the host refuses the thread.
    pub fn start(crew: Arc<Crew>) -> Result<Self, HostError> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let missed = Arc::new(AtomicBool::new(false));
        let again = Arc::clone(&missed);
        let look = move || {
            set_ticking(&crew, true);
            let mut idle = 0;
            while !seen.load(Ordering::Acquire) {
                idle = if kick_waiting(&crew) { 0 } else { idle + 1 };
                if idle > IDLE {
                    set_ticking(&crew, false);
                    if !crew.members().iter().any(|member| member.is_waiting()) {
                        std::thread::park();
                    }
                    idle = 0;
                    set_ticking(&crew, true);
                }
                std::thread::park_timeout(PERIOD);
                if again.swap(false, Ordering::Relaxed) {
                    std::thread::park_timeout(AGAIN);
                }
            }
        };
        let builder = std::thread::Builder::new().name("dangless-tick".to_owned());
        let thread = mask::unsignalled(|| builder.spawn(look))
            .map_err(|source: io::Error| HostError::Thread(source))?;
        Ok(Self {
            stop,
            missed,
            thread: Some(thread),
        })
    }

    /// Starts looking again; the runtime has asked for it.
    pub fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic; there is nobody left to tell if it did.
            let _ = thread.join();
        }
    }
}

impl Program {
    /// Starts looking at queued revocations, or goes on if that has begun already; does without where
    /// a limit on threads forbids it.
    ///
    /// # Errors
    /// When the host refuses the thread for another reason.
    pub(super) fn start_ticking(&self) -> Result<(), HostError> {
        let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ticker {
            Some(ticker) => ticker.wake(),
            None => match Ticker::start(Arc::clone(&self.crew)) {
                // The program or its user allows no more threads. What waits then does so for the next
                // system call, or until it is too much; asking again would not help.
                Err(HostError::Thread(why)) if why.raw_os_error() == Some(libc::EAGAIN) => {
                    set_ticking(&self.crew, true);
                }
                started => *ticker = Some(started?),
            },
        }
        Ok(())
    }

    /// Notes that a kick came at a moment when the queue could not be touched.
    pub(super) fn note_missed(&self) {
        let ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticker) = &*ticker {
            ticker.missed.store(true, Ordering::Relaxed);
            ticker.wake();
        }
    }
}
