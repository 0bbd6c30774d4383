//! The program's descriptors: a table of its own, with the standard ones where they should lead.

use super::Error;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread::JoinHandle;

/// Where standard input, output and error of the program lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// To this process's own.
    #[default]
    Inherited,
    /// Input is empty; output and error come back in the outcome.
    Captured,
}

/// What the program's thread does to its descriptors before anything else.
pub(super) struct Plumbing {
    /// The three standard descriptors, unless inherited.
    standard: Option<[OwnedFd; 3]>,
    inherit: bool,
    /// A descriptor above the standard ones that stays in any case.
    keep: Option<RawFd>,
}

/// The other ends of captured descriptors.
pub(super) struct Capture {
    readers: Vec<JoinHandle<Vec<u8>>>,
}

fn failed(what: &'static str) -> Error {
    Error::Process {
        what,
        source: io::Error::last_os_error(),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(failed("cannot make a pipe"));
    }
    // SAFETY: both descriptors are fresh and ours.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Prepares both sides.
pub(super) fn plan(
    stdio: Stdio,
    inherit: bool,
    keep: Option<RawFd>,
) -> Result<(Plumbing, Capture), Error> {
    if stdio == Stdio::Inherited {
        return Ok((
            Plumbing {
                standard: None,
                inherit,
                keep,
            },
            Capture {
                readers: Vec::new(),
            },
        ));
    }
    let input = File::open("/dev/null").map_err(|source| Error::Process {
        what: "cannot open /dev/null",
        source,
    })?;
    let (out_read, out_write) = pipe()?;
    let (error_read, error_write) = pipe()?;
    let read_all = |end: OwnedFd| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A read error ends the capture; what was read so far counts.
            let _ = File::from(end).read_to_end(&mut bytes);
            bytes
        })
    };
    let readers = vec![read_all(out_read), read_all(error_read)];
    let standard = Some([input.into(), out_write, error_write]);
    Ok((
        Plumbing {
            standard,
            inherit,
            keep,
        },
        Capture { readers },
    ))
}

impl Plumbing {
    /// Gives the calling thread a descriptor table and working directory of its own.
    pub(super) fn apply(self) -> Result<(), Error> {
        let original: Option<[RawFd; 3]> = self
            .standard
            .as_ref()
            .map(|fds| [fds[0].as_raw_fd(), fds[1].as_raw_fd(), fds[2].as_raw_fd()]);
        // The process-wide table keeps the originals until here: the write ends must be closed in
        // it, or the readers would wait for ever. So: copy the table first, then close in both.
        let keeper = self.standard;
        let (ready, done) = std::sync::mpsc::channel::<()>();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let closer = std::thread::spawn(move || {
            let _ = wait.recv();
            drop(keeper);
            let _ = ready.send(());
        });
        // SAFETY: changes what this thread shares with others; no memory is involved.
        let unshared = unsafe { libc::unshare(libc::CLONE_FILES | libc::CLONE_FS) };
        let result = if unshared != 0 {
            Err(failed("cannot give the program descriptors of its own"))
        } else {
            Ok(())
        };
        let _ = go.send(());
        let _ = done.recv();
        let _ = closer.join();
        result?;
        if let Some(original) = original {
            for (target, source) in (0..).zip(original) {
                // SAFETY: both numbers are descriptors of this thread's own table.
                if unsafe { libc::dup2(source, target) } < 0 {
                    return Err(failed("cannot redirect a standard descriptor"));
                }
            }
            for source in original {
                if source > 2 {
                    // SAFETY: the copy in this thread's table; the original is closed already.
                    unsafe { libc::close(source) };
                }
            }
        }
        if !self.inherit {
            let keep = self.keep.and_then(|number| u32::try_from(number).ok());
            let (below, above) = keep.map_or((u32::MAX, None), |n| (n - 1, Some(n + 1)));
            // SAFETY: closes descriptors of this thread's own table.
            unsafe {
                libc::syscall(libc::SYS_close_range, 3, below, 0);
                if let Some(above) = above {
                    libc::syscall(libc::SYS_close_range, above, u32::MAX, 0);
                }
            }
        }
        Ok(())
    }
}

impl Capture {
    /// Waits for the program's end and returns what it wrote to standard output and error.
    pub(super) fn collect(self) -> (Vec<u8>, Vec<u8>) {
        let mut texts = self
            .readers
            .into_iter()
            .map(|reader| reader.join().unwrap_or_default());
        (
            texts.next().unwrap_or_default(),
            texts.next().unwrap_or_default(),
        )
    }
}
