//! `keyctl`: keys and keyrings are those of the host thread, and commands over numbers, names and
//! plain memory are the host's to serve. What holds further pointers, or concerns a descriptor, is
//! as on a kernel that was built without it.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{bounce, checked, forward, host};
use crate::syscalls::table::entry::{entries, input_bytes, int, long, size, text, Entry, Shape};

const JOIN_SESSION: i32 = 1;
const UPDATE: i32 = 2;
const DESCRIBE: i32 = 6;
const SEARCH: i32 = 10;
const READ: i32 = 11;
const INSTANTIATE: i32 = 12;
const GET_SECURITY: i32 = 17;
const RESTRICT: i32 = 29;
const CAPABILITIES: i32 = 31;
/// Commands over numbers: of rings and keys, users, rights, times and errors.
const NUMBERS: [i32; 16] = [0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 16, 18, 19, 21, 22, 30];

/// What the arguments are: of commands over numbers, names, payloads, and searches.
const FORMS: &[Entry] = entries! {
    [forward] keyctl SYS_keyctl
        (int("cmd"), long("arg2"), long("arg3"), long("arg4"), long("arg5"));
    [forward] keyctl SYS_keyctl (int("cmd"), text("name"));
    [forward] keyctl SYS_keyctl
        (int("cmd"), long("id"), input_bytes("payload", 3, Shape::Bytes), size("plen"),
         long("ringid"));
    [forward] keyctl SYS_keyctl
        (int("cmd"), long("ringid"), text("type"), text("description"), long("destringid"));
};

/// `keyctl`
///
/// # Errors
/// As Linux; EOPNOTSUPP for other commands; a report of a freed pointer.
pub fn keyctl(call: &mut Call<'_>) -> Result<i64, Stop> {
    let form = match call.int(0) {
        DESCRIBE | READ | GET_SECURITY => return fill(call, 2),
        CAPABILITIES => return fill(call, 1),
        JOIN_SESSION => FORMS.get(1),
        UPDATE | INSTANTIATE => FORMS.get(2),
        SEARCH | RESTRICT => FORMS.get(3),
        command if NUMBERS.contains(&command) => FORMS.first(),
        _ => None,
    };
    let form = form.ok_or(Stop::Errno(libc::EOPNOTSUPP))?;
    let entry = std::mem::replace(&mut call.entry, form);
    let value = forward(call);
    call.entry = entry;
    value
}

/// A command that fills the memory of index `index`, if there is any, and says how much there is.
fn fill(call: &mut Call<'_>, index: usize) -> Result<i64, Stop> {
    let (at, length) = (call.argument(index), call.argument(index + 1));
    if at == 0 {
        return Ok(host::commit(call.entry.number, call.arguments));
    }
    call.check_live(index, at, length)?;
    let mut copy = bounce::Bounce::new(at, length);
    let mut arguments = call.arguments;
    let given = [copy.pointer() as u64, copy.length() as u64];
    for (slot, value) in arguments.iter_mut().skip(index).zip(given) {
        *slot = value;
    }
    let value = checked(host::commit(call.entry.number, arguments))?;
    let whole = matches!(call.int(0), GET_SECURITY | CAPABILITIES);
    let filled = match usize::try_from(value) {
        Ok(filled) if filled <= copy.length() && call.int(0) != CAPABILITIES => filled,
        _ if whole => copy.length(),
        // As in the kernel, what has no room is not there at all.
        _ => 0,
    };
    copy.scatter(call.memory(), filled)
        .map_err(|fault| Call::stop(index, fault))?;
    Ok(value)
}
