//! The objects that a program is made of: its file, the dynamic linker, shared objects.
//!
//! What is mapped executable is noticed here, whoever maps it. Its malloc family is led to the
//! runtime before the call that maps it returns, and stacks can be walked and named in it from then
//! on. Nothing of a file is read for stacks before one is to be walked. An object that has gone
//! still has names, until others take its place: stacks of old objects may lead there.

use super::boot::Machine;
use super::run::End;
use super::thread::Thread;
use crate::descriptor;
use crate::loader::elf;
use crate::loader::family::{self, Family};
use crate::loader::interpose::InterposeError;
use crate::symbols::separate::DebugFile;
use crate::symbols::{Module, Symbols};
use crate::unwind::{self, direct, ProgramTable};
use dangless_core::abi::exit::Upcall;
use dangless_core::abi::layout;
use dangless_core::address::{GuestPhysical, LARGE_PAGE_SIZE, PAGE_SIZE};
use dangless_core::unwind::directory::{self, Directory, Entry};
use dangless_core::unwind::Rule;
use object::ReadCache;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

/// Most objects that are remembered.
const MOST: usize = 4096;
/// Why the runtime's heap did not start.
pub(super) const NO_HEAP: &str = "no memory for the heap; raise --memory";

/// An object's file, read when a report or an unwind table first wants it.
struct ObjectFile {
    path: PathBuf,
    bytes: OnceLock<Vec<u8>>,
}

impl AsRef<[u8]> for ObjectFile {
    fn as_ref(&self) -> &[u8] {
        // A file that has gone leaves the report without names.
        self.bytes
            .get_or_init(|| std::fs::read(&self.path).unwrap_or_default())
    }
}

/// One object in the address space.
struct Loaded {
    file: Arc<ObjectFile>,
    bias: u64,
    range: Range<u64>,
    /// Single rules; inside, `None` if it has none.
    rules: OnceLock<Option<direct::Rules>>,
    /// All rules; inside, `None` if it has none.
    table: OnceLock<Option<ProgramTable>>,
    /// Where the table lies in the guest, or what a directory has in its place.
    placed: u64,
}

impl Loaded {
    fn rules(&self) -> Option<&direct::Rules> {
        let open = || direct::Rules::open(&self.file.path, self.bias);
        self.rules.get_or_init(open).as_ref()
    }

    fn table(&self) -> Option<&ProgramTable> {
        let build = || unwind::build((*self.file).as_ref(), self.bias).ok();
        self.table.get_or_init(build).as_ref()
    }
}

/// The objects of a program.
#[derive(Default)]
pub struct Modules {
    /// By address, not overlapping: what is loaded.
    loaded: Vec<Loaded>,
    /// Also what was loaded.
    symbols: Symbols,
    directory: Option<GuestPhysical>,
    /// Free rest of the memory for tables: address in the guest, memory, bytes.
    rest: (u64, GuestPhysical, u64),
    /// Address of the next memory for tables.
    next: u64,
}

impl Modules {
    /// No objects.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: layout::UNWIND_TABLES,
            ..Self::default()
        }
    }

    /// An object at `range` that is in no file; `path` is what reports call it.
    pub fn add_image(&mut self, path: PathBuf, bytes: Vec<u8>, range: Range<u64>) {
        self.insert(path, OnceLock::from(bytes), range.start, range);
    }

    /// An object at `range` that was read from `path` and moved by `bias`.
    pub fn add(&mut self, path: PathBuf, bias: u64, range: Range<u64>) {
        self.insert(path, OnceLock::new(), bias, range);
    }

    fn insert(&mut self, path: PathBuf, bytes: OnceLock<Vec<u8>>, bias: u64, range: Range<u64>) {
        let known = |loaded: &Loaded| {
            loaded.bias == bias && loaded.range == range && loaded.file.path == path
        };
        if self.loaded.iter().any(known) {
            return;
        }
        let file = Arc::new(ObjectFile {
            path: path.clone(),
            bytes,
        });
        self.symbols.add(Module {
            path: path.to_string_lossy().into_owned(),
            image: Arc::clone(&file) as _,
            debug: Arc::new(DebugFile::new(Arc::clone(&file) as _, path)),
            bias,
            range: range.clone(),
        });
        self.symbols.forget(MOST);
        self.loaded
            .retain(|other| other.range.end <= range.start || range.end <= other.range.start);
        let place = self
            .loaded
            .partition_point(|other| other.range.start < range.start);
        self.loaded.insert(
            place,
            Loaded {
                file,
                bias,
                range,
                rules: OnceLock::new(),
                table: OnceLock::new(),
                placed: directory::UNBUILT,
            },
        );
    }

    /// Names of functions and lines.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn index(&self, address: u64) -> Option<usize> {
        let after = self
            .loaded
            .partition_point(|loaded| loaded.range.start <= address);
        let index = after.checked_sub(1)?;
        let holds = self.loaded.get(index)?.range.contains(&address);
        holds.then_some(index)
    }

    fn find(&self, address: u64) -> Option<&Loaded> {
        self.loaded.get(self.index(address)?)
    }

    /// The rule for the instruction that holds `address`, without a table; `None` if that takes one.
    #[must_use]
    pub fn single_rule(&self, address: u64) -> Option<Rule> {
        self.find(address)?.rules()?.lookup(address)
    }

    /// The rule for the instruction that holds `address`, from its object's table.
    #[must_use]
    pub fn rule(&self, address: u64) -> Rule {
        self.find(address)
            .and_then(Loaded::table)
            .map_or(Rule::Unknown, |table| table.view().lookup(address))
    }

    /// Makes the directory of tables in the guest say what is loaded.
    pub fn publish(&mut self, machine: &Machine) {
        if self.directory.is_none() {
            // Without memory for it there are stacks by frame pointers only.
            self.directory = machine.map_table(layout::UNWIND_DIRECTORY, 1).ok();
        }
        let Some(at) = self.directory else {
            return;
        };
        let Some(host) = machine.physical.host(at, LARGE_PAGE_SIZE) else {
            return;
        };
        let entries: Vec<Entry> = self
            .loaded
            .iter()
            .map(|loaded| Entry {
                start: loaded.range.start,
                end: loaded.range.end,
                table: loaded.placed,
            })
            .collect();
        const { assert!(directory::SPACE * 8 <= LARGE_PAGE_SIZE as usize) };
        let words = host.cast::<AtomicU64>();
        // SAFETY: a block of the machine, aligned, that holds as many words; both sides access it
        // atomically.
        let words = unsafe { std::slice::from_raw_parts(words, directory::SPACE) };
        Directory::new(words).publish(&entries);
    }

    /// Builds the table of the object whose code holds `address`, for the runtime.
    fn place(&mut self, machine: &Machine, address: u64) {
        let Some(index) = self.index(address) else {
            return;
        };
        let image = self
            .loaded
            .get(index)
            .filter(|loaded| loaded.placed == directory::UNBUILT)
            .and_then(Loaded::table)
            .filter(|table| !table.is_empty())
            .map(ProgramTable::image);
        let placed = image.and_then(|image| self.copy(machine, &image));
        if let Some(loaded) = self.loaded.get_mut(index) {
            loaded.placed = placed.unwrap_or(directory::NONE);
        }
        self.publish(machine);
    }

    /// Copies a table into the guest; its address.
    fn copy(&mut self, machine: &Machine, image: &[u8]) -> Option<u64> {
        let bytes = (image.len() as u64).next_multiple_of(64);
        if bytes > self.rest.2 {
            let blocks = bytes.div_ceil(LARGE_PAGE_SIZE);
            let size = blocks * LARGE_PAGE_SIZE;
            if self.next + size > layout::UNWIND_TABLES + layout::UNWIND_TABLES_SIZE {
                return None;
            }
            let start = machine.map_table(self.next, blocks).ok()?;
            self.rest = (self.next, start, size);
            self.next += size;
        }
        let (at, memory, left) = self.rest;
        machine.write_table(memory, image);
        self.rest = (at + bytes, memory.add(bytes), left - bytes);
        Some(at)
    }
}

