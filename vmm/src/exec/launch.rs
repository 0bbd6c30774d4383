//! How the VMM starts itself again with another program.
//!
//! The command line is the one it was started with, up to the program: every option stays in
//! force. What the options have done once (working directory, environment) is not done again, which
//! the hidden option `--exec-base` says. The new program's environment is the VMM's own, as a
//! whole and in its order; only what would change how the VMM itself is loaded travels in
//! disguise.

use super::Request;
use crate::descriptor;
use crate::process::Errno;
use crate::seccomp::Filter;
use crate::syscalls::state::Limits;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// What hides a variable from the C library and the dynamic linker of the VMM.
const DISGUISE: &[u8] = b"DANGLESS_EXEC_";
/// How the names of such variables begin.
const HIDDEN: [&[u8]; 5] = [b"LD_", b"GLIBC_", b"MALLOC_", b"RUST_", DISGUISE];

/// The command that runs the programs that a program becomes.
#[derive(Clone, Debug)]
pub struct Launcher {
    command: Arc<OwnedFd>,
    /// Its name, and its options.
    words: Vec<CString>,
}

fn text(words: &OsStr) -> CString {
    // Words of a command line hold no NUL byte.
    CString::new(words.as_bytes()).unwrap_or_default()
}

/// A duplicate of `descriptor` that stays open on exec, with a number out of the program's way.
fn keep(descriptor: RawFd, kept: &mut Vec<RawFd>) -> Result<RawFd, Errno> {
    let low = descriptor::lowest_hidden();
    // SAFETY: duplicates a descriptor; no memory is involved.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD, low) };
    if copy < 0 {
        return Err(Errno(libc::EMFILE));
    }
    kept.push(copy);
    Ok(copy)
}

impl Launcher {
    /// The command at `path` with these options. Relative paths among them are taken from `base`,
    /// the current directory at the time the options were first read.
    ///
    /// # Errors
    /// When the command cannot be opened.
    pub fn new(path: &Path, options: &[OsString], base: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path)?;
        let mut words = vec![c"dangless-vmm".to_owned()];
        words.extend(options.iter().map(|option| text(option)));
        words.extend([c"--exec-base".to_owned(), text(base.as_os_str())]);
        Ok(Self {
            command: Arc::new(descriptor::hide(file.as_raw_fd())?),
            words,
        })
    }

    /// The descriptor that the program must not see.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.command.as_raw_fd()
    }

    /// What replaces this process by this command with `program`, under these limits and filters.
    /// `host` are the descriptors of what is known of the host, and of KVM.
    ///
    /// # Errors
    /// EMFILE.
    pub fn prepare(
        &self,
        request: Request,
        program: File,
        arguments: Vec<CString>,
        limits: &Limits,
        filters: &[Filter],
        host: Option<[RawFd; 2]>,
    ) -> Result<Prepared, Errno> {
        let mut kept = Vec::new();
        // The new process finds the program by this descriptor, so that it runs the file that was
        // looked at, under whatever name.
        let file = keep(program.as_raw_fd(), &mut kept)?;
        let mut words = self.words.clone();
        words.push(c"--exec-fd".to_owned());
        words.push(text(OsStr::new(&file.to_string())));
        if let Some([facts, kvm]) = host {
            // Where there is no room the next start opens KVM itself.
            if let (Ok(facts), Ok(kvm)) = (keep(facts, &mut kept), keep(kvm, &mut kept)) {
                words.push(c"--exec-host".to_owned());
                words.push(text(OsStr::new(&format!("{facts}:{kvm}"))));
            }
        }
        for (resource, [soft, hard]) in limits {
            words.push(c"--exec-limit".to_owned());
            words.push(text(OsStr::new(&format!("{resource}:{soft}:{hard}"))));
        }
        for filter in filters {
            words.push(c"--exec-filter".to_owned());
            words.push(text(OsStr::new(&filter.to_text())));
        }
        let mut rest = arguments.into_iter();
        let zero = rest.next().unwrap_or_default();
        words.push(text(OsStr::from_bytes(
            &[b"--argv0=", zero.to_bytes()].concat(),
        )));
        words.push(c"--".to_owned());
        words.push(request.name());
        words.extend(rest);
        Ok(Prepared {
            directory: self.command.as_raw_fd(),
            path: CString::default(),
            arguments: words,
            environment: request.environment.into_iter().map(disguise).collect(),
            flags: libc::AT_EMPTY_PATH,
            kept,
            pointers: (Vec::new(), Vec::new()),
        })
    }
}

