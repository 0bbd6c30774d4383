//! What `fork`, `vfork`, `clone` and `clone3` ask for.

/// Flags that give the child namespaces of its own.
pub const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Reset handlers in the child (Linux 5.5).
pub const CLEAR_SIGHAND: u64 = 1 << 32;

/// A new process or thread, as the program asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneRequest {
    /// `CLONE_*`
    pub flags: u64,
    /// The signal that tells the parent of its end; 0 for none.
    pub exit_signal: i32,
    /// Stack pointer of the child; 0 for the caller's own.
    pub stack: u64,
    /// Where `CLONE_PARENT_SETTID` stores the child's id.
    pub parent_tid: u64,
    /// Where `CLONE_CHILD_SETTID` stores it and `CLONE_CHILD_CLEARTID` clears it.
    pub child_tid: u64,
    /// Where `CLONE_PIDFD` stores the descriptor.
    pub pidfd: u64,
    /// FS base of the child, with `CLONE_SETTLS`.
    pub tls: u64,
}

impl CloneRequest {
    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}
