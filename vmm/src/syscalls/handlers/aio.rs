//! The kernel's asynchronous input and output, as libaio uses it.
//!
//! Transfers are made at once, in `io_submit`, which the interface allows and the kernel itself does
//! for all but direct access to block devices; what waits is `IOCB_CMD_POLL` only, which is looked
//! at when somebody waits for events, or kept by the host's kernel where a descriptor is to be told
//! of it ([`super::telling`]). A context's number is the address of a page of the program's
//! memory, as on Linux, which does not say that it is a ring: C libraries then ask the kernel.

use super::telling::Telling;
use super::{sending, transfer};
use crate::memory::user::Access;
use crate::process::MapRequest;
use crate::signals::{mask, slot, stub};
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::gather::{Gather, Segment};
use crate::syscalls::engine::host;
use dangless_core::address::PAGE_SIZE;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The contexts of a process, by their numbers.
pub type Contexts = BTreeMap<u64, Arc<Context>>;

/// A context.
#[derive(Debug, Default)]
pub struct Context {
    /// Requests that it takes before their events are fetched.
    room: usize,
    state: Mutex<State>,
    /// Changes with every event, for those who wait.
    changes: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    done: VecDeque<Event>,
    polls: Vec<Poll>,
    /// Polls of which a descriptor is told, once there was one.
    telling: Option<Telling>,
    destroyed: bool,
}

/// `struct io_event`
#[derive(Clone, Copy, Debug)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
}

/// An `IOCB_CMD_POLL` that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    data: u64,
    /// The address of the program's request.
    pub(super) request: u64,
    pub(super) descriptor: i32,
    pub(super) events: i16,
}

impl Poll {
    fn item(&self) -> libc::pollfd {
        libc::pollfd {
            fd: self.descriptor,
            events: self.events,
            revents: 0,
        }
    }

    fn event(&self, result: i64) -> Event {
        Event {
            data: self.data,
            request: self.request,
            result,
        }
    }
}

/// `struct iocb`
struct Request {
    data: u64,
    flags: u32,
    operation: u16,
    descriptor: i32,
    buffer: u64,
    length: u64,
    offset: u64,
    told: Option<i32>,
}

const REQUEST: usize = 64;
const EVENT: u64 = 32;
/// The most requests that the kernel lets a context have, and a user.
const MOST: u32 = (0x1000_0000 / EVENT) as u32;
const MOST_ALLOWED: u32 = 65536;
/// `IOCB_FLAG_RESFD`
const TELLS: u32 = 1;
/// How long a wait goes on before it looks at other events than those it waits for.
const SLICE: Duration = Duration::from_millis(10);

const READ: u16 = 0;
const WRITE: u16 = 1;
const SYNC: u16 = 2;
const DATA_SYNC: u16 = 3;
const POLL: u16 = 5;
const READ_MANY: u16 = 7;
const WRITE_MANY: u16 = 8;

const INVALID: Stop = Stop::Errno(libc::EINVAL);

impl Context {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait.
    fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let wake = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as u64;
        let word = self.changes.as_ptr() as u64;
        // Nobody may wait.
        let _ = host::ask(libc::SYS_futex, [word, wake, i32::MAX as u64, 0, 0, 0]);
    }

    fn complete(&self, event: Event) {
        self.state().done.push_back(event);
        self.change();
    }

    /// Makes events of the polls that are ready.
    fn look(&self) {
        let mut state = self.state();
        let polls = std::mem::take(&mut state.polls);
        for poll in polls {
            let mut item = poll.item();
            let pointer = (&raw mut item) as u64;
            if host::ask(libc::SYS_poll, [pointer, 1, 0, 0, 0, 0]) == 0 {
                state.polls.push(poll);
            } else {
                let result = i64::from(item.revents as u16);
                state.done.push_back(poll.event(result));
            }
        }
        let ended = state.telling.as_mut().map(Telling::ended);
        for (poll, result) in ended.unwrap_or_default() {
            state.done.push_back(poll.event(result));
        }
    }

    /// Waits for a change since `seen`, or for a poll; the host's value.
    fn wait(&self, seen: u32, left: Option<Duration>) -> i64 {
        let mut items: Vec<libc::pollfd> = {
            let state = self.state();
            let told = state.telling.iter().flat_map(Telling::polls);
            state.polls.iter().chain(told).map(Poll::item).collect()
        };
        let polls = !items.is_empty();
        let left = if polls {
            Some(left.unwrap_or(SLICE).min(SLICE))
        } else {
            left
        };
        let time = left.map(|left| libc::timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let time = time
            .as_ref()
            .map_or(0, |time| std::ptr::from_ref(time) as u64);
        if polls {
            let (list, count) = (items.as_mut_ptr() as u64, items.len() as u64);
            return host::commit(libc::SYS_ppoll, [list, count, time, 0, 0, 0]);
        }
        let wait = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64;
        let word = self.changes.as_ptr() as u64;
        host::commit(libc::SYS_futex, [word, wait, u64::from(seen), time, 0, 0])
    }
}

