//! Mapping an executable into the address space, as the kernel's loader does.
//!
//! Segments are private mappings of the file, so start-up reads only what is used; the tail of a
//! data segment's last page is zeroed and the rest of it is anonymous. An *island* page is kept
//! beside the image for the jumps that lead to the runtime.

use super::elf::{Elf, Segment};
use crate::memory::space::Space;
use crate::memory::user::UserMemory;
use crate::process::Errno;
use dangless_core::abi::layout;
use dangless_core::address::{GuestVirtual, PAGE_SIZE};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Why an image could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A mapping failed.
    #[error("cannot map its segment at {at:#x}: {}", std::io::Error::from_raw_os_error(.errno.0))]
    Map {
        /// Address of the segment.
        at: u64,
        /// What the host said.
        errno: Errno,
    },
    /// Nowhere to put it.
    #[error("no room for its image of {0} bytes")]
    Room(u64),
}

/// A mapped image.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Added to every address of the file.
    pub bias: u64,
    /// First address past the image: where the program break starts.
    pub end: u64,
    /// A free page within reach of a near jump, if there is one.
    pub island: Option<u64>,
}

/// Maps `elf`, read from `file`; `slide` (in pages) moves a relocatable image.
///
/// # Errors
/// When a segment cannot be mapped.
pub fn map(space: &Space, file: &File, elf: &Elf, slide: u64) -> Result<Image, ImageError> {
    let size = elf.end() - elf.start();
    let bias = if elf.relocatable {
        let base = (0x5555_5555_4000u64 + slide * PAGE_SIZE).next_multiple_of(elf.alignment);
        if !layout::is_application(base, size + PAGE_SIZE) {
            return Err(ImageError::Room(size));
        }
        base.wrapping_sub(elf.start())
    } else {
        0
    };
    map_at(space, file, elf, bias)
}

/// Maps the dynamic linker `elf`, read from `file`, where `mmap` would put it.
///
/// # Errors
/// When a segment cannot be mapped.
pub fn map_interpreter(space: &Space, file: &File, elf: &Elf) -> Result<Image, ImageError> {
    let size = elf.end() - elf.start();
    let bias = if elf.relocatable {
        let room = size + elf.alignment;
        let found = space.find_free(0, room, 0).ok_or(ImageError::Room(size))?;
        // As high as it can be: what is left lies below.
        let base = (found + room - size) & !(elf.alignment - 1);
        base.wrapping_sub(elf.start())
    } else {
        0
    };
    let range = elf.start().wrapping_add(bias)..elf.end().wrapping_add(bias);
    if space.is_occupied(&range) {
        return Err(ImageError::Room(size));
    }
    map_at(space, file, elf, bias)
}

fn map_at(space: &Space, file: &File, elf: &Elf, bias: u64) -> Result<Image, ImageError> {
    for segment in &elf.segments {
        map_segment(space, file, segment, bias)?;
    }
    let start = elf.start().wrapping_add(bias);
    let end = elf.end().wrapping_add(bias);
    // Below the image by preference: above it, the page would push the program break up.
    let below = start.checked_sub(PAGE_SIZE).filter(|&at| at >= 0x1_0000);
    let (island, heap) = match below {
        Some(at) if !space.is_occupied(&(at..at + PAGE_SIZE)) => (Some(at), end),
        _ if layout::is_application(end, PAGE_SIZE) => (Some(end), end + PAGE_SIZE),
        _ => (None, end),
    };
    Ok(Image {
        bias,
        end: heap,
        island,
    })
}

fn map_segment(space: &Space, file: &File, segment: &Segment, bias: u64) -> Result<(), ImageError> {
    let address = segment.address.wrapping_add(bias);
    let failed = |errno| ImageError::Map { at: address, errno };
    let lead = address % PAGE_SIZE;
    let start = address - lead;
    let file_end = address + segment.file_size;
    let end = (address + segment.size).next_multiple_of(PAGE_SIZE);
    let mapped = if segment.file_size == 0 {
        start
    } else {
        file_end.next_multiple_of(PAGE_SIZE)
    };
    if mapped > start {
        space
            .map_host(
                start..mapped,
                segment.protection,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                segment.offset - lead,
            )
            .map_err(failed)?;
    }
    if mapped > file_end && segment.size > segment.file_size && segment.file_size > 0 {
        let zeroes = vec![0u8; (mapped - file_end) as usize];
        space
            .write(GuestVirtual(file_end), &zeroes)
            .map_err(|_| failed(Errno(libc::EFAULT)))?;
    }
    if end > mapped {
        space
            .map_anonymous(mapped..end, segment.protection, true)
            .map_err(|_| failed(Errno(libc::ENOMEM)))?;
    }
    Ok(())
}
