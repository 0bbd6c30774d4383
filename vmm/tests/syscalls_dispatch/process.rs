//! A process whose memory is a set of pages in one host mapping: each guest page may lie on any
//! host page, be absent, read-only, or freed.

use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use dangless_vmm::exec::{find::find, Request};
use dangless_vmm::memory::user::{Access, Fault, HostSlice, UserMemory};
use dangless_vmm::process::clone::CloneRequest;
use dangless_vmm::process::picture::{Origin, Picture};
use dangless_vmm::process::{Errno, MapRequest, Outcome, Process};
use dangless_vmm::seccomp::Cell;
use dangless_vmm::syscalls::dispatch;
use dangless_vmm::syscalls::observer::Observer;
use dangless_vmm::syscalls::state::{Action, SharedState, ThreadState};
use dangless_vmm::syscalls::table::{self, entry::Direction};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes in a page.
pub const PAGE: u64 = PAGE_SIZE;
/// Where tests put memory.
pub const BASE: u64 = 0x10_0000;

#[derive(Clone, Copy)]
struct Page {
    host: usize,
    writable: bool,
    freed: bool,
}

/// Memory of a test process.
pub struct Pages {
    host: *mut u8,
    length: usize,
    next: usize,
    pages: BTreeMap<u64, Page>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and every slice of it is gone.
        unsafe { libc::munmap(self.host.cast(), self.length) };
    }
}

impl UserMemory for Pages {
    fn slices(
        &self,
        at: GuestVirtual,
        length: u64,
        access: Access,
    ) -> Result<Vec<HostSlice>, Fault> {
        let mut slices: Vec<HostSlice> = Vec::new();
        let mut cursor = at.0;
        let end = at.0.checked_add(length).ok_or(Fault::Unmapped(at))?;
        while cursor < end {
            let page = self.pages.get(&(cursor / PAGE));
            let page = page.ok_or(Fault::Unmapped(GuestVirtual(cursor)))?;
            if page.freed {
                return Err(Fault::Revoked(GuestVirtual(cursor)));
            }
            if access == Access::Write && !page.writable {
                return Err(Fault::Unmapped(GuestVirtual(cursor)));
            }
            let inside = cursor % PAGE;
            let here = (PAGE - inside).min(end - cursor) as usize;
            let pointer = self
                .host
                .wrapping_add(page.host * PAGE as usize + inside as usize);
            match slices.last_mut() {
                Some(last) if last.pointer.wrapping_add(last.length) == pointer => {
                    last.length += here;
                }
                _ => slices.push(HostSlice {
                    pointer,
                    length: here,
                    may_fault: false,
                }),
            }
            cursor += here as u64;
        }
        Ok(slices)
    }
}

/// A test process.
pub struct Fake {
    /// Its memory.
    pub pages: Pages,
    /// Descriptors of the VMM.
    pub hidden: HashSet<i32>,
    /// The program.
    pub program: PathBuf,
    /// What other threads have given up.
    pub comrades: Vec<(i32, Arc<Cell>)>,
    seccomp: Arc<Cell>,
    state: ThreadState,
    shared: Mutex<SharedState>,
    fs_base: u64,
    heap: u64,
}

impl Fake {
    /// A process that may have so many pages.
    pub fn new(most: usize) -> Self {
        let length = most * PAGE as usize;
        // SAFETY: a new private mapping, wherever the kernel puts it.
        let host = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0)
        };
        assert_ne!(host, libc::MAP_FAILED);
        Self {
            pages: Pages {
                host: host.cast(),
                length,
                next: 0,
                pages: BTreeMap::new(),
            },
            hidden: HashSet::new(),
            program: PathBuf::from("/usr/bin/true"),
            comrades: Vec::new(),
            seccomp: Arc::default(),
            state: ThreadState::default(),
            shared: Mutex::default(),
            fs_base: 0,
            heap: 0x40_0000,
        }
    }

    /// Maps pages that lie side by side on the host, apart from those mapped before.
    pub fn map_pages(&mut self, at: u64, count: u64) {
        self.pages.next += 1;
        for page in 0..count {
            let host = self.pages.next;
            assert!(host < self.pages.length / PAGE as usize);
            self.pages.next += 1;
            self.pages.pages.insert(
                at / PAGE + page,
                Page {
                    host,
                    writable: true,
                    freed: false,
                },
            );
        }
    }

    /// Maps pages none of which lies beside the next on the host.
    pub fn map_scattered(&mut self, at: u64, count: u64) {
        for page in 0..count {
            self.map_pages(at + page * PAGE, 1);
        }
    }

    /// Takes the write access of a page away.
    pub fn make_read_only(&mut self, at: u64) {
        if let Some(page) = self.pages.pages.get_mut(&(at / PAGE)) {
            page.writable = false;
        }
    }

    /// Frees a page, as the heap does.
    pub fn free(&mut self, at: u64) {
        if let Some(page) = self.pages.pages.get_mut(&(at / PAGE)) {
            page.freed = true;
        }
    }

    /// Puts bytes into memory.
    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.pages
            .write(GuestVirtual(at), bytes)
            .expect("mapped memory");
    }

    /// Puts words into memory.
    pub fn put_words(&self, at: u64, words: &[u64]) {
        for (place, word) in words.iter().enumerate() {
            self.put(at + place as u64 * 8, &word.to_le_bytes());
        }
    }

    /// Bytes of memory.
    pub fn get(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.pages
            .read(GuestVirtual(at), &mut bytes)
            .expect("mapped memory");
        bytes
    }

    /// A word of memory.
    pub fn get_word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().expect("eight bytes"))
    }

    /// A call as the program makes it.
    pub fn outcome(&mut self, number: i64, arguments: &[u64]) -> Outcome {
        self.watched(number, arguments, None)
    }

    /// A call, watched.
    pub fn watched(
        &mut self,
        number: i64,
        arguments: &[u64],
        observer: Option<&mut Observer>,
    ) -> Outcome {
        // What a program leaves in the registers of unused arguments means nothing.
        let mut all = [0xdead_beef_dead_beef; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        let Some(observer) = observer else {
            return dispatch(self, number as u64, all, None);
        };
        let shared = Mutex::new(std::mem::take(observer));
        let outcome = dispatch(self, number as u64, all, Some(&shared));
        *observer = shared.into_inner().expect("no watcher panicked");
        outcome
    }

    /// The value of a call that returns one.
    pub fn call(&mut self, number: i64, arguments: &[u64]) -> i64 {
        match self.outcome(number, arguments) {
            Outcome::Value(value) => value,
            other => panic!("{other:?}"),
        }
    }

    /// The error of a call that fails.
    pub fn error(&mut self, number: i64, arguments: &[u64]) -> i32 {
        let value = self.call(number, arguments);
        assert!((-4095..0).contains(&value), "it returned {value}");
        -value as i32
    }
}

