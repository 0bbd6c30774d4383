//! One system call as the table describes it: number, arguments, and how it is served.
//!
//! Everything else reads these descriptions: the engine stages and collects memory by them, the
//! tracer prints by them, the coverage page lists them, and a test holds them against the
//! declarations in the kernel's headers.

use crate::syscalls::call::{Call, Stop};
use crate::syscalls::table::vocabulary::Vocabulary;

/// Serves a call by hand.
pub type Handler = fn(&mut Call<'_>) -> Result<i64, Stop>;

/// One system call.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its x86-64 number.
    pub number: i64,
    /// Its name, as the kernel has it.
    pub name: &'static str,
    /// Its arguments, in order, at most six.
    pub arguments: &'static [Argument],
    /// How it is served.
    pub service: Service,
}

/// How a call is served.
#[derive(Clone, Copy)]
pub enum Service {
    /// By the host kernel, its pointers translated as the arguments say.
    Forward,
    /// By a handler.
    ByHand(Handler),
    /// Not at all.
    Refuse {
        /// The error that the program sees.
        errno: i32,
        /// Why, for the coverage page.
        reason: &'static str,
    },
}

/// One argument.
#[derive(Clone, Copy)]
pub struct Argument {
    /// Its name, as reports print it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What an argument is. Values pass through; everything else is translated.
#[derive(Clone, Copy)]
pub enum Kind {
    /// 32 bits, signed.
    Int,
    /// 32 bits, unsigned.
    Unsigned,
    /// 64 bits, signed.
    Long,
    /// 64 bits, unsigned.
    Size,
    /// 64 bits, printed in hexadecimal: an address that the kernel does not read through, or a
    /// word whose meaning another argument decides.
    Address,
    /// File permissions.
    Mode,
    /// A signal number.
    Signal,
    /// 32 bits made of named values.
    Flags(&'static Vocabulary),
    /// 64 bits made of named values.
    WideFlags(&'static Vocabulary),
    /// A file descriptor; the VMM's own are EBADF.
    Descriptor,
    /// A file descriptor or `AT_FDCWD`.
    Directory,
    /// A path.
    Path(Follow),
    /// A string that is not a path.
    Text,
    /// A block of memory.
    Memory(Block),
    /// `struct iovec[]`; the count is in the argument of this index.
    Vector {
        /// Which way the buffers' bytes go.
        direction: Direction,
        /// Index of the count.
        count: usize,
    },
    /// Memory that the kernel fills, whose size stands in an `int` that another argument points
    /// to (`getsockname`, `getsockopt`).
    Sized {
        /// Index of the pointer to the size.
        length: usize,
        /// The most that the kernel ever fills.
        capacity: usize,
        /// How to print it.
        shape: Shape,
    },
    /// The `int` that holds the size of a [`Kind::Sized`].
    SizedLength,
    /// `fd_set` of as many descriptors as the first argument says.
    DescriptorSet,
    /// A signal mask for the duration of the call; its size is in the argument of this index.
    SignalMask {
        /// Index of the size.
        size: usize,
    },
    /// `pselect6`'s pointer to a mask and its size.
    SignalMaskPair,
    /// A pointer that the handler follows on its own.
    Pointer(Shape),
}

/// When the last component of a path is followed if it is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Always.
    Always,
    /// Never: the call is about the name.
    Never,
    /// Unless the argument of this index has `AT_SYMLINK_NOFOLLOW`.
    Unless(usize),
}

/// A block of the program's memory that a call reads or writes.
#[derive(Clone, Copy)]
pub struct Block {
    /// Which way its bytes go.
    pub direction: Direction,
    /// How long it is.
    pub extent: Extent,
    /// How much of it the kernel wrote.
    pub filled: Filled,
    /// How to print it.
    pub shape: Shape,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the program to the kernel.
    In,
    /// From the kernel to the program.
    Out,
    /// Both.
    InOut,
}

/// How long a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Always this long.
    Fixed(u32),
    /// As the argument of this index says.
    Bytes(usize),
    /// So many items as the argument of this index says.
    Items {
        /// Index of the count.
        count: usize,
        /// Bytes in an item.
        size: u32,
    },
    /// As the `u32` at the block's start says, this much if that is 0.
    Inner(u32),
}

/// How much of a block the kernel wrote, once it succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// All of it.
    Whole,
    /// So many bytes as the call returned.
    Result,
    /// So many items of this size as the call returned.
    ResultItems(u32),
    /// All of it, but only when the call was interrupted.
    WhenInterrupted,
}

