//! An argument whose meaning a command decides: a value, or a pointer to a structure.

use crate::memory::user::Fault;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::{bounce::Bounce, host};

/// What the word is under one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A value, or not used.
    Value,
    /// A descriptor.
    Descriptor,
    /// A structure of so many bytes that the kernel reads.
    In(u16),
    /// A structure of so many bytes that the kernel writes.
    Out(u16),
    /// A structure of so many bytes that the kernel reads and writes.
    InOut(u16),
}

/// Makes the call with the word of index `index` translated; the arguments before it are values.
///
/// # Errors
/// EFAULT, EBADF, a report of a freed pointer.
pub fn with_word(call: &mut Call<'_>, index: usize, word: Word) -> Result<i64, Stop> {
    let at = call.argument(index);
    let mut arguments = call.arguments;
    let (length, reads, writes) = match word {
        Word::Value => return Ok(host::commit(call.entry.number, arguments)),
        Word::Descriptor => {
            call.descriptor(index)?;
            return Ok(host::commit(call.entry.number, arguments));
        }
        Word::In(length) => (length, true, false),
        Word::Out(length) => (length, false, true),
        Word::InOut(length) => (length, true, true),
    };
    if !host::in_user_range(at, u64::from(length)) {
        if let Some(slot) = arguments.get_mut(index) {
            *slot = host::absent(at.max(1), u64::from(length));
        }
        return Ok(host::commit(call.entry.number, arguments));
    }
    call.check_live(index, at, u64::from(length))?;
    let mut copy = Bounce::new(at, u64::from(length));
    let usable = match if reads {
        copy.gather(call.memory())
    } else {
        Ok(())
    } {
        Ok(()) => true,
        Err(Fault::Unmapped(_)) => false,
        Err(fault) => return Err(Call::stop(index, fault)),
    };
    if let Some(slot) = arguments.get_mut(index) {
        *slot = if usable {
            copy.pointer() as u64
        } else {
            host::absent(at, u64::from(length))
        };
    }
    let value = host::commit(call.entry.number, arguments);
    if writes && value >= 0 && usable {
        copy.scatter(call.memory(), usize::from(length))
            .map_err(|fault| Call::stop(index, fault))?;
    }
    Ok(value)
}
