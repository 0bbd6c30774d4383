//! Where things lie in the guest's address space (47-bit lower half: programs tag pointers).
//!
//! | from | to | what |
//! | --- | --- | --- |
//! | 0 | 16 TiB | the program: non-PIE images, low `MAP_FIXED` mappings |
//! | 16 TiB | 80 TiB | the alias region: every protected heap object |
//! | 80 TiB | 96 TiB | the program: PIE images and their `brk` |
//! | 96 TiB | 112 TiB | the runtime: image, per-vCPU areas, window table, direct map |
//! | 112 TiB | 128 TiB | the program: `mmap` region and stack |
//!
//! Each line starts on a 512 GiB boundary, so that no two share a page-table page below the root:
//! the runtime edits the tables of the alias region and nobody else's; the VMM fills in the others
//! (absent to present only) and asks the runtime, by an upcall, for every other edit.

const TIB: u64 = 1 << 40;

/// First address of the alias region.
pub const ALIAS_BASE: u64 = 16 * TIB;
/// First address past the alias region.
pub const ALIAS_END: u64 = 80 * TIB;

/// First address that no application mapping may use.
pub const RUNTIME_START: u64 = 96 * TIB;
/// First address past the runtime's own region.
pub const RUNTIME_END: u64 = 112 * TIB;

/// Where the runtime's image is linked and mapped.
pub const RUNTIME_IMAGE: u64 = RUNTIME_START;
/// The runtime's [`crate::abi::config::Config`], one page, read-only to no one.
pub const CONFIG: u64 = RUNTIME_START + TIB / 2;
/// The area of vCPU 0; vCPU `n` has its own at `n * VCPU_AREA_STRIDE`.
pub const VCPU_AREAS: u64 = RUNTIME_START + TIB;
/// Bytes between the areas of two vCPUs.
pub const VCPU_AREA_STRIDE: u64 = 256 << 10;
/// The window table: one record for each 2 MiB of the alias region, backed on demand by the VMM.
pub const WINDOW_TABLE: u64 = RUNTIME_START + 2 * TIB;
/// Bytes reserved for the window table (32 Mi windows of 256 bytes are 8 GiB).
pub const WINDOW_TABLE_SIZE: u64 = 16 << 30;
/// The directory of unwind tables ([`crate::unwind::directory`]), 2 MiB.
pub const UNWIND_DIRECTORY: u64 = RUNTIME_START + 3 * TIB;
/// The unwind tables, mapped as the VMM builds them.
pub const UNWIND_TABLES: u64 = UNWIND_DIRECTORY + (2 << 20);
/// Bytes reserved for the unwind tables.
pub const UNWIND_TABLES_SIZE: u64 = 64 << 30;
/// Guest-physical address `p` is at `DIRECT_MAP + p`.
pub const DIRECT_MAP: u64 = RUNTIME_START + 8 * TIB;
/// Bytes of the direct map: the most guest-physical memory a machine can have.
pub const DIRECT_MAP_SIZE: u64 = 8 * TIB;

/// First address past the lower half.
pub const USER_END: u64 = 128 * TIB - 4096;

/// Whether `[start, start + length)` lies wholly where application mappings are allowed.
#[must_use]
pub const fn is_application(start: u64, length: u64) -> bool {
    let Some(end) = start.checked_add(length) else {
        return false;
    };
    end <= ALIAS_BASE
        || (start >= ALIAS_END && end <= RUNTIME_START)
        || (start >= RUNTIME_END && end <= USER_END)
}

/// Whether `[start, end)` lies wholly where no application mapping can be.
#[must_use]
pub const fn is_reserved(start: u64, end: u64) -> bool {
    (start >= ALIAS_BASE && end <= ALIAS_END)
        || (start >= RUNTIME_START && end <= RUNTIME_END)
        || end > USER_END
}

/// Whether `address` lies in the alias region.
#[must_use]
pub const fn is_alias(address: u64) -> bool {
    address >= ALIAS_BASE && address < ALIAS_END
}