/// All that the host's `execveat` needs. Nothing of it is a descriptor that closes when it is
/// dropped: the child of a `vfork` leaves it to its parent, in whose memory it lies.
#[derive(Debug)]
pub struct Prepared {
    directory: RawFd,
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    flags: i32,
    /// The descriptors that the new process takes over.
    kept: Vec<RawFd>,
    pointers: (Vec<usize>, Vec<usize>),
}

impl Prepared {
    /// What replaces this process as `request` says, by the host alone.
    #[must_use]
    pub fn native(request: Request) -> Self {
        Self {
            directory: request.directory,
            path: request.path,
            arguments: request.arguments,
            environment: request.environment,
            flags: request.flags,
            kept: Vec::new(),
            pointers: (Vec::new(), Vec::new()),
        }
    }

    /// Whether the new program runs in a machine too.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Closes the descriptors that the new process was to take over.
    pub fn close(&mut self) {
        for kept in self.kept.drain(..) {
            // SAFETY: a duplicate that `prepare` made.
            unsafe { libc::close(kept) };
        }
    }

    /// Replaces this process; comes back only if that failed.
    #[must_use]
    pub fn go(&mut self) -> Errno {
        let list = |texts: &[CString]| {
            let mut list: Vec<usize> = texts.iter().map(|text| text.as_ptr() as usize).collect();
            list.push(0);
            list
        };
        self.pointers = (list(&self.arguments), list(&self.environment));
        // SAFETY: all strings end with NUL and both lists with a null pointer, and they live for
        // the call.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.directory,
                self.path.as_ptr(),
                self.pointers.0.as_ptr(),
                self.pointers.1.as_ptr(),
                self.flags,
            )
        };
        let failed = io::Error::last_os_error();
        self.close();
        Errno(failed.raw_os_error().unwrap_or(libc::EIO))
    }
}

fn disguise(variable: CString) -> CString {
    let bytes = variable.to_bytes();
    if !HIDDEN.iter().any(|prefix| bytes.starts_with(prefix)) {
        return variable;
    }
    CString::new([DISGUISE, bytes].concat()).unwrap_or_default()
}

/// The environment that a program was given by [`Launcher::start`], from this process's.
#[must_use]
pub fn undisguise(environment: Vec<OsString>) -> Vec<OsString> {
    environment
        .into_iter()
        .map(|variable| {
            let bytes = variable.into_vec();
            match bytes.strip_prefix(DISGUISE) {
                Some(real) => OsString::from_vec(real.to_vec()),
                None => OsString::from_vec(bytes),
            }
        })
        .collect()
}

/// This process's environment as it is: in order, with duplicates and entries without a name.
#[must_use]
pub fn own_environment() -> Vec<OsString> {
    extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut list = Vec::new();
    // SAFETY: the C library keeps a list that ends with a null pointer, or none.
    let mut at = unsafe { environ };
    while !at.is_null() {
        // SAFETY: `at` is inside the list, at most at its end.
        let entry = unsafe { *at };
        if entry.is_null() {
            break;
        }
        // SAFETY: entries of the list are C strings.
        let entry = unsafe { CStr::from_ptr(entry) };
        list.push(OsStr::from_bytes(entry.to_bytes()).to_owned());
        // SAFETY: the entry was not the list's end.
        at = unsafe { at.add(1) };
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_back_as_it_was() {
        let all = [
            c"A=1",
            c"LD_PRELOAD=x.so",
            c"DANGLESS_EXEC_LD_X=2",
            c"A=2",
            c"nonsense",
            c"",
            c"=",
            c"MALLOC_ARENA_MAX=1",
        ];
        let disguised: Vec<OsString> = all
            .iter()
            .map(|one| OsString::from_vec(disguise((*one).to_owned()).into_bytes()))
            .collect();
        for one in &disguised {
            assert!(!one.as_bytes().starts_with(b"LD_"));
            assert!(!one.as_bytes().starts_with(b"MALLOC_"));
        }
        let back: Vec<Vec<u8>> = undisguise(disguised)
            .into_iter()
            .map(OsString::into_vec)
            .collect();
        let wanted: Vec<Vec<u8>> = all.iter().map(|one| one.to_bytes().to_vec()).collect();
        assert_eq!(back, wanted);
    }
}
