//! What the heap needs of the machine it runs on: memory, flushes, a clock.

use core::sync::atomic::AtomicU64;

use crate::address::{GuestPhysical, GuestVirtual};
use crate::paging::Flusher;

/// What came of stopping the other processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// They stand still.
    Done,
    /// This one was stopped by another instead, which has let it go.
    Busy,
    /// They cannot be stopped now.
    Refused,
}

/// The machine under the heap: the guest runtime's in a real guest, a simulation in tests.
///
/// # Safety
/// Granted memory and the window table stay readable and writable, through the pointers that
/// `direct` and `window_records` return, for as long as the machine exists (blocks that were
/// released excepted), and nobody else touches them. A grant is zeroed. The window table reads
/// zero before it is first written and has room for a record of 256 bytes for every 2 MiB of the
/// alias region; it is 64-byte aligned.
pub unsafe trait Machine: Flusher {
    /// `blocks` 2 MiB blocks of guest-physical memory, contiguous, 2 MiB-aligned and zeroed;
    /// `huge` asks for host huge pages under them.
    fn grant(&self, blocks: u64, huge: bool) -> Option<GuestPhysical>;
    /// Takes back blocks that were granted, in any pieces and joins.
    fn release(&self, start: GuestPhysical, blocks: u64);
    /// Drops the contents of granted memory, page multiples: it reads zero afterwards.
    fn discard(&self, start: GuestPhysical, bytes: u64);
    /// Where guest-physical memory is seen in the direct map.
    fn direct(&self, at: GuestPhysical) -> *mut u8;
    /// Base of the window table.
    fn window_records(&self) -> *mut u8;
    /// The root page table.
    fn root(&self) -> GuestPhysical;
    /// Time stamp counter.
    fn now(&self) -> u64;
    /// Whether a write to a page-directory entry takes effect at once, without a flush (shadow
    /// paging, where it traps), unlike one to an entry of the lowest level.
    fn directory_edits_are_immediate(&self) -> bool;
    /// Whether a flush, by any processor, makes all of them forget (shadow paging again).
    fn flushes_reach_all(&self) -> bool;
    /// Index of the processor that runs this.
    fn processor(&self) -> u64;
    /// The word that says up to which epoch processor `index`, which was started, has flushed.
    fn flushed(&self, index: u64) -> &AtomicU64;
    /// The clock that counts epochs.
    fn clock(&self) -> &AtomicU64;
    /// Asks for all other processors to catch up soon, whatever they run; gives them some time.
    fn hurry(&self);
    /// Stops all other processors where they run no part of the heap (or wait in a `stop` of their
    /// own) and has them count as outside, until [`Self::resume`]. This one counts as outside
    /// itself meanwhile, and has to catch up.
    fn stop(&self) -> Stop;
    /// Lets the others go on.
    fn resume(&self);
    /// Calls `visit` with every word that the program may hold a pointer in, the heap's own objects
    /// excepted: registers, stacks, globals, mappings. Called in an allocation, while all other
    /// processors are stopped, if there are any. `false` where that cannot be done.
    fn roots(&self, visit: impl FnMut(u64)) -> bool;
    /// Calls `visit` with each whole word of part of a live object, from an 8-byte boundary.
    fn words(&self, at: GuestVirtual, bytes: u64, visit: impl FnMut(u64));
    /// The word at `at` will be written soon, if it is mapped.
    fn prefetch(&self, _at: GuestVirtual) {}
    /// Has the program's own memory at `at` mapped, if it is there but was not used yet.
    fn touch(&self, _at: GuestVirtual) {}
    /// An entry of a page table was written. Only a simulation has to be told.
    fn table_written(&self, _at: GuestPhysical) {}
    /// Copies between two objects.
    ///
    /// # Safety
    /// Both ranges lie in objects that are live and stay so meanwhile.
    unsafe fn copy(&self, from: GuestVirtual, to: GuestVirtual, bytes: u64);
    /// Clears part of an object.
    ///
    /// # Safety
    /// The range lies in an object that is live and stays so meanwhile.
    unsafe fn clear(&self, at: GuestVirtual, bytes: u64);
}
