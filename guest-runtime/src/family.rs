//! The malloc family: the C ABI over `dangless_core`'s heap.
//!
//! Standard semantics and errno are kept here; what an object is, and when it is gone, is the
//! heap's. Errors are described in the area's record and reported by the VMM; if the VMM lets the
//! program go on, the faulty call does nothing.

use crate::lender::{Answer, Lender};
use crate::stack::Stack;
use crate::{area, cpu::Cpu, exit, log};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{fence, Ordering};
use dangless_core::abi::error::{function, ErrorRecord, Frames, MAX_FRAMES};
use dangless_core::abi::exit::FAILED;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use dangless_core::heap::{FreeError, Heap, Layout, OutOfMemory, ReallocateError, Space};

const ENOMEM: i32 = 12;
const EINVAL: i32 = 22;
/// What the C library promises without being asked.
const ALIGNMENT: u64 = 16;

/// The process's heap, written once by `Upcall::Start` before the program runs.
struct Process(UnsafeCell<MaybeUninit<Space<Cpu>>>);

// SAFETY: written once before a second processor exists; `Space` synchronises itself afterwards.
unsafe impl Sync for Process {}

static SPACE: Process = Process(UnsafeCell::new(MaybeUninit::uninit()));

fn space() -> &'static Space<Cpu> {
    // SAFETY: the malloc family is led here only after `start` has written it.
    unsafe { (*SPACE.0.get()).assume_init_ref() }
}

/// Sets up the process's heap, once, and this vCPU's.
pub fn start() -> u64 {
    dangless_core::heap::set_yield(exit::give_up);
    let _context = log::Context::open(log::level::DEBUG, format_args!("starting the heap"));
    let Ok(space) = Space::new(Cpu, area::config()) else {
        return FAILED;
    };
    // SAFETY: the first upcall of the process; nobody else runs yet.
    unsafe { (*SPACE.0.get()).write(space) };
    let failed = thread_start(0);
    catch_up();
    failed
}

/// Gives vCPU `index` a heap.
pub fn thread_start(index: u64) -> u64 {
    let Ok(heap) = space().thread_start(index) else {
        return FAILED;
    };
    // SAFETY: the VMM has made the area, and its processor does not run yet.
    unsafe {
        (*area::of(index)).heap = heap.as_ptr() as u64;
        (*area::of(index)).lending = 0;
    }
    // SAFETY: both areas are as above; the heap was just started.
    unsafe {
        let nothing = &raw const (*area::of(index)).nothing;
        (*area::of(index)).quick = space().quick(heap, nothing as u64);
        // Two threads do not free without atomics.
        (*area::current()).quick.bytes = (*area::of(index)).quick.bytes;
    }
    log::line(
        log::level::DEBUG,
        format_args!("heap of processor {index} at {heap:p}"),
    );
    0
}

/// Takes the heap of vCPU `index` back.
pub fn thread_exit(index: u64) -> u64 {
    // SAFETY: the VMM has stopped that processor for good, so its area is at rest.
    let heap = unsafe { core::mem::take(&mut (*area::of(index)).heap) };
    if let Some(heap) = NonNull::new(heap as *mut Heap) {
        // SAFETY: the heap is from `thread_start`, and its thread has ended.
        unsafe { space().thread_exit(heap) };
    }
    0
}

/// Forgets translations that other processors have changed, before this one runs on.
pub fn catch_up() -> u64 {
    space().catch_up();
    0
}

/// Finishes queued revocations before a system call, or those that there is run time for.
pub fn drain_for_call() {
    let (heap, _) = own();
    // SAFETY: as in `drain`.
    space().drain_for_call(unsafe { &mut *heap });
    note_drained();
}

/// Finishes queued revocations.
fn drain() {
    let (heap, _) = own();
    // SAFETY: the vCPU's own heap; upcalls and system calls do not interrupt the family.
    space().drain(unsafe { &mut *heap });
    note_drained();
}

/// Finishes queued revocations if there is run time for it; the clock's part.
pub fn tick() {
    let (heap, _) = own();
    // SAFETY: as in `drain`.
    let rest = space().tick(unsafe { &mut *heap });
    // SAFETY: the area is this vCPU's own; the VMM counts the word down, hence volatile.
    unsafe { (&raw mut (*area::current()).rest).write_volatile(rest) };
    note_drained();
}

