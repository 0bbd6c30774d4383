//! `execve`: another program takes the place of this one.
//!
//! The VMM replaces itself, and is started again with the program as its argument, so that the new
//! program runs in a machine of its own and the host's kernel does the rest of what `execve` does:
//! descriptors, signals, identity, waking the parent of a `vfork`. What can fail is found out
//! before, with Linux's error numbers; the last word has the host's own `execve`.
//!
//! | room | holds |
//! | --- | --- |
//! | [`script`] | the first line of a script |
//! | [`find`] | from a path to the file that runs |
//! | [`launch`] | how the VMM starts itself again |

pub mod find;
pub mod launch;
pub mod script;

pub use launch::{Launcher, Prepared};

use std::ffi::CString;

/// What becomes of programs that the program wants to be replaced by.
#[derive(Clone, Debug, Default)]
pub enum Policy {
    /// `execve` is EPERM.
    #[default]
    Refuse,
    /// The host runs them, outside of any machine.
    Native,
    /// They run as this program does, by this command; what it cannot run, the host does.
    Follow(Launcher),
}

/// Arguments of `execve`, read from the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where a relative path starts: a descriptor or `AT_FDCWD`.
    pub directory: i32,
    /// The path on the host; may be empty with `AT_EMPTY_PATH`.
    pub path: CString,
    /// The path as the program has it.
    pub given: CString,
    /// `AT_*`
    pub flags: i32,
    /// The new program's arguments, its name first.
    pub arguments: Vec<CString>,
    /// Its environment.
    pub environment: Vec<CString>,
}

impl Request {
    /// The name that Linux gives the program: the path, or one by way of the descriptor.
    #[must_use]
    pub fn name(&self) -> CString {
        let path = self.given.to_bytes();
        if self.directory == libc::AT_FDCWD || path.first() == Some(&b'/') {
            return self.given.clone();
        }
        let mut name = format!("/dev/fd/{}", self.directory).into_bytes();
        if !path.is_empty() {
            name.push(b'/');
            name.extend_from_slice(path);
        }
        // Neither part holds a NUL byte.
        CString::new(name).unwrap_or_default()
    }
}
