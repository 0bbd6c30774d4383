//! Sockets.

use super::entry::{
    entries, fd, flags, inout, input_bytes, int, output, output_bytes, pointer, size, sized,
    sized_length, unsigned, Entry, Shape,
};
use super::vocabulary::{ACCEPT, DOMAIN, LEVEL, MESSAGE, SHUTDOWN, SOCKET};
use crate::syscalls::handlers::{batches, datagrams, messages, options};

/// The most that the kernel writes of an address: `struct sockaddr_storage`.
const STORAGE: usize = 128;

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand options::socket] socket SYS_socket
        (flags("family", &DOMAIN), flags("type", &SOCKET), int("protocol"));
    [by_hand options::socket] socketpair SYS_socketpair
        (flags("family", &DOMAIN), flags("type", &SOCKET), int("protocol"),
         output("usockvec", 8, Shape::Ints));
    [forward] bind SYS_bind (fd("fd"), input_bytes("umyaddr", 2, Shape::Sockaddr), int("addrlen"));
    [forward] connect SYS_connect
        (fd("fd"), input_bytes("uservaddr", 2, Shape::Sockaddr), int("addrlen"));
    [forward] listen SYS_listen (fd("fd"), int("backlog"));
    [forward] accept SYS_accept
        (fd("fd"), sized("upeer_sockaddr", 2, STORAGE, Shape::Sockaddr),
         sized_length("upeer_addrlen"));
    [forward] accept4 SYS_accept4
        (fd("fd"), sized("upeer_sockaddr", 2, STORAGE, Shape::Sockaddr),
         sized_length("upeer_addrlen"), flags("flags", &ACCEPT));
    [forward] getsockname SYS_getsockname
        (fd("fd"), sized("usockaddr", 2, STORAGE, Shape::Sockaddr),
         sized_length("usockaddr_len"));
    [forward] getpeername SYS_getpeername
        (fd("fd"), sized("usockaddr", 2, STORAGE, Shape::Sockaddr),
         sized_length("usockaddr_len"));
    [by_hand datagrams::sendto] sendto SYS_sendto
        (fd("fd"), input_bytes("buff", 2, Shape::Bytes), size("len"), flags("flags", &MESSAGE),
         input_bytes("addr", 5, Shape::Sockaddr), int("addr_len"));
    [by_hand datagrams::recvfrom] recvfrom SYS_recvfrom
        (fd("fd"), output_bytes("ubuf", 2, Shape::Bytes), size("size"), flags("flags", &MESSAGE),
         sized("addr", 5, STORAGE, Shape::Sockaddr), sized_length("addr_len"));
    [by_hand messages::sendmsg] sendmsg SYS_sendmsg
        (fd("fd"), pointer("msg", Shape::Message), flags("flags", &MESSAGE));
    [by_hand messages::recvmsg] recvmsg SYS_recvmsg
        (fd("fd"), pointer("msg", Shape::Message), flags("flags", &MESSAGE));
    [by_hand batches::sendmmsg] sendmmsg SYS_sendmmsg
        (fd("fd"), pointer("mmsg", Shape::Opaque), unsigned("vlen"), flags("flags", &MESSAGE));
    [by_hand batches::recvmmsg] recvmmsg SYS_recvmmsg
        (fd("fd"), pointer("mmsg", Shape::Opaque), unsigned("vlen"), flags("flags", &MESSAGE),
         inout("timeout", 16, Shape::Timespec));
    [forward] shutdown SYS_shutdown (fd("fd"), flags("how", &SHUTDOWN));
    [by_hand options::setsockopt] setsockopt SYS_setsockopt
        (fd("fd"), flags("level", &LEVEL), int("optname"), input_bytes("optval", 4, Shape::Bytes),
         int("optlen"));
    [by_hand options::getsockopt] getsockopt SYS_getsockopt
        (fd("fd"), flags("level", &LEVEL), int("optname"),
         sized("optval", 4, options::CAPACITY, Shape::Bytes), sized_length("optlen"));
};
