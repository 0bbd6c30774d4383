//! Lookups of addresses. Debug information and symbol tables are parsed when first needed.

use std::cell::OnceCell;

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian};
use object::{CompressionFormat, Object, ObjectSection, ObjectSegment};

use super::frame::Frame;
use super::linkage::Linkage;
use super::module::Module;
use super::name;
use super::table::Table;

/// Most functions shown for one address, however deep the inlining claims to be.
const MOST_INLINED: usize = 32;
/// Bytes of `call rel32`.
const CALL_LENGTH: u64 = 5;
/// Bytes of `call [rip + rel32]`.
const INDIRECT_LENGTH: u64 = 6;
/// Bytes of a stub of the procedure linkage table.
const STUB: u64 = 16;
/// First byte of `call rel32`.
const CALL: u8 = 0xe8;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Looks up addresses in the modules of a guest.
pub struct Resolver<'a> {
    modules: Vec<(&'a Module, OnceCell<Parsed<'a>>)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(modules: &'a [Module]) -> Self {
        Self {
            modules: modules
                .iter()
                .map(|module| (module, OnceCell::new()))
                .collect(),
        }
    }

    /// The functions at `pc`, inlined ones first; at least one frame, which may have no name.
    ///
    /// For a return address pass the address one byte before: that is inside the call.
    #[must_use]
    pub fn resolve(&self, pc: u64) -> Vec<Frame> {
        let Some((module, parsed)) = self.find(pc) else {
            return vec![Frame {
                pc,
                ..Frame::default()
            }];
        };
        let offset = pc.wrapping_sub(module.bias);
        let place = Frame {
            pc,
            module: Some(name::path(&module.path)),
            offset: Some(offset),
            ..Frame::default()
        };
        let symbol = || parsed.function(offset).map(name::readable);
        let mut frames = parsed.frames(offset, &place);
        match frames.last_mut() {
            None => frames.push(Frame {
                function: symbol(),
                ..place
            }),
            Some(outermost) if outermost.function.is_none() => outermost.function = symbol(),
            Some(_) => {}
        }
        frames
    }

    /// The function that the call before `return_address` calls, if that call names it.
    #[must_use]
    pub fn called(&self, return_address: u64) -> Option<Vec<Frame>> {
        if let Some(name) = self.called_indirectly(return_address) {
            return Some(vec![Frame {
                function: Some(name::readable(name)),
                ..Frame::default()
            }]);
        }
        let frames = self.resolve(self.callee(return_address)?);
        let is_named = frames.iter().any(|frame| frame.function.is_some());
        is_named.then_some(frames)
    }

    /// The address that the call before `return_address` goes to, if that call holds it.
    #[must_use]
    pub fn callee(&self, return_address: u64) -> Option<u64> {
        let call = return_address.checked_sub(CALL_LENGTH)?;
        let (module, parsed) = self.find(call)?;
        let bytes = parsed.code(call.wrapping_sub(module.bias), CALL_LENGTH)?;
        let [CALL, distance @ ..] = bytes else {
            return None;
        };
        let distance = i32::from_le_bytes(distance.try_into().ok()?);
        Some(return_address.wrapping_add_signed(distance.into()))
    }

    /// The function that is called through the global offset table.
    fn called_indirectly(&self, return_address: u64) -> Option<&'a str> {
        let call = return_address.checked_sub(INDIRECT_LENGTH)?;
        let (module, parsed) = self.find(call)?;
        let offset = call.wrapping_sub(module.bias);
        let code = parsed.code(offset, INDIRECT_LENGTH)?;
        parsed.linkage.call(offset, code)
    }

    /// The module that holds `pc`, parsed.
    fn find(&self, pc: u64) -> Option<(&'a Module, &Parsed<'a>)> {
        let (module, parsed) = self
            .modules
            .iter()
            .rev()
            .find(|(module, _)| module.range.contains(&pc))?;
        let parsed = parsed
            .get_or_init(|| Parsed::of((*module.image).as_ref(), || (*module.debug).as_ref()));
        Some((module, parsed))
    }
}

/// What a module's file tells.
#[derive(Default)]
struct Parsed<'a> {
    file: Option<object::File<'a>>,
    table: Table<'a>,
    linkage: Linkage<'a>,
    debug: Option<Context<Reader<'a>>>,
}

impl<'a> Parsed<'a> {
    fn of(image: &'a [u8], separate: impl FnOnce() -> &'a [u8]) -> Self {
        let Ok(file) = object::File::parse(image) else {
            return Self::default();
        };
        let has_lines = file.section_by_name(".debug_info").is_some();
        let separate = if has_lines { &[] } else { separate() };
        let separate = object::File::parse(separate).ok();
        let described: Vec<&object::File<'a>> = [&file].into_iter().chain(&separate).collect();
        Self {
            table: Table::of(&described),
            linkage: Linkage::of(&file),
            debug: debug(separate.as_ref().unwrap_or(&file)),
            file: Some(file),
        }
    }

    /// The name of the function that holds `offset`, or that a stub there leads to.
    fn function(&self, offset: u64) -> Option<&'a str> {
        let stub = || self.linkage.stub(offset, self.code(offset, STUB)?);
        stub().or_else(|| self.table.find(offset))
    }

    /// Frames that the debug information knows at `offset`; none if it knows nothing.
    fn frames(&self, offset: u64, place: &Frame) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Some(mut found) = self
            .debug
            .as_ref()
            .and_then(|debug| debug.find_frames(offset).skip_all_loads().ok())
        else {
            return frames;
        };
        while let Ok(Some(frame)) = found.next() {
            let function = frame
                .function
                .as_ref()
                .and_then(|function| function.raw_name().ok())
                .map(|raw| name::readable(&raw));
            let location = frame.location.as_ref();
            let positive = |number: Option<u32>| number.filter(|&number| number > 0);
            frames.push(Frame {
                function,
                file: location.and_then(|location| location.file).map(name::path),
                line: positive(location.and_then(|location| location.line)),
                column: positive(location.and_then(|location| location.column)),
                inlined: true,
                ..place.clone()
            });
            if frames.len() >= MOST_INLINED {
                break;
            }
        }
        if let Some(outermost) = frames.last_mut() {
            outermost.inlined = false;
        }
        frames
    }

    /// `length` bytes of the file's code at `offset`.
    fn code(&self, offset: u64, length: u64) -> Option<&'a [u8]> {
        self.file
            .as_ref()?
            .segments()
            .find_map(|segment| segment.data_range(offset, length).ok().flatten())
    }
}

/// The debug information of `file`, if it has any that can be read.
fn debug<'a>(file: &object::File<'a>) -> Option<Context<Reader<'a>>> {
    let load = |section: gimli::SectionId| {
        let data = file
            .section_by_name(section.name())
            .and_then(|section| section.compressed_data().ok())
            .filter(|contents| contents.format == CompressionFormat::None)
            .map_or(&[][..], |contents| contents.data);
        Ok::<_, gimli::Error>(EndianSlice::new(data, LittleEndian))
    };
    let dwarf = Dwarf::load(load).ok()?;
    Context::from_dwarf(dwarf).ok()
}
