//! The guest runtime's image, as the build script made it.

use dangless_core::abi::layout;

/// One loadable segment.
pub struct Segment {
    /// Where it runs.
    pub address: u64,
    /// Its bytes, relocated for that address.
    pub bytes: &'static [u8],
    /// Bytes in memory; those past `bytes` are zero.
    pub size: u64,
    /// Whether it is written.
    pub write: bool,
    /// Whether it is executed.
    pub execute: bool,
}

include!(concat!(env!("OUT_DIR"), "/runtime.rs"));

const _: () = assert!(
    layout::RUNTIME_IMAGE == 96 << 40,
    "build.rs relocates for this address"
);
