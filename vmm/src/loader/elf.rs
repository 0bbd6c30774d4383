//! Reading an ELF file: what is to be mapped, and where the program starts.
//!
//! Everything read here is untrusted. Sizes and addresses are checked before use, headers are
//! limited in number, and nothing panics; a file that Linux would refuse gets an error that says
//! what is wrong with it.

use dangless_core::abi::layout;
use dangless_core::address::PAGE_SIZE;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};
use std::io;
use std::ops::Range;

/// Most program headers of a file (Linux stops at 64 KiB of them).
const MOST_HEADERS: usize = 1024;

/// Longest path, with its terminator.
const LONGEST_PATH: u64 = 4096;

/// Why a file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Reading failed.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// No ELF magic.
    #[error("not an ELF file{}", if *.script { " but a script: run its interpreter instead" } else { "" })]
    NotElf {
        /// Whether it starts with `#!`.
        script: bool,
    },
    /// Made for another machine.
    #[error("not an x86-64 program (ELF machine {machine}, class {class})")]
    Machine {
        /// `e_machine`
        machine: u16,
        /// `EI_CLASS`
        class: u8,
    },
    /// Not an executable.
    #[error("not an executable (ELF type {0})")]
    Type(u16),
    /// The interpreter is itself in need of one.
    #[error("its interpreter asks for an interpreter ({0})")]
    Interpreter(String),
    /// Something in it makes no sense.
    #[error("malformed ELF file: {0}")]
    Malformed(&'static str),
    /// A segment lies where the runtime or the heap lives.
    #[error("segment at {start:#x}, {size:#x} bytes, lies outside the address space for programs")]
    Placement {
        /// First address.
        start: u64,
        /// Bytes.
        size: u64,
    },
}

/// A loadable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address, before the load bias.
    pub address: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes from the file.
    pub file_size: u64,
    /// `PROT_*`
    pub protection: i32,
}

/// What there is to know about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Segments in the order of their addresses, not overlapping; at least one.
    pub segments: Vec<Segment>,
    /// Entry point, before the load bias.
    pub entry: u64,
    /// Address of the program headers, before the load bias; 0 if not in a segment.
    pub headers: u64,
    /// Number of program headers.
    pub header_count: u16,
    /// Whether it can be loaded anywhere.
    pub relocatable: bool,
    /// Whether it asks for an executable stack.
    pub executable_stack: bool,
    /// The largest alignment of a segment.
    pub alignment: u64,
    /// Path of the dynamic linker that it asks for, as the file has it.
    pub interpreter: Option<Vec<u8>>,
    /// Whether it names shared objects that it needs.
    pub needs_objects: bool,
}

impl Elf {
    /// First address of the image, page-aligned, before the load bias.
    #[must_use]
    pub fn start(&self) -> u64 {
        let first = self.segments.first().map_or(0, |segment| segment.address);
        first - first % PAGE_SIZE
    }

    /// First address past the image, page-aligned, before the load bias.
    #[must_use]
    pub fn end(&self) -> u64 {
        let last = self
            .segments
            .last()
            .map_or(0, |segment| segment.address + segment.size);
        last.next_multiple_of(PAGE_SIZE)
    }

    /// Where the image lies once it is moved by `bias`.
    #[must_use]
    pub fn range(&self, bias: u64) -> Range<u64> {
        self.start().wrapping_add(bias)..self.end().wrapping_add(bias)
    }
}

/// Reads the headers of an executable.
///
/// # Errors
/// What is wrong with it.
pub fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Elf, ElfError> {
    let magic: &[u8] = data.read_bytes_at(0, 20).map_err(|()| not_elf(data))?;
    let (class, order) = (magic[4], magic[5]);
    if !magic.starts_with(b"\x7fELF") {
        return Err(not_elf(data));
    }
    let machine = u16::from_le_bytes([magic[18], magic[19]]);
    if class != elf::ELFCLASS64.0 || order != elf::ELFDATA2LSB.0 || machine != elf::EM_X86_64.0 {
        return Err(ElfError::Machine { machine, class });
    }
    let header = elf::FileHeader64::<Endianness>::parse(data)
        .map_err(|_| ElfError::Malformed("its header is cut short"))?;
    let endian = Endianness::Little;
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err(ElfError::Type(kind.0));
    }
    let headers = header
        .program_headers(endian, data)
        .map_err(|_| ElfError::Malformed("its program headers lie outside the file"))?;
    if headers.is_empty() {
        return Err(ElfError::Malformed("it has no program headers"));
    }
    if headers.len() > MOST_HEADERS {
        return Err(ElfError::Malformed("it has too many program headers"));
    }
    let file_size = data
        .len()
        .map_err(|()| ElfError::Malformed("its size is unknown"))?;
    let mut parsed = Elf {
        segments: Vec::new(),
        entry: header.e_entry(endian),
        headers: 0,
        header_count: headers.len() as u16,
        relocatable: kind == elf::ET_DYN,
        executable_stack: false,
        alignment: PAGE_SIZE,
        interpreter: None,
        needs_objects: false,
    };
    let header_offset = header.e_phoff(endian);
    for program in headers {
        let kind = program.p_type(endian);
        if kind == elf::PT_LOAD {
            if program.p_memsz(endian) == 0 {
                continue;
            }
            let segment = segment(program, endian, file_size)?;
            let table = header_offset.wrapping_sub(segment.offset);
            if header_offset >= segment.offset && table < segment.file_size {
                parsed.headers = segment.address + table;
            }
            let alignment = program.p_align(endian);
            if alignment.is_power_of_two() && alignment <= 1 << 30 {
                parsed.alignment = parsed.alignment.max(alignment);
            }
            parsed.segments.push(segment);
        } else if kind == elf::PT_INTERP {
            parsed.interpreter = Some(interpreter(program, endian, data)?);
        } else if kind == elf::PT_DYNAMIC {
            let entries = program.dynamic(endian, data).unwrap_or_default();
            parsed.needs_objects = entries
                .unwrap_or_default()
                .iter()
                .any(|entry| entry.d_tag.get(endian) == elf::DT_NEEDED);
        } else if kind == elf::PT_GNU_STACK {
            parsed.executable_stack = program.p_flags(endian).0 & elf::PF_X.0 != 0;
        }
    }
    check_layout(&mut parsed)?;
    Ok(parsed)
}

