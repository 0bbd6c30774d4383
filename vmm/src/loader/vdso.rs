//! The vDSO: the host kernel's own code and data for telling the time without a system call.
//!
//! The guest gets a copy of the code and, beside it at the distance that the code expects, the
//! host's data pages themselves, read-only. The code reads the time stamp counter, so it is offered
//! only where the guest's counter is the host's. Some of the data pages exist on some hosts only;
//! the code touches none that does not.

use crate::memory::physical::Physical;
use crate::memory::space::Space;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use object::{Object, ObjectSymbol};
use std::fs::File;
use std::io::Read;
use std::ops::Range;

/// What stands at the end of the lines of interest in `/proc/self/maps`.
const CODE: &str = "[vdso]";
const DATA: [&str; 2] = ["[vvar]", "[vvar_vclock]"];
/// Most bytes of both.
const LARGEST: u64 = 1 << 20;
/// `mov eax, SYS_getcpu; syscall; ret`
const GETCPU: [u8; 8] = [0xb8, 0x35, 0x01, 0, 0, 0x0f, 0x05, 0xc3];

/// The host's vDSO.
#[derive(Clone, Debug)]
pub struct Vdso {
    /// Where its data pages lie in this process, right before the code.
    data: Range<u64>,
    /// Its code, an ELF file.
    code: Vec<u8>,
}

/// A vDSO in a guest.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The data pages.
    pub data: Range<u64>,
    /// The code.
    pub code: Range<u64>,
    /// The code's bytes.
    pub image: Vec<u8>,
}

impl Vdso {
    /// This process's own; `None` if there is none, or none that is understood.
    #[must_use]
    pub fn of_host() -> Option<Self> {
        // The kernel puts it together anew for each read, so it is read in one piece.
        let mut maps = String::with_capacity(32 << 10);
        let mut file = File::open("/proc/self/maps").ok()?;
        file.read_to_string(&mut maps).ok()?;
        let find = |name: &str| {
            let line = maps.lines().find(|line| line.ends_with(name))?;
            let (start, rest) = line.split_once('-')?;
            let (end, _) = rest.split_once(' ')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some(number(start)?..number(end)?)
        };
        let code = find(CODE)?;
        let mut data = code.start..code.start;
        for part in DATA.iter().rev().filter_map(|name| find(name)) {
            if part.end != data.start {
                return None;
            }
            data.start = part.start;
        }
        if data.is_empty() || code.end - data.start > LARGEST {
            return None;
        }
        // SAFETY: the kernel keeps its code mapped and readable there for the life of the process.
        let bytes = unsafe {
            std::slice::from_raw_parts(
                std::ptr::with_exposed_provenance(code.start as usize),
                (code.end - code.start) as usize,
            )
        };
        Some(Self {
            data,
            code: bytes.to_vec(),
        })
    }

    /// Has `getcpu` make a system call: what the code reads instead need not be the host's.
    pub fn ask_for_processor(&mut self) {
        let functions: Vec<usize> = match object::File::parse(&*self.code) {
            Ok(file) => file
                .dynamic_symbols()
                .filter(|symbol| symbol.name() == Ok("__vdso_getcpu"))
                .map(|symbol| symbol.address() as usize)
                .collect(),
            Err(_) => Vec::new(),
        };
        for at in functions {
            if let Some(code) = self.code.get_mut(at..at.saturating_add(GETCPU.len())) {
                code.copy_from_slice(&GETCPU);
            }
        }
    }

    /// Maps it where `mmap` would; `None` if the host or the guest has no room for it.
    #[must_use]
    pub fn map(self, space: &Space, physical: &Physical, reach: u64) -> Option<Placed> {
        let size = self.data.end - self.data.start;
        let length = (self.code.len() as u64).next_multiple_of(PAGE_SIZE);
        let start = space.find_free(0, size + length, 0)?;
        let data = start..start + size;
        let code = data.end..data.end + length;
        let memory = physical.attach(self.data.clone(), reach).ok()?;
        space.map_attached(data.clone(), memory).ok()?;
        space
            .map_anonymous(code.clone(), libc::PROT_READ | libc::PROT_EXEC, true)
            .ok()?;
        space
            .write_code(GuestVirtual(code.start), &self.code)
            .ok()?;
        Some(Placed {
            data,
            code,
            image: self.code,
        })
    }
}
