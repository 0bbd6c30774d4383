//! System calls of the program, served on the host.
//!
//! One declarative table says what every call takes and how it is served. Everything else follows
//! it: the engine that translates pointers, the tracer, the statistics, the documented coverage
//! and the tests. No guest pointer is followed in any way but through
//! [`UserMemory`](crate::memory::user::UserMemory), and no length is trusted.
//!
//! | room | holds |
//! | --- | --- |
//! | [`table`] | the entries, by area |
//! | [`call`] | a call under way |
//! | [`engine`] | stage, commit, collect |
//! | [`handlers`] | calls served by hand |
//! | [`proc`] | files of `/proc` about the process |
//! | [`state`] | what is kept for a process between calls |
//! | [`observer`], [`strace`], [`stats`] | watching calls |
//! | [`coverage`] | the documentation page |

pub mod call;
pub mod coverage;
pub mod engine;
pub mod handlers;
pub mod observer;
pub mod proc;
pub mod state;
pub mod stats;
pub mod strace;
pub mod table;

use crate::process::{Outcome, Process};
use call::{Call, Stop};
use engine::reach;
use handlers::confining;
use observer::Observer;
use std::sync::Mutex;
use table::entry::{Direction, Entry, Service};

/// Serves one system call of the program.
///
/// `number` is what the program put into RAX; Linux looks at its low half only. A call that the
/// table does not know is ENOSYS, and the observer, if there is one, names it.
pub fn dispatch(
    process: &mut dyn Process,
    number: u64,
    arguments: [u64; 6],
    observer: Option<&Mutex<Observer>>,
) -> Outcome {
    let Some(entry) = table::find(number & 0xffff_ffff) else {
        if let Some(observer) = observer {
            observer::lock(observer).unknown(number & 0xffff_ffff, &arguments);
        }
        let denied = confining::judge(process, number as u32, &arguments);
        return denied.unwrap_or(Outcome::Value(-i64::from(libc::ENOSYS)));
    };
    match observer {
        None => serve(process, entry, arguments),
        Some(observer) => Observer::watch(observer, process, entry, arguments),
    }
}

/// Serves a call that the table knows.
fn serve(process: &mut dyn Process, entry: &'static Entry, arguments: [u64; 6]) -> Outcome {
    if let Some(denied) = confining::judge(process, entry.number as u32, &arguments) {
        return denied;
    }
    if reach::is_barred(process, entry.number, &arguments) {
        return Outcome::Value(-i64::from(libc::ESRCH));
    }
    let mut call = Call {
        process,
        entry,
        arguments,
    };
    let result = match entry.service {
        Service::Forward => engine::forward(&mut call),
        Service::ByHand(handler) => handler(&mut call),
        Service::Refuse { errno, .. } => Err(Stop::Errno(errno)),
    };
    match result {
        Ok(value) => Outcome::Value(value),
        Err(Stop::Errno(errno)) => Outcome::Value(-i64::from(errno)),
        Err(Stop::Revoked { argument, address }) => Outcome::Revoked {
            call: entry.name,
            argument: argument + 1,
            name: entry
                .arguments
                .get(argument)
                .map_or("", |argument| argument.name),
            address,
            writes: entry.arguments.get(argument).is_some_and(|argument| {
                matches!(
                    argument.kind.direction(),
                    Some(Direction::Out | Direction::InOut)
                )
            }),
        },
        Err(Stop::End(outcome)) => outcome,
    }
}
