//! System calls served for a process whose memory is a plain buffer with holes.

mod arguments;
mod descriptors;
mod fuzz;
mod paths;
mod process;
mod seccomp;
mod signals;
mod sockets;
mod trace;
mod transfer;