/// As Linux has it: 2 to 4096 bytes with a terminator at their end.
fn interpreter<'data, R: ReadRef<'data>>(
    program: &elf::ProgramHeader64<Endianness>,
    endian: Endianness,
    data: R,
) -> Result<Vec<u8>, ElfError> {
    let size = program.p_filesz(endian);
    let name: &[u8] = program.data(endian, data).unwrap_or_default();
    match name.split_last() {
        Some((0, name)) if (2..=LONGEST_PATH).contains(&size) && !name.is_empty() => {
            let name = name.split(|&b| b == 0).next().unwrap_or_default();
            Ok(name.to_vec())
        }
        _ => Err(ElfError::Malformed(
            "the name of its interpreter is no path",
        )),
    }
}

fn not_elf<'data, R: ReadRef<'data>>(data: R) -> ElfError {
    ElfError::NotElf {
        script: data.read_bytes_at(0, 2) == Ok(b"#!"),
    }
}

fn segment(
    program: &elf::ProgramHeader64<Endianness>,
    endian: Endianness,
    file_size: u64,
) -> Result<Segment, ElfError> {
    let flags = program.p_flags(endian).0;
    let mut protection = 0;
    for (flag, right) in [
        (elf::PF_R.0, libc::PROT_READ),
        (elf::PF_W.0, libc::PROT_WRITE),
        (elf::PF_X.0, libc::PROT_EXEC),
    ] {
        if flags & flag != 0 {
            protection |= right;
        }
    }
    let segment = Segment {
        address: program.p_vaddr(endian),
        size: program.p_memsz(endian),
        offset: program.p_offset(endian),
        file_size: program.p_filesz(endian),
        protection,
    };
    if segment.file_size > segment.size {
        return Err(ElfError::Malformed(
            "a segment is larger in the file than in memory",
        ));
    }
    if segment
        .offset
        .checked_add(segment.file_size)
        .is_none_or(|end| end > file_size)
    {
        return Err(ElfError::Malformed("a segment lies outside the file"));
    }
    if segment.offset % PAGE_SIZE != segment.address % PAGE_SIZE {
        return Err(ElfError::Malformed(
            "a segment's address and offset disagree within the page",
        ));
    }
    if segment
        .address
        .checked_add(segment.size)
        .is_none_or(|end| end > layout::USER_END)
    {
        return Err(ElfError::Placement {
            start: segment.address,
            size: segment.size,
        });
    }
    Ok(segment)
}

fn check_layout(parsed: &mut Elf) -> Result<(), ElfError> {
    if parsed.segments.is_empty() {
        return Err(ElfError::Malformed("it has no loadable segment"));
    }
    parsed.segments.sort_by_key(|segment| segment.address);
    for pair in parsed.segments.windows(2) {
        if let [one, other] = pair {
            let end = (one.address + one.size).next_multiple_of(PAGE_SIZE);
            if end > other.address - other.address % PAGE_SIZE {
                return Err(ElfError::Malformed("two segments overlap or share a page"));
            }
        }
    }
    let (start, end) = (parsed.start(), parsed.end());
    if !parsed.relocatable && (start < PAGE_SIZE || !layout::is_application(start, end - start)) {
        return Err(ElfError::Placement {
            start,
            size: end - start,
        });
    }
    if parsed.relocatable && end - start > 1 << 40 {
        return Err(ElfError::Malformed("its segments span more than 1 TiB"));
    }
    Ok(())
}
