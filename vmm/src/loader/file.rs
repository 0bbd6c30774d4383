//! Opening program files.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a program's file for reading; never waits, whatever the path leads to.
///
/// # Errors
/// What the host says; EISDIR for a directory, EACCES for anything else that is no regular file.
pub fn open_program(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    check_regular(&file)?;
    Ok(file)
}

/// Whether an open file can be a program's.
///
/// # Errors
/// As [`open_program`].
pub fn check_regular(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(if metadata.is_dir() {
        libc::EISDIR
    } else {
        libc::EACCES
    }))
}

#[cfg(test)]
mod tests {
    use super::open_program;
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let pipe = folder.path().join("pipe");
        let name = CString::new(pipe.as_os_str().as_bytes()).expect("no zero byte");
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o700) }, 0);
        let error = |path| open_program(path).expect_err("no program").raw_os_error();
        assert_eq!(error(pipe.as_path()), Some(libc::EACCES));
        assert_eq!(error(folder.path()), Some(libc::EISDIR));
    }
}
