//! The program's memory as system-call handlers and reports see it.
//!
//! [`UserMemory`] is the only way from a guest pointer to bytes. An implementation translates page
//! by page, checks access rights, and hands out host memory that stays valid for the borrow of
//! `&self`; it never trusts an address or a length. Nothing here may panic, whatever the guest
//! passes. Tests and fuzzers implement the trait over a plain buffer.

use dangless_core::address::GuestVirtual;
use std::ffi::CString;

/// What the caller wants to do with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write it.
    Write,
}

/// Why a guest pointer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is mapped there, or not with that access: `EFAULT`.
    #[error("no memory at {0}")]
    Unmapped(GuestVirtual),
    /// The address lies in a freed heap object: a report.
    #[error("freed memory at {0}")]
    Revoked(GuestVirtual),
}

/// Host memory behind a contiguous piece of guest memory.
#[derive(Clone, Copy, Debug)]
pub struct HostSlice {
    /// First byte in this process.
    pub pointer: *mut u8,
    /// Bytes.
    pub length: usize,
    /// Whether touching it may raise SIGBUS (a file mapping whose file shrank): only system calls
    /// may touch it then.
    pub may_fault: bool,
}

/// Plain data that may be read from and written to guest memory byte by byte.
///
/// # Safety
/// Every bit pattern is a valid value, and the type has no padding.
pub unsafe trait Plain: Copy {}

macro_rules! plain { ($($t:ty),*) => { $(
    // SAFETY: integers and arrays of them have no padding and accept every bit pattern.
    unsafe impl Plain for $t {}
)* } }
plain!(
    u8, i8, u16, i16, u32, i32, u64, i64, [u64; 2], [i64; 2], [u32; 2], [i32; 2], [u64; 3],
    [u64; 4]
);

/// The program's memory.
pub trait UserMemory {
    /// The host memory behind `[at, at + length)`, in order; an empty list for a length of 0.
    ///
    /// # Errors
    /// The first address that cannot be used that way.
    fn slices(
        &self,
        at: GuestVirtual,
        length: u64,
        access: Access,
    ) -> Result<Vec<HostSlice>, Fault>;

    /// Fills `into` from guest memory at `at`.
    ///
    /// # Errors
    /// As [`UserMemory::slices`]; `into` is partly written then.
    fn read(&self, at: GuestVirtual, into: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0usize;
        for slice in self.slices(at, into.len() as u64, Access::Read)? {
            let Some(part) = into.get_mut(done..done + slice.length) else {
                return Err(Fault::Unmapped(at));
            };
            copy(slice, part.as_mut_ptr(), Access::Read)
                .map_err(|()| Fault::Unmapped(at.add(done as u64)))?;
            done += slice.length;
        }
        Ok(())
    }

    /// Writes `from` to guest memory at `at`.
    ///
    /// # Errors
    /// As [`UserMemory::slices`]; nothing is written unless all of it is writable.
    fn write(&self, at: GuestVirtual, from: &[u8]) -> Result<(), Fault> {
        let mut done = 0usize;
        for slice in self.slices(at, from.len() as u64, Access::Write)? {
            let Some(part) = from.get(done..done + slice.length) else {
                return Err(Fault::Unmapped(at));
            };
            copy(slice, part.as_ptr().cast_mut(), Access::Write)
                .map_err(|()| Fault::Unmapped(at.add(done as u64)))?;
            done += slice.length;
        }
        Ok(())
    }

    /// Reads one NUL-terminated string of at most `limit` bytes; `None` if it is longer.
    ///
    /// # Errors
    /// As [`UserMemory::slices`], for the pages up to the terminator only.
    fn read_c_string(&self, at: GuestVirtual, limit: usize) -> Result<Option<CString>, Fault> {
        let mut bytes = Vec::new();
        let mut cursor = at;
        let mut page = [0u8; 4096];
        while bytes.len() < limit {
            let here = (4096 - cursor.offset_in(4096)) as usize;
            let here = here.min(limit - bytes.len());
            self.read(cursor, &mut page[..here])?;
            if let Some(end) = page[..here].iter().position(|&b| b == 0) {
                bytes.extend_from_slice(&page[..end]);
                return Ok(CString::new(bytes).ok());
            }
            bytes.extend_from_slice(&page[..here]);
            cursor = cursor.add(here as u64);
        }
        Ok(None)
    }
}

/// Reads one value of plain data.
///
/// # Errors
/// As [`UserMemory::slices`].
pub fn read_value<T: Plain>(memory: &dyn UserMemory, at: GuestVirtual) -> Result<T, Fault> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the slice covers exactly the zeroed value; `Plain` promises no padding.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), std::mem::size_of::<T>())
    };
    memory.read(at, bytes)?;
    // SAFETY: `Plain` promises that every bit pattern is a valid value.
    Ok(unsafe { value.assume_init() })
}

/// Writes one value of plain data.
///
/// # Errors
/// As [`UserMemory::slices`].
pub fn write_value<T: Plain>(
    memory: &dyn UserMemory,
    at: GuestVirtual,
    value: &T,
) -> Result<(), Fault> {
    // SAFETY: the slice covers exactly the value; `Plain` promises no padding.
    let bytes = unsafe {
        std::slice::from_raw_parts(
            std::ptr::from_ref(value).cast::<u8>(),
            std::mem::size_of::<T>(),
        )
    };
    memory.write(at, bytes)
}

/// Copies `from` to the host slice, which is as long; `None` when the memory behind the slice has gone (its file shrank), or the lengths differ.
pub fn copy_in(slice: HostSlice, from: &[u8]) -> Option<()> {
    if from.len() != slice.length {
        return None;
    }
    copy(slice, from.as_ptr().cast_mut(), Access::Write).ok()
}

/// Copies from the host slice to `to`, which is as long; `None` as for [`copy_in`].
pub fn copy_out(slice: HostSlice, to: &mut [u8]) -> Option<()> {
    if to.len() != slice.length {
        return None;
    }
    copy(slice, to.as_mut_ptr(), Access::Read).ok()
}

/// Copies between a host slice and a buffer of the same length; `Access` as seen from the slice.
fn copy(slice: HostSlice, buffer: *mut u8, access: Access) -> Result<(), ()> {
    if slice.may_fault {
        let near = libc::iovec {
            iov_base: buffer.cast(),
            iov_len: slice.length,
        };
        let far = libc::iovec {
            iov_base: slice.pointer.cast(),
            iov_len: slice.length,
        };
        // SAFETY: the kernel checks both ranges; `buffer` spans `slice.length` bytes by the
        // caller's slicing.
        let moved = unsafe {
            let own = libc::getpid();
            match access {
                Access::Read => libc::process_vm_readv(own, &near, 1, &far, 1, 0),
                Access::Write => libc::process_vm_writev(own, &near, 1, &far, 1, 0),
            }
        };
        return if moved == slice.length as isize {
            Ok(())
        } else {
            Err(())
        };
    }
    // SAFETY: the slice is host memory valid for `length` bytes (trait contract), the buffer spans
    // as many, and they do not overlap: guest memory never backs the VMM's own buffers.
    unsafe {
        match access {
            Access::Read => std::ptr::copy_nonoverlapping(slice.pointer, buffer, slice.length),
            Access::Write => std::ptr::copy_nonoverlapping(buffer, slice.pointer, slice.length),
        }
    }
    Ok(())
}