/// The report that a freed argument gives.
pub fn revoked(call: &'static str, argument: usize, name: &'static str, at: u64) -> Outcome {
    let entry = table::all()
        .find(|entry| entry.name == call)
        .expect("the call is known");
    let direction = entry.arguments[argument - 1].kind.direction();
    Outcome::Revoked {
        writes: matches!(direction, Some(Direction::Out | Direction::InOut)),
        call,
        argument,
        name,
        address: GuestVirtual(at),
    }
}

impl Process for Fake {
    fn memory(&self) -> &dyn UserMemory {
        &self.pages
    }

    fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        if request.length == 0 {
            return Err(Errno(libc::EINVAL));
        }
        Err(Errno(libc::ENOMEM))
    }

    fn unmap(&mut self, at: u64, length: u64) -> Result<(), Errno> {
        let end = at.checked_add(length).ok_or(Errno(libc::EINVAL))?;
        self.pages
            .pages
            .retain(|page, _| page * PAGE + PAGE <= at || page * PAGE >= end);
        Ok(())
    }

    fn protect(&mut self, _: u64, _: u64, _: i32) -> Result<(), Errno> {
        Err(Errno(libc::ENOMEM))
    }

    fn remap(&mut self, _: u64, _: u64, _: u64, _: i32, _: u64) -> Result<u64, Errno> {
        Err(Errno(libc::EFAULT))
    }

    fn set_break(&mut self, at: u64) -> u64 {
        if at >= 0x40_0000 {
            self.heap = at;
        }
        self.heap
    }

    fn advise(&mut self, _: u64, _: u64, _: i32) -> Result<(), Errno> {
        Ok(())
    }

    fn is_mapped(&self, at: u64, length: u64) -> bool {
        let Some(end) = at.checked_add(length) else {
            return false;
        };
        let (first, last) = (at / PAGE, end.div_ceil(PAGE));
        self.pages.pages.range(first..last.max(first)).count() as u64 == last - first
    }

    fn attach_segment(&mut self, _: i32, _: u64, _: u64, _: i32) -> Result<u64, Errno> {
        Err(Errno(libc::ENOMEM))
    }

    fn detach_segment(&mut self, _: u64) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }

    fn fs_base(&self) -> u64 {
        self.fs_base
    }

    fn set_fs_base(&mut self, base: u64) {
        self.fs_base = base;
    }

    fn clone_process(&mut self, _request: &CloneRequest) -> Result<i64, Errno> {
        Err(Errno(libc::EAGAIN))
    }

    fn replace(&mut self, request: Request) -> Errno {
        match find(&request) {
            Err(error) => error,
            Ok(_) => Errno(libc::EPERM),
        }
    }

    fn is_hidden(&self, descriptor: i32) -> bool {
        self.hidden.contains(&descriptor)
    }

    fn executable(&self) -> &Path {
        &self.program
    }

    fn start_thread(&mut self, _: &CloneRequest) -> Result<i64, Errno> {
        Err(Errno(libc::EAGAIN))
    }

    fn threads(&self) -> Vec<i32> {
        Vec::new()
    }

    fn picture(&self) -> Picture {
        Picture {
            origin: Origin {
                arguments: BASE..BASE + 8,
                environment: BASE + 8..BASE + 16,
                ..Origin::default()
            },
            ..Picture::default()
        }
    }

    fn owns_process(&self) -> bool {
        false
    }

    fn dispose(&mut self, _: i32, _: &Action) -> Result<(), Errno> {
        Ok(())
    }

    fn return_from_handler(&mut self) -> bool {
        false
    }

    fn stack_pointer(&self) -> u64 {
        0
    }

    fn program_counter(&self) -> u64 {
        BASE
    }

    fn seccomp(&self) -> &Arc<Cell> {
        &self.seccomp
    }

    fn comrades(&self) -> Vec<(i32, Arc<Cell>)> {
        self.comrades.clone()
    }

    fn thread_state(&mut self) -> &mut ThreadState {
        &mut self.state
    }

    fn shared_state(&self) -> MutexGuard<'_, SharedState> {
        self.shared.lock().expect("no handler panicked")
    }
}