impl Thread {
    /// A file was mapped executable at `range`, from `offset` on: it may be an object.
    pub(super) fn adopt(&mut self, range: &Range<u64>, flags: i32, descriptor: RawFd, offset: u64) {
        // A descriptor of our own, since another thread may close the program's meanwhile.
        let Ok(file) = descriptor::hide(descriptor).map(File::from) else {
            return;
        };
        let Some((bias, whole)) = bias(&file, range, offset) else {
            return;
        };
        let link = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let path = std::fs::read_link(link).unwrap_or_default();
        if self.program.interposes() && flags & libc::MAP_TYPE == libc::MAP_PRIVATE {
            let family = family::exported(&ReadCache::new(file));
            if let Err(error) = self.interpose(&family, range, bias) {
                self.program.observer.note(&format!(
                    "{}: its malloc is not replaced, and what it allocates is not protected: {error}",
                    path.display()
                ));
            }
        }
        let mut context = self.program.context();
        context.modules.add(path, bias, whole);
        context.modules.publish(&self.program.machine);
    }

    /// Leads the part of a family that lies in `range` to the runtime, whose heap is started if this
    /// is the first.
    fn interpose(
        &mut self,
        family: &Family,
        range: &Range<u64>,
        bias: u64,
    ) -> Result<(), InterposeError> {
        if let Some(at) = family.errno_location {
            self.program
                .machine
                .learn_errno_location(at.wrapping_add(bias));
        }
        let mut here = family.clone();
        here.replacements
            .retain(|replacement| range.contains(&replacement.address.wrapping_add(bias)));
        if here.replacements.is_empty() {
            return Ok(());
        }
        if !self.program.is_protected() {
            match self.upcall(Upcall::Start, [0; 3]) {
                Ok(0) => self.program.set_protected(),
                Ok(_) => {
                    self.broken = Some(End::Broken(NO_HEAP.to_owned()));
                    return Ok(());
                }
                Err(end) => {
                    self.broken = Some(end);
                    return Ok(());
                }
            }
        }
        let kept = self
            .program
            .islands()
            .replace(&self.program.space, &here, bias)?;
        if let Some(kept) = kept {
            self.program.machine.learn_allocator(kept);
        }
        Ok(())
    }

    /// Builds the unwind table of the object whose code holds `address`, for the runtime.
    pub(super) fn place_table(&self, address: u64) {
        self.program
            .context()
            .modules
            .place(&self.program.machine, address);
    }
}

/// By how much the object is moved whose file is mapped at `range` from `offset` on, and where it
/// lies; `None` if the file is none.
fn bias(file: &File, range: &Range<u64>, offset: u64) -> Option<(u64, Range<u64>)> {
    let mut magic = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut magic, 0).ok()?;
    if &magic != b"\x7fELF" {
        return None;
    }
    let cache = ReadCache::new(file.try_clone().ok()?);
    let elf = elf::parse(&cache).ok()?;
    let segment = elf.segments.iter().find(|segment| {
        segment.protection & libc::PROT_EXEC != 0
            && segment.offset - segment.offset % PAGE_SIZE == offset
    })?;
    let bias = range
        .start
        .wrapping_sub(segment.address - segment.address % PAGE_SIZE);
    Some((bias, elf.range(bias)))
}