/// How the tracer prints a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text or data, quoted.
    Bytes,
    /// By its address.
    Opaque,
    /// `int[]`
    Ints,
    /// `u64[]`
    Longs,
    /// `struct stat`
    Stat,
    /// `struct statx`
    Statx,
    /// `struct statfs`
    Statfs,
    /// `struct timespec[]`
    Timespec,
    /// `struct timeval[]`
    Timeval,
    /// `struct itimerspec`
    Timer,
    /// `struct rlimit`
    Limit,
    /// `struct utsname`
    Names,
    /// `struct sockaddr`
    Sockaddr,
    /// `struct epoll_event[]`
    EpollEvents,
    /// `struct pollfd[]`
    PollDescriptors,
    /// `sigset_t`
    SignalSet,
    /// `struct sigaction`
    SignalAction,
    /// `struct msghdr`
    Message,
    /// `struct linux_dirent64[]`
    DirectoryEntries,
}

impl Kind {
    /// Whether the kernel takes a pointer to the program's memory here.
    #[must_use]
    pub const fn is_pointer(&self) -> bool {
        !matches!(
            self,
            Self::Int
                | Self::Unsigned
                | Self::Long
                | Self::Size
                | Self::Address
                | Self::Mode
                | Self::Signal
                | Self::Flags(_)
                | Self::WideFlags(_)
                | Self::Descriptor
                | Self::Directory
        )
    }

    /// Whether the kernel looks at the low 32 bits only.
    #[must_use]
    pub const fn is_narrow(&self) -> bool {
        matches!(
            self,
            Self::Int
                | Self::Unsigned
                | Self::Mode
                | Self::Signal
                | Self::Flags(_)
                | Self::Descriptor
                | Self::Directory
        )
    }

    /// Which way the bytes behind the pointer go; `None` for values and handlers' pointers.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        match self {
            Self::Path(_) | Self::Text | Self::SignalMask { .. } | Self::SignalMaskPair => {
                Some(Direction::In)
            }
            Self::Memory(block) => Some(block.direction),
            Self::Vector { direction, .. } => Some(*direction),
            Self::Sized { .. } => Some(Direction::Out),
            Self::SizedLength | Self::DescriptorSet => Some(Direction::InOut),
            _ => None,
        }
    }
}

