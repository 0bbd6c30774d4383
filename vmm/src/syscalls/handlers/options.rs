//! Sockets and their options: families and options whose data hold pointers are refused, for the
//! kernel would follow them in the VMM's memory.

use super::messages::socket_first;
use crate::syscalls::call::{Call, Stop};
use crate::syscalls::engine::forward;

/// The most that an option's value may be long.
pub const CAPACITY: usize = 64 << 10;

/// Families whose options or messages hold addresses: RDS, InfiniBand, XDP.
const FAMILIES: [i32; 3] = [21, 27, 44];

/// `socket`, `socketpair`
///
/// # Errors
/// EAFNOSUPPORT for families whose data hold pointers.
pub fn socket(call: &mut Call<'_>) -> Result<i64, Stop> {
    if FAMILIES.contains(&call.int(0)) {
        return Err(Stop::Errno(libc::EAFNOSUPPORT));
    }
    forward(call)
}

/// `setsockopt`
///
/// # Errors
/// ENOPROTOOPT for options whose data hold pointers.
pub fn setsockopt(call: &mut Call<'_>) -> Result<i64, Stop> {
    admit(call)?;
    forward(call)
}

/// `getsockopt`
///
/// # Errors
/// ENOPROTOOPT for options whose data hold pointers.
pub fn getsockopt(call: &mut Call<'_>) -> Result<i64, Stop> {
    admit(call)?;
    forward(call)
}

fn admit(call: &Call<'_>) -> Result<(), Stop> {
    let (level, name) = (call.int(1), call.int(2));
    let plain = match level {
        // Filters are lists behind a pointer, and the length of one read back counts instructions.
        libc::SOL_SOCKET => !matches!(
            name,
            libc::SO_ATTACH_FILTER | libc::SO_ATTACH_REUSEPORT_CBPF
        ),
        libc::IPPROTO_TCP => name != TCP_ZEROCOPY_RECEIVE,
        // From 64 on the options are the packet filter's, but for the address before translation;
        // of IPv6 only some are.
        libc::IPPROTO_IP => name < 64 || name == SO_ORIGINAL_DST,
        libc::IPPROTO_IPV6 => !matches!(name, 64 | 65 | 68 | 69) && name < 100,
        libc::SOL_PACKET => name != PACKET_FANOUT_DATA,
        libc::IPPROTO_UDP
        | libc::IPPROTO_UDPLITE
        | libc::IPPROTO_ICMPV6
        | libc::IPPROTO_RAW
        | libc::SOL_NETLINK
        | libc::SOL_ALG
        | SOL_TLS => true,
        _ => false,
    };
    if plain {
        return Ok(());
    }
    Err(socket_first(call, Stop::Errno(libc::ENOPROTOOPT)))
}

const TCP_ZEROCOPY_RECEIVE: i32 = 35;
const SO_ORIGINAL_DST: i32 = 80;
const PACKET_FANOUT_DATA: i32 = 22;
const SOL_TLS: i32 = 282;