fn note_drained() {
    // SAFETY: the area is this vCPU's own.
    unsafe { (*area::current()).pending = u64::from(space().has_pending()) };
}

/// Describes an address in the area's record; 1 if it belongs to an object, live or freed.
pub fn describe(at: u64) -> u64 {
    // SAFETY: the area is this vCPU's own; the record is plain data.
    let record = unsafe { &mut (*area::current()).error };
    *record = ErrorRecord::default();
    space().describe(GuestVirtual(at), record);
    u64::from(record.object != 0)
}

fn own() -> (*mut Heap, u64) {
    // SAFETY: the area is this vCPU's own; plain words are read.
    unsafe {
        let area = area::current();
        ((*area).heap as *mut Heap, (*area).thread)
    }
}

/// A call of the family: where its return address lies, and the caller's frame pointer.
#[derive(Clone, Copy)]
struct Call {
    sp: u64,
    bp: u64,
}

impl Call {
    fn stack(self) -> Stack {
        // SAFETY: the assembly entry passed its own stack pointer, at the return address.
        unsafe { Stack::capture(self.sp, self.bp, area::config().stack_depth as usize) }
    }

    fn allocate(self, size: u64, align: u64, zeroed: bool) -> Option<u64> {
        let layout = Layout {
            size,
            align,
            zeroed,
        };
        if area::config().stack_depth == 0 {
            return allocate(layout, &[]);
        }
        self.allocate_traced(layout)
    }

    #[inline(never)]
    fn allocate_traced(self, layout: Layout) -> Option<u64> {
        allocate(layout, self.stack().frames())
    }

    /// As `allocate`, with C's answer to failure.
    fn allocate_or_null(self, size: u64, align: u64, zeroed: bool) -> u64 {
        self.allocate(size, align, zeroed).unwrap_or_else(|| {
            set_errno(ENOMEM);
            0
        })
    }

    fn report(self, at: u64, error: FreeError, function: u64) {
        // SAFETY: the area is this vCPU's own; the record is plain data.
        let record = unsafe { &mut (*area::current()).error };
        *record = ErrorRecord::default();
        space().describe(GuestVirtual(at), record);
        record.kind = error.kind();
        record.function = function;
        record.address = at;
        // SAFETY: as in `stack`.
        let stack = unsafe { Stack::capture(self.sp, self.bp, MAX_FRAMES) };
        let frames = stack.frames();
        record.access = Frames::default();
        for (to, from) in record.access.address.iter_mut().zip(frames) {
            *to = *from;
        }
        record.access.length = frames.len() as u64;
        if frames.is_empty() {
            // SAFETY: the assembly entry's stack pointer points at the return address.
            record.access.address[0] = unsafe { (self.sp as *const u64).read() };
            record.access.length = 1;
        }
        exit::report();
    }

    fn reallocate(self, at: u64, size: u64) -> u64 {
        if at == 0 {
            return self.allocate_or_null(size, ALIGNMENT, false);
        }
        if size == 0 {
            self.free(at, function::REALLOC);
            return 0;
        }
        let stack = self.stack();
        let moved = match Lender::get() {
            Some(lender) => reallocate_lent(&lender, GuestVirtual(at), size, stack.frames()),
            None => reallocate(GuestVirtual(at), size, stack.frames()),
        };
        note_pending();
        match moved {
            Ok(at) => at.0,
            Err(ReallocateError::OutOfMemory(_)) => {
                set_errno(ENOMEM);
                0
            }
            Err(ReallocateError::Free(error)) => {
                self.report(at, error, function::REALLOC);
                0
            }
        }
    }