macro_rules! values { ($($(#[$doc:meta])* $function:ident $kind:ident;)*) => { $(
    $(#[$doc])*
    #[must_use]
    pub const fn $function(name: &'static str) -> Argument {
        Argument { name, kind: Kind::$kind }
    }
)* } }

values! {
    /// A signed 32-bit value.
    int Int;
    /// An unsigned 32-bit value.
    unsigned Unsigned;
    /// A signed 64-bit value.
    long Long;
    /// An unsigned 64-bit value.
    size Size;
    /// An address or an untyped word.
    address Address;
    /// File permissions.
    mode Mode;
    /// A signal number.
    signal Signal;
    /// A file descriptor.
    fd Descriptor;
    /// A file descriptor or `AT_FDCWD`.
    dirfd Directory;
    /// A string that is not a path.
    text Text;
    /// The size of a [`Kind::Sized`].
    sized_length SizedLength;
    /// An `fd_set`.
    descriptor_set DescriptorSet;
    /// `pselect6`'s mask.
    mask_pair SignalMaskPair;
}

/// 32 bits of named values.
#[must_use]
pub const fn flags(name: &'static str, vocabulary: &'static Vocabulary) -> Argument {
    Argument {
        name,
        kind: Kind::Flags(vocabulary),
    }
}

/// 64 bits of named values.
#[must_use]
pub const fn wide_flags(name: &'static str, vocabulary: &'static Vocabulary) -> Argument {
    Argument {
        name,
        kind: Kind::WideFlags(vocabulary),
    }
}

/// A path whose last component is followed.
#[must_use]
pub const fn path(name: &'static str) -> Argument {
    Argument {
        name,
        kind: Kind::Path(Follow::Always),
    }
}

/// A path that names a directory entry.
#[must_use]
pub const fn link(name: &'static str) -> Argument {
    Argument {
        name,
        kind: Kind::Path(Follow::Never),
    }
}

/// A path that is followed unless the flags in `argument` say otherwise.
#[must_use]
pub const fn path_unless(name: &'static str, argument: usize) -> Argument {
    Argument {
        name,
        kind: Kind::Path(Follow::Unless(argument)),
    }
}

const fn block(
    name: &'static str,
    direction: Direction,
    extent: Extent,
    filled: Filled,
    shape: Shape,
) -> Argument {
    Argument {
        name,
        kind: Kind::Memory(Block {
            direction,
            extent,
            filled,
            shape,
        }),
    }
}

/// A structure that the kernel reads.
#[must_use]
pub const fn input(name: &'static str, bytes: u32, shape: Shape) -> Argument {
    block(
        name,
        Direction::In,
        Extent::Fixed(bytes),
        Filled::Whole,
        shape,
    )
}

/// A structure that the kernel writes.
#[must_use]
pub const fn output(name: &'static str, bytes: u32, shape: Shape) -> Argument {
    block(
        name,
        Direction::Out,
        Extent::Fixed(bytes),
        Filled::Whole,
        shape,
    )
}

/// A structure that the kernel reads and writes.
#[must_use]
pub const fn inout(name: &'static str, bytes: u32, shape: Shape) -> Argument {
    block(
        name,
        Direction::InOut,
        Extent::Fixed(bytes),
        Filled::Whole,
        shape,
    )
}

/// Time left, written when the call is interrupted.
#[must_use]
pub const fn remainder(name: &'static str, bytes: u32, shape: Shape) -> Argument {
    block(
        name,
        Direction::Out,
        Extent::Fixed(bytes),
        Filled::WhenInterrupted,
        shape,
    )
}

/// Bytes that the kernel reads, their number in the argument of index `length`.
#[must_use]
pub const fn input_bytes(name: &'static str, length: usize, shape: Shape) -> Argument {
    block(
        name,
        Direction::In,
        Extent::Bytes(length),
        Filled::Whole,
        shape,
    )
}

/// A buffer that the kernel fills up to the length it returns.
#[must_use]
pub const fn output_bytes(name: &'static str, length: usize, shape: Shape) -> Argument {
    block(
        name,
        Direction::Out,
        Extent::Bytes(length),
        Filled::Result,
        shape,
    )
}

/// A structure that the kernel writes, its size in the argument of index `length`.
#[must_use]
pub const fn output_whole(name: &'static str, length: usize, shape: Shape) -> Argument {
    block(
        name,
        Direction::Out,
        Extent::Bytes(length),
        Filled::Whole,
        shape,
    )
}

/// An array that the kernel reads, its number of items in the argument of index `count`.
#[must_use]
pub const fn input_items(name: &'static str, count: usize, bytes: u32, shape: Shape) -> Argument {
    block(
        name,
        Direction::In,
        Extent::Items { count, size: bytes },
        Filled::Whole,
        shape,
    )
}

/// An array that the kernel fills up to the number of items it returns.
#[must_use]
pub const fn output_items(name: &'static str, count: usize, bytes: u32, shape: Shape) -> Argument {
    let filled = Filled::ResultItems(bytes);
    block(
        name,
        Direction::Out,
        Extent::Items { count, size: bytes },
        filled,
        shape,
    )
}

/// A structure that the kernel reads, whose first word is its size, `least` if that is 0.
#[must_use]
pub const fn input_versioned(name: &'static str, least: u32) -> Argument {
    block(
        name,
        Direction::In,
        Extent::Inner(least),
        Filled::Whole,
        Shape::Opaque,
    )
}

/// Buffers that the kernel reads.
#[must_use]
pub const fn input_vector(name: &'static str, count: usize) -> Argument {
    Argument {
        name,
        kind: Kind::Vector {
            direction: Direction::In,
            count,
        },
    }
}

/// Buffers that the kernel fills.
#[must_use]
pub const fn output_vector(name: &'static str, count: usize) -> Argument {
    Argument {
        name,
        kind: Kind::Vector {
            direction: Direction::Out,
            count,
        },
    }
}

/// Memory that the kernel fills, its size behind the pointer of index `length`.
#[must_use]
pub const fn sized(name: &'static str, length: usize, capacity: usize, shape: Shape) -> Argument {
    Argument {
        name,
        kind: Kind::Sized {
            length,
            capacity,
            shape,
        },
    }
}

/// A signal mask, its size in the argument of index `size`.
#[must_use]
pub const fn mask(name: &'static str, size: usize) -> Argument {
    Argument {
        name,
        kind: Kind::SignalMask { size },
    }
}

/// A pointer that the handler follows.
#[must_use]
pub const fn pointer(name: &'static str, shape: Shape) -> Argument {
    Argument {
        name,
        kind: Kind::Pointer(shape),
    }
}

/// The numbers of the calls.
pub(in crate::syscalls) mod numbers {
    pub use libc::*;

    /// libc has no name for it.
    #[allow(non_upper_case_globals)]
    pub const SYS_io_pgetevents: c_long = 333;
}

/// Writes entries of the table: `forward`, `by_hand HANDLER` and `refuse ERRNO REASON`, each
/// followed by the call's name and its arguments.
macro_rules! entries {
    (@service forward) => { $crate::syscalls::table::entry::Service::Forward };
    (@service by_hand $handler:path) => {
        $crate::syscalls::table::entry::Service::ByHand($handler)
    };
    (@service refuse $errno:ident $reason:literal) => {
        $crate::syscalls::table::entry::Service::Refuse { errno: libc::$errno, reason: $reason }
    };
    ($( [$($service:tt)+] $name:ident $number:ident ($($argument:expr),* $(,)?); )*) => {
        &[ $( $crate::syscalls::table::entry::Entry {
            number: $crate::syscalls::table::entry::numbers::$number,
            name: stringify!($name),
            arguments: &[$($argument),*],
            service: entries!(@service $($service)+),
        } ),* ]
    };
}
pub(in crate::syscalls) use entries;
