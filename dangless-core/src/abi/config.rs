//! What the VMM tells the runtime once, at start.

/// Lies at [`crate::abi::layout::CONFIG`]; written by the VMM before the first instruction runs.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Config {
    /// Guest-physical address of the root page table.
    pub root: u64,
    /// Privilege level of program and runtime: 0 or 3.
    pub ring: u64,
    /// 1 where the host shadows page tables: a page-directory write takes effect at once, a
    /// page-table write only at the next flush. 0: every edit needs its flush.
    pub shadow_paging: u64,
    /// 0 `off`, 1 `detect`, 2 `protect`.
    pub profile: u64,
    /// Most frames kept of an allocation or free stack; 0 keeps none.
    pub stack_depth: u64,
    /// The program's `__errno_location`, or 0.
    pub errno_location: u64,
    /// Alias region that the heap may use, `[alias_start, alias_end)`, 2 MiB-aligned.
    pub alias_start: u64,
    /// See `alias_start`.
    pub alias_end: u64,
    /// Time stamp counter ticks in a millisecond.
    pub tsc_per_ms: u64,
    /// Most detailed log level wanted: 0 none, 1 error to 5 trace.
    pub log_level: u64,
    /// Share of run time, in thousandths, that immediate revocation may take before frees are
    /// queued; 1000 is no limit.
    pub revoke_budget: u64,
    /// Windows of 2 MiB to use between two reclaims; 0 to let the heap choose, `u64::MAX` to never
    /// use an address twice.
    pub reclaim: u64,
    /// 1: queued objects are revoked within a tick, whatever that takes; 0: only while the budget
    /// allows it.
    pub revoke_bounded: u64,
    /// 1: system calls revoke what is queued, whatever that takes; 0: only while the budget allows it.
    pub revoke_at_calls: u64,
    /// Most bytes of freed objects that wait for their revocation; 0 leaves it to the heap.
    pub quarantine: u64,
    /// See [`aliasing`].
    pub aliasing: u64,
    /// 1: freed memory is zeroed before it is handed out again.
    pub zero_on_free: u64,
    /// The program's own `malloc`, in a place where it is whole, or 0. For `aliasing::PROGRAM`.
    pub program_malloc: u64,
    /// The `free` that belongs to it.
    pub program_free: u64,
    /// Where the functions of that allocator lie: `[start, end)`.
    pub program_code: [u64; 2],
}

/// How objects get their addresses.
pub mod aliasing {
    /// Windows of 2 MiB.
    pub const WINDOW: u64 = 0;
    /// An entry for each page of an object, over the heap's own memory.
    pub const PAGE: u64 = 1;
    /// An entry for each page of an object, over blocks of the program's own allocator.
    pub const PROGRAM: u64 = 2;
}
