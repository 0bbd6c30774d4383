//! Polls whose end a counter (`eventfd`) is told of, whether or not somebody waits for the event:
//! the host's kernel keeps them, in a context of its own for each of the program's.
//!
//! Nothing of the program's memory is involved: a request of this kind holds numbers only.

use super::aio::Poll;
use crate::syscalls::call::Stop;
use crate::syscalls::engine::{checked, host};
use std::collections::BTreeMap;

/// `IOCB_CMD_POLL`
const POLL: u64 = 5;
/// `IOCB_FLAG_RESFD`
const TELLS: u64 = 1;
/// Events that are fetched at a time.
const BATCH: usize = 16;

/// `struct iocb`
type Request = Box<[u64; 8]>;
/// `struct io_event`
type Event = [u64; 4];

/// A context of the host's and the polls in it.
#[derive(Debug)]
pub(super) struct Telling {
    number: u64,
    /// By the address of the host's request, which is its name there.
    waiting: BTreeMap<u64, (Request, Poll)>,
}

impl Telling {
    /// A context for at most so many polls.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM, ENOSYS, as `io_setup` of the host.
    pub fn new(room: usize) -> Result<Self, Stop> {
        let mut number = 0u64;
        let at = (&raw mut number) as u64;
        checked(host::ask(libc::SYS_io_setup, [room as u64, at, 0, 0, 0, 0]))?;
        Ok(Self {
            number,
            waiting: BTreeMap::new(),
        })
    }

    /// Has the kernel wait for `poll`, and tell `counter`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&mut self, poll: Poll, counter: i32) -> Result<(), Stop> {
        let descriptor = u64::from(poll.descriptor as u32);
        let mut request: Request = Box::new([
            0,
            0,
            POLL | descriptor << 32,
            u64::from(poll.events as u16),
            0,
            0,
            0,
            TELLS | u64::from(counter as u32) << 32,
        ]);
        let name = request.as_mut_ptr() as u64;
        let list = (&raw const name) as u64;
        checked(host::ask(
            libc::SYS_io_submit,
            [self.number, 1, list, 0, 0, 0],
        ))?;
        self.waiting.insert(name, (request, poll));
        Ok(())
    }

    /// The polls that wait.
    pub fn polls(&self) -> impl ExactSizeIterator<Item = &Poll> {
        self.waiting.values().map(|(_, poll)| poll)
    }

    /// Takes out the polls that have ended, with their results.
    pub fn ended(&mut self) -> Vec<(Poll, i64)> {
        let mut ended = Vec::new();
        while !self.waiting.is_empty() {
            let mut events = [Event::default(); BATCH];
            let none = [0u64; 2];
            let (at, time) = (events.as_mut_ptr() as u64, none.as_ptr() as u64);
            let arguments = [self.number, 0, BATCH as u64, at, time, 0];
            let got = host::ask(libc::SYS_io_getevents, arguments);
            let got = usize::try_from(got).unwrap_or(0);
            for [_, name, result, _] in events.iter().take(got) {
                if let Some((_, poll)) = self.waiting.remove(name) {
                    ended.push((poll, *result as i64));
                }
            }
            if got < BATCH {
                break;
            }
        }
        ended
    }

    /// Ends the poll of the program's request at `request`; its event comes as any other.
    ///
    /// # Errors
    /// EINPROGRESS for one that is cancelled, EINVAL.
    pub fn cancel(&self, request: u64) -> Result<i64, Stop> {
        let mut names = self.waiting.iter();
        let (name, _) = names
            .find(|(_, (_, poll))| poll.request == request)
            .ok_or(Stop::Errno(libc::EINVAL))?;
        let mut unused = Event::default();
        let at = unused.as_mut_ptr() as u64;
        checked(host::ask(
            libc::SYS_io_cancel,
            [self.number, *name, at, 0, 0, 0],
        ))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        // A forked child does not have its parent's, and is told so.
        let _ = host::ask(libc::SYS_io_destroy, [self.number, 0, 0, 0, 0, 0]);
    }
}