    #[inline]
    fn free(self, at: u64, function: u64) {
        let freed = if area::config().stack_depth == 0 {
            free_recorded(at, &[])
        } else {
            self.free_traced(at)
        };
        if let Err(error) = freed {
            self.refuse(at, error, function);
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(self, at: u64, error: FreeError, function: u64) {
        // SAFETY: the assembly entry's stack pointer points at the return address.
        let caller = unsafe { (self.sp as *const u64).read() };
        let lender = Lender::get().filter(|lender| lender.is_caller(caller));
        match lender.filter(|_| error == FreeError::Foreign) {
            Some(lender) => lender.free(at),
            None => self.report(at, error, function),
        }
    }

    #[inline(never)]
    fn free_traced(self, at: u64) -> Result<(), FreeError> {
        free_recorded(at, self.stack().frames())
    }
}

fn reallocate(
    at: GuestVirtual,
    size: u64,
    frames: &[u64],
) -> Result<GuestVirtual, ReallocateError> {
    let (heap, thread) = own();
    // SAFETY: as in `allocate`.
    let heap = unsafe { &mut *heap };
    space().reallocate(heap, at, size, frames, thread)
}

/// As `reallocate`: always a new object, in a lent block.
fn reallocate_lent(
    lender: &Lender,
    at: GuestVirtual,
    size: u64,
    frames: &[u64],
) -> Result<GuestVirtual, ReallocateError> {
    let old = space().usable_size(at)?;
    let layout = Layout {
        size,
        align: ALIGNMENT,
        zeroed: false,
    };
    let new = allocate_lent(lender, layout, frames).ok_or(OutOfMemory)?;
    let (heap, thread) = own();
    // SAFETY: as in `allocate`.
    let heap = unsafe { &mut *heap };
    space().replace(heap, (at, old), (GuestVirtual(new), size), frames, thread)
}

/// An object in a block that the program's own allocator lends.
#[cold]
#[inline(never)]
fn allocate_lent(lender: &Lender, layout: Layout, frames: &[u64]) -> Option<u64> {
    give_back(lender);
    if let Some(at) = allocate_lent_once(lender, layout, frames) {
        return Some(at);
    }
    // What waits for its revocation may be enough.
    drain();
    catch_up();
    give_back(lender);
    allocate_lent_once(lender, layout, frames)
}

fn allocate_lent_once(lender: &Lender, layout: Layout, frames: &[u64]) -> Option<u64> {
    let lent = match lender.lend(layout) {
        Answer::Block(lent) => lent,
        Answer::Object(at) => return Some(at),
        Answer::Nothing => return None,
    };
    let (heap, thread) = own();
    // SAFETY: the vCPU's own heap; the lender has returned, and nothing else uses it.
    let placed = space().allocate_in(unsafe { &mut *heap }, lent, layout, frames, thread);
    match placed {
        Ok(at) => Some(at.0),
        Err(OutOfMemory) => {
            lender.take(lent, 0);
            None
        }
    }
}

/// Gives the program's own allocator back what nobody reaches any more.
fn give_back(lender: &Lender) {
    space().give_back(|lent, bytes| lender.take(lent, bytes));
}

#[inline]
fn allocate(layout: Layout, frames: &[u64]) -> Option<u64> {
    if let Some(lender) = Lender::get() {
        return allocate_lent(&lender, layout, frames);
    }
    let (heap, thread) = own();
    // SAFETY: the vCPU's own heap; one call of the family runs at a time on a vCPU.
    let heap = unsafe { &mut *heap };
    let at = space().allocate(heap, layout, frames, thread).ok();
    at.map(|at| at.0)
}

#[inline]
fn free_recorded(at: u64, frames: &[u64]) -> Result<(), FreeError> {
    if let Some(lender) = Lender::get() {
        give_back(&lender);
    }
    let (heap, thread) = own();
    // SAFETY: as in `allocate`.
    let heap = unsafe { &mut *heap };
    let freed = space().free(heap, GuestVirtual(at), frames, thread);
    note_pending();
    freed
}

/// Tells the `syscall` entry whether there are queued revocations, and the VMM when they begin.
#[inline]
fn note_pending() {
    let waiting = space().has_pending();
    // SAFETY: the area is this vCPU's own; a plain word is read.
    let before = unsafe { (&raw const (*area::current()).pending).read_volatile() };
    if u64::from(waiting) != before {
        note_change(waiting);
    }
}

#[cold]
#[inline(never)]
fn note_change(waiting: bool) {
    // SAFETY: the area is this vCPU's own; plain words are read and written, `ticking` also by the
    // VMM, hence volatile.
    let ticking = unsafe {
        let area = area::current();
        (&raw mut (*area).pending).write_volatile(u64::from(waiting));
        // The VMM writes `ticking`, then reads `pending`: one of the two sees the other.
        fence(Ordering::SeqCst);
        (&raw const (*area).ticking).read_volatile()
    };
    if waiting && ticking == 0 {
        exit::tick();
    }
}

fn set_errno(value: i32) {
    let location = area::config().errno_location;
    if location != 0 {
        // SAFETY: the address of the program's own `__errno_location`, which takes nothing and
        // returns where the calling thread's errno lies.
        unsafe {
            let location: extern "C" fn() -> *mut i32 = core::mem::transmute(location);
            location().write(value);
        }
    }
}

/// `malloc`, where `quick` has nothing
pub extern "C" fn malloc(size: u64, sp: u64, bp: u64) -> u64 {
    let (heap, thread) = own();
    // SAFETY: as in `allocate`.
    let heap = unsafe { &mut *heap };
    match space().allocate_quickly(heap, size, thread) {
        Some(at) => at.0,
        None => malloc_slowly(size, sp, bp),
    }
}

#[cold]
#[inline(never)]
extern "C" fn malloc_slowly(size: u64, sp: u64, bp: u64) -> u64 {
    Call { sp, bp }.allocate_or_null(size, ALIGNMENT, false)
}

/// `calloc`
pub extern "C" fn calloc(count: u64, size: u64, sp: u64, bp: u64) -> u64 {
    match count.checked_mul(size) {
        Some(bytes) => Call { sp, bp }.allocate_or_null(bytes, ALIGNMENT, true),
        None => {
            set_errno(ENOMEM);
            0
        }
    }
}

/// `realloc`
pub extern "C" fn realloc(at: u64, size: u64, sp: u64, bp: u64) -> u64 {
    Call { sp, bp }.reallocate(at, size)
}

/// `reallocarray`
pub extern "C" fn reallocarray(at: u64, count: u64, size: u64, sp: u64, bp: u64) -> u64 {
    match count.checked_mul(size) {
        Some(bytes) => Call { sp, bp }.reallocate(at, bytes),
        None => {
            set_errno(ENOMEM);
            0
        }
    }
}

/// `free` and its kin, where `quick` does not do it
pub extern "C" fn free(at: u64, sp: u64, bp: u64) {
    let (heap, thread) = own();
    // SAFETY: as in `allocate`.
    let heap = unsafe { &mut *heap };
    if !space().free_quickly(heap, GuestVirtual(at), thread) {
        free_slowly(at, sp, bp);
    }
}

#[cold]
#[inline(never)]
extern "C" fn free_slowly(at: u64, sp: u64, bp: u64) {
    if at != 0 {
        Call { sp, bp }.free(at, function::FREE);
    }
}

/// `aligned_alloc`
pub extern "C" fn aligned_alloc(align: u64, size: u64, sp: u64, bp: u64) -> u64 {
    if !align.is_power_of_two() {
        set_errno(EINVAL);
        return 0;
    }
    Call { sp, bp }.allocate_or_null(size, align, false)
}

/// `memalign`: an alignment that is no power of two counts as the next one.
pub extern "C" fn memalign(align: u64, size: u64, sp: u64, bp: u64) -> u64 {
    match align.checked_next_power_of_two() {
        Some(align) => Call { sp, bp }.allocate_or_null(size, align, false),
        None => {
            set_errno(EINVAL);
            0
        }
    }
}

/// `posix_memalign`
pub extern "C" fn posix_memalign(to: *mut u64, align: u64, size: u64, sp: u64, bp: u64) -> i32 {
    if !align.is_power_of_two() || align < 8 {
        return EINVAL;
    }
    match (Call { sp, bp }).allocate(size, align, false) {
        Some(at) => {
            // SAFETY: the program passed where its pointer goes; a bad one faults as its own.
            unsafe { to.write_unaligned(at) };
            0
        }
        None => ENOMEM,
    }
}

/// `valloc`
pub extern "C" fn valloc(size: u64, sp: u64, bp: u64) -> u64 {
    Call { sp, bp }.allocate_or_null(size, PAGE_SIZE, false)
}

/// `pvalloc`
pub extern "C" fn pvalloc(size: u64, sp: u64, bp: u64) -> u64 {
    match size.checked_next_multiple_of(PAGE_SIZE) {
        Some(bytes) => Call { sp, bp }.allocate_or_null(bytes, PAGE_SIZE, false),
        None => {
            set_errno(ENOMEM);
            0
        }
    }
}

/// `malloc_usable_size`
pub extern "C" fn malloc_usable_size(at: u64, sp: u64, bp: u64) -> u64 {
    if at == 0 {
        return 0;
    }
    match space().usable_size(GuestVirtual(at)) {
        Ok(size) => size,
        Err(error) => {
            Call { sp, bp }.report(at, error, function::USABLE_SIZE);
            0
        }
    }
}
