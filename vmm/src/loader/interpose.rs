//! Leading the malloc family to the runtime: a near jump over each function's first bytes.
//!
//! The runtime is out of a near jump's reach, so each jump goes to the island page beside the
//! image, which holds the far ones. Five bytes are written at each entry: every function is at
//! least that long or padded to 16, and no two of the family lie closer (checked).

use super::family::Family;
use crate::memory::space::Space;
use crate::memory::user::{Fault, UserMemory};
use dangless_core::address::{GuestVirtual, PAGE_SIZE};

/// Bytes of a far jump: `jmp [rip]` and its target, padded.
const FAR: u64 = 16;
/// Bytes of a near jump.
const NEAR: u64 = 5;

/// Why the family could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum InterposeError {
    /// No page for the far jumps.
    #[error("no page is free beside the image for the jumps to the runtime")]
    NoIsland,
    /// Two functions overlap.
    #[error("two functions of the malloc family lie {0} bytes apart: no room for a jump")]
    Crowded(u64),
    /// A symbol points nowhere.
    #[error("a symbol of the malloc family points outside the program: {0}")]
    Outside(#[from] Fault),
}

/// Replaces `family` in the image mapped with `bias`, by way of the `island` page.
///
/// # Errors
/// See [`InterposeError`]; the image is then partly changed and must not be run.
pub fn apply(
    space: &Space,
    family: &Family,
    bias: u64,
    island: Option<u64>,
) -> Result<(), InterposeError> {
    let island = island.ok_or(InterposeError::NoIsland)?;
    let mut addresses: Vec<u64> = family.replacements.iter().map(|r| r.address).collect();
    addresses.sort_unstable();
    for pair in addresses.windows(2) {
        if let [one, other] = pair {
            if other - one < NEAR {
                return Err(InterposeError::Crowded(other - one));
            }
        }
    }
    let mut far = Vec::new();
    for (index, replacement) in family.replacements.iter().enumerate() {
        let entry = replacement.address.wrapping_add(bias);
        let stop = island + FAR * index as u64;
        far.extend_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
        far.extend_from_slice(&replacement.target.to_le_bytes());
        far.extend_from_slice(&[0xcc, 0xcc]);
        let distance = stop.wrapping_sub(entry.wrapping_add(NEAR)) as i64;
        let Ok(distance) = i32::try_from(distance) else {
            return Err(Fault::Unmapped(GuestVirtual(entry)).into());
        };
        let mut jump = [0xe9, 0, 0, 0, 0];
        jump[1..].copy_from_slice(&distance.to_le_bytes());
        space.write_code(GuestVirtual(entry), &jump)?;
    }
    space
        .map_anonymous(
            island..island + PAGE_SIZE,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            true,
        )
        .map_err(|_| InterposeError::NoIsland)?;
    space.write(GuestVirtual(island), &far)?;
    Ok(())
}