/// `io_setup`
///
/// # Errors
/// EFAULT, EINVAL, EAGAIN, ENOMEM, a report of a freed pointer.
pub fn setup(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (count, at) = (call.argument(0) as u32, call.argument(1));
    // The kernel makes room for twice as many.
    let doubled = count.wrapping_mul(2);
    if call.read_u64(1, at)? != 0 || count == 0 || doubled > MOST {
        return Err(INVALID);
    }
    if count > MOST_ALLOWED {
        return Err(Stop::Errno(libc::EAGAIN));
    }
    let number = call.process.map(MapRequest {
        at: 0,
        length: PAGE_SIZE,
        protection: libc::PROT_READ | libc::PROT_WRITE,
        flags: libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        descriptor: -1,
        offset: 0,
    })?;
    if let Err(stop) = call.write(1, at, &number.to_le_bytes()) {
        call.process.unmap(number, PAGE_SIZE)?;
        return Err(stop);
    }
    let context = Context {
        room: count as usize,
        ..Context::default()
    };
    call.shared().contexts.insert(number, Arc::new(context));
    Ok(0)
}

/// `io_destroy`
///
/// # Errors
/// EINVAL.
pub fn destroy(call: &mut Call<'_>) -> Result<i64, Stop> {
    let number = call.argument(0);
    let context = call.shared().contexts.remove(&number).ok_or(INVALID)?;
    let telling = {
        let mut state = context.state();
        state.destroyed = true;
        state.telling.take()
    };
    drop(telling);
    context.change();
    call.process.unmap(number, PAGE_SIZE)?;
    Ok(0)
}

