//! Programs that are scripts: their interpreter runs, as with `execve`.

use super::Sandbox;
use crate::exec::find::{self, Found};
use crate::exec::Request;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

impl Sandbox {
    /// What runs when `file` is the program's: if that is a script, its interpreter, with the
    /// arguments that go with it.
    pub(super) fn follow_script(&mut self, file: File) -> io::Result<File> {
        let mut start = [0; 2];
        if file.read_at(&mut start, 0)? < 2 || start != *b"#!" {
            return Ok(file);
        }
        let program = c_string(self.program.as_os_str())?;
        let mut arguments = vec![program.clone()];
        for argument in &self.arguments {
            arguments.push(c_string(argument)?);
        }
        let request = Request {
            directory: libc::AT_FDCWD,
            path: program.clone(),
            given: program,
            flags: 0,
            arguments,
            environment: Vec::new(),
        };
        match find::find(&request) {
            Ok(Found::Runnable { file, arguments }) => {
                let mut words = arguments
                    .into_iter()
                    .map(|word| OsString::from_vec(word.into_bytes()));
                self.argument_zero = words.next();
                self.arguments = words.collect();
                Ok(file)
            }
            Ok(Found::Foreign) => Err(io::Error::from_raw_os_error(libc::ENOEXEC)),
            Err(errno) => Err(io::Error::from_raw_os_error(errno.0)),
        }
    }
}
