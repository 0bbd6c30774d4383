//! Stacks of a report: from addresses to frames with names.

use dangless_core::abi::error::{Frames, MAX_FRAMES};
use dangless_core::unwind::Caller;

use crate::symbols::{Frame, Resolver};

/// Most frames of one stack in a report; a deeper stack is cut.
const MOST_FRAMES: usize = 256;
/// Stands for the malloc-family function where the call does not name it.
const ALLOCATOR: &str = "<allocator>";

/// Frames of a stack that a walk found.
pub fn of_walk(stack: &[Caller], symbols: &Resolver<'_>) -> Vec<Frame> {
    let mut frames = Vec::new();
    for caller in stack {
        let pc = if caller.exact {
            caller.pc
        } else {
            caller.pc.wrapping_sub(1)
        };
        frames.extend(symbols.resolve(pc));
        if frames.len() >= MOST_FRAMES {
            break;
        }
    }
    frames.truncate(MOST_FRAMES);
    frames
}

/// Frames of a stack that the runtime recorded in a malloc-family function; that function, which
/// the record leaves out, is put first.
pub fn of_record(recorded: &Frames, symbols: &Resolver<'_>) -> Vec<Frame> {
    let length = usize::try_from(recorded.length)
        .unwrap_or(MAX_FRAMES)
        .min(MAX_FRAMES);
    let addresses = recorded.address.get(..length).unwrap_or_default();
    let Some(&first) = addresses.first() else {
        return Vec::new();
    };
    let callers: Vec<Caller> = addresses
        .iter()
        .map(|&pc| Caller { pc, exact: false })
        .collect();
    let mut frames = called(first, symbols);
    frames.extend(of_walk(&callers, symbols));
    frames
}

/// The function that was called from before `return_address`.
fn called(return_address: u64, symbols: &Resolver<'_>) -> Vec<Frame> {
    symbols.called(return_address).unwrap_or_else(|| {
        vec![Frame {
            function: Some(ALLOCATOR.to_owned()),
            ..Frame::default()
        }]
    })
}