/// `io_submit`
///
/// # Errors
/// Of the first request: as Linux; a report of a freed pointer; the end of the program by `SIGPIPE`.
pub fn submit(call: &mut Call<'_>) -> Result<i64, Stop> {
    let (count, list) = (call.argument(1) as i64, call.argument(2));
    if count < 0 {
        return Err(INVALID);
    }
    let context = find(call)?;
    let mut done = 0;
    while done < count.min(context.room as i64) {
        let item = list.wrapping_add(8 * done as u64);
        let submitted = call
            .read_u64(2, item)
            .and_then(|at| submit_one(call, &context, at));
        match submitted {
            Ok(()) => done += 1,
            Err(Stop::Errno(_)) if done > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(done)
}

/// `io_getevents`
///
/// # Errors
/// EFAULT, EINVAL, EINTR, a report of a freed pointer.
pub fn events(call: &mut Call<'_>) -> Result<i64, Stop> {
    let deadline = deadline(call, call.argument(4))?;
    wait_for_events(call, deadline)
}

/// `io_pgetevents`: while it waits other signals than usual are blocked.
///
/// # Errors
/// EFAULT, EINVAL, EINTR, a report of a freed pointer.
pub fn events_masked(call: &mut Call<'_>) -> Result<i64, Stop> {
    let deadline = deadline(call, call.argument(4))?;
    let pair = call.argument(5);
    if pair == 0 {
        return wait_for_events(call, deadline);
    }
    let at = call.read_u64(5, pair)?;
    let size = call.read_u64(5, pair.wrapping_add(8))?;
    if at == 0 {
        return wait_for_events(call, deadline);
    }
    if size != 8 {
        return Err(INVALID);
    }
    let during = call.read_u64(5, at)? & mask::ALL;
    let before = mask::hold();
    mask::set_program(during);
    let value = wait_for_events(call, deadline);
    // What was blocked meanwhile comes after the call.
    let _ = mask::hold();
    let interrupted = slot::with(slot::Slot::has_recorded);
    mask::set_program(before);
    if !interrupted {
        return value;
    }
    slot::with(|slot| slot.came_during(during));
    match value {
        Ok(got) if got == 0 || got == -i64::from(stub::RESTART) => Err(Stop::Errno(libc::EINTR)),
        value => value,
    }
}

fn wait_for_events(call: &Call<'_>, deadline: Option<Instant>) -> Result<i64, Stop> {
    let [_, least, most, at, ..] = call.arguments;
    let context = find(call)?;
    let (least, most) = (least as i64, most as i64);
    if !(0..=most).contains(&least) {
        return Err(INVALID);
    }
    let mut got = 0;
    loop {
        let seen = context.changes.load(Ordering::SeqCst);
        context.look();
        while got < most {
            let Some(event) = context.state().done.front().copied() else {
                break;
            };
            let to = at.wrapping_add(got as u64 * EVENT);
            match call.write(3, to, &event.bytes()) {
                Ok(()) => {}
                Err(Stop::Errno(_)) if got > 0 => return Ok(got),
                Err(stop) => return Err(stop),
            }
            context.state().done.pop_front();
            got += 1;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if got >= least || left == Some(Duration::ZERO) {
            return Ok(got);
        }
        if context.state().destroyed {
            return Err(INVALID);
        }
        let value = context.wait(seen, left);
        let woken = [0, -i64::from(libc::EAGAIN), -i64::from(libc::ETIMEDOUT)];
        if value < 0 && !woken.contains(&value) {
            return Ok(if got > 0 { got } else { value });
        }
    }
}

/// `io_cancel`: only a poll can be found waiting.
///
/// # Errors
/// EFAULT, EINVAL, EINPROGRESS for one that is cancelled, a report of a freed pointer.
pub fn cancel(call: &mut Call<'_>) -> Result<i64, Stop> {
    let request = call.argument(1);
    if call.read_u32(1, request.wrapping_add(8))? != 0 {
        return Err(INVALID);
    }
    let context = find(call)?;
    let mut state = context.state();
    let place = state.polls.iter().position(|poll| poll.request == request);
    let Some(place) = place else {
        return state.telling.as_ref().ok_or(INVALID)?.cancel(request);
    };
    let poll = state.polls.remove(place);
    state.done.push_back(poll.event(0));
    drop(state);
    context.change();
    Err(Stop::Errno(libc::EINPROGRESS))
}

impl Event {
    fn bytes(&self) -> [u8; EVENT as usize] {
        let mut bytes = [0; EVENT as usize];
        bytes[..8].copy_from_slice(&self.data.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.request.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.result.to_le_bytes());
        bytes
    }
}

fn find(call: &Call<'_>) -> Result<Arc<Context>, Stop> {
    let contexts = &call.shared().contexts;
    contexts.get(&call.argument(0)).cloned().ok_or(INVALID)
}

fn deadline(call: &Call<'_>, at: u64) -> Result<Option<Instant>, Stop> {
    if at == 0 {
        return Ok(None);
    }
    let seconds = call.read_u64(4, at)? as i64;
    let nanoseconds = call.read_u64(4, at.wrapping_add(8))? as i64;
    // As in the kernel, what is no time is none, or for ever.
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds))
    else {
        return Ok(Some(Instant::now()));
    };
    let time = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
    Ok(time.and_then(|time| Instant::now().checked_add(time)))
}

fn submit_one(call: &mut Call<'_>, context: &Context, at: u64) -> Result<(), Stop> {
    let request = read_request(call, at)?;
    let waiting = {
        let state = context.state();
        let told = state.telling.iter().flat_map(Telling::polls).count();
        state.done.len() + state.polls.len() + told
    };
    if waiting >= context.room {
        return Err(Stop::Errno(libc::EAGAIN));
    }
    let file = [request.descriptor as u64, libc::F_GETFD as u64, 0, 0, 0, 0];
    if host::ask(libc::SYS_fcntl, file) < 0 {
        return Err(Stop::Errno(libc::EBADF));
    }
    // What `io_cancel` knows a request by.
    call.write(2, at.wrapping_add(8), &0u32.to_le_bytes())?;
    let bare = request.offset == 0 && request.length == 0 && request.flags == 0;
    let result = match request.operation {
        READ | READ_MANY => move_bytes(call, &request, Access::Write)?,
        WRITE | WRITE_MANY => {
            let value = move_bytes(call, &request, Access::Read)?;
            sending::broken_pipe(call, value)?
        }
        SYNC | DATA_SYNC if bare && request.buffer == 0 => {
            let number = if request.operation == SYNC {
                libc::SYS_fsync
            } else {
                libc::SYS_fdatasync
            };
            host::commit(number, [request.descriptor as u64, 0, 0, 0, 0, 0])
        }
        POLL if bare => {
            let events = u16::try_from(request.buffer).map_err(|_| INVALID)?;
            let poll = Poll {
                data: request.data,
                request: at,
                descriptor: request.descriptor,
                events: events as i16,
            };
            let mut state = context.state();
            match (request.told, &mut state.telling) {
                (None, _) => state.polls.push(poll),
                (Some(counter), Some(telling)) => telling.add(poll, counter)?,
                (Some(counter), none) => none
                    .insert(Telling::new(context.room)?)
                    .add(poll, counter)?,
            }
            drop(state);
            context.change();
            return Ok(());
        }
        _ => return Err(INVALID),
    };
    context.complete(Event {
        data: request.data,
        request: at,
        result,
    });
    if let Some(told) = request.told {
        let one = 1u64;
        let write = [told as u64, (&raw const one) as u64, 8, 0, 0, 0];
        // A counter that is full stays as it is.
        let _ = host::ask(libc::SYS_write, write);
    }
    Ok(())
}

fn read_request(call: &Call<'_>, at: u64) -> Result<Request, Stop> {
    let bytes: [u8; REQUEST] = call.read_array(2, at)?;
    let long = |place: usize| {
        bytes
            .get(place..place + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    };
    let word = |place: usize| (long(place & !7) >> (8 * (place & 7))) as u32;
    let length = long(32);
    if long(48) != 0 || i64::try_from(length).is_err() {
        return Err(INVALID);
    }
    let told = if word(56) & TELLS == 0 {
        None
    } else {
        Some(counter(call, word(60) as i32)?)
    };
    Ok(Request {
        data: long(0),
        flags: word(12),
        operation: word(16) as u16,
        descriptor: call.visible(word(20) as i32)?,
        buffer: long(24),
        length,
        offset: long(40),
        told,
    })
}

/// The descriptor, if it is one of `eventfd`.
fn counter(call: &Call<'_>, descriptor: i32) -> Result<i32, Stop> {
    let name = format!("/proc/thread-self/fd/{}", call.visible(descriptor)?);
    let target = std::fs::read_link(name).map_err(|_| Stop::Errno(libc::EBADF))?;
    if target.as_os_str() == "anon_inode:[eventfd]" {
        return Ok(descriptor);
    }
    Err(INVALID)
}

/// Reads or writes; errors that the kernel finds before it starts are not the request's result.
fn move_bytes(call: &Call<'_>, request: &Request, access: Access) -> Result<i64, Stop> {
    if i64::try_from(request.offset).is_err() {
        return Err(INVALID);
    }
    let many = matches!(request.operation, READ_MANY | WRITE_MANY);
    let segments = if many {
        transfer::segments(call, 2, request.buffer, request.length)?
    } else {
        let length = request.length.min(host::MOST_MOVED);
        vec![Segment {
            at: request.buffer,
            length,
        }]
    };
    let mut gather =
        Gather::new(call.memory(), &segments, 0, access).map_err(|fault| Call::stop(2, fault))?;
    let elements = gather.elements();
    let (list, count) = (elements.as_ptr() as u64, elements.len() as u64);
    let descriptor = request.descriptor as u64;
    let (placed, plain) = if access == Access::Write {
        (libc::SYS_preadv2, libc::SYS_readv)
    } else {
        (libc::SYS_pwritev2, libc::SYS_writev)
    };
    let flags = u64::from(request.flags);
    let mut value = host::commit(placed, [descriptor, list, count, request.offset, 0, flags]);
    if value == -i64::from(libc::ESPIPE) {
        value = host::commit(plain, [descriptor, list, count, 0, 0, 0]);
    }
    if access == Access::Write && value > 0 {
        gather
            .scatter(call.memory(), value as u64)
            .map_err(|fault| Call::stop(2, fault))?;
    }
    let refused = [libc::EBADF, libc::EOPNOTSUPP, libc::EINTR, stub::RESTART];
    match refused.iter().find(|&&errno| value == -i64::from(errno)) {
        Some(&errno) => Err(Stop::Errno(errno)),
        None => Ok(value),
    }
}
