//! Structures in memory, from their bytes.

use super::text::quoted;
use super::values::{address, octal, signal, words};
use crate::signals::mask::bit;
use crate::syscalls::state::SIGNALS;
use crate::syscalls::table::entry::Shape;
use crate::syscalls::table::vocabulary::{EPOLL_EVENTS, POLL_EVENTS};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes in one structure of a shape.
#[must_use]
pub const fn size(shape: Shape) -> u64 {
    match shape {
        Shape::Bytes | Shape::Opaque | Shape::DirectoryEntries => 1,
        Shape::Ints => 4,
        Shape::Longs | Shape::PollDescriptors | Shape::SignalSet => 8,
        Shape::EpollEvents => 12,
        Shape::Timespec | Shape::Timeval | Shape::Limit => 16,
        Shape::SignalAction | Shape::Timer => 32,
        Shape::Message => 56,
        Shape::Statfs => 120,
        Shape::Sockaddr => 128,
        Shape::Stat => 144,
        Shape::Statx => 256,
        Shape::Names => 390,
    }
}

/// What the bytes say; `None` if they are too few.
#[must_use]
pub fn render(shape: Shape, bytes: &[u8], more: bool) -> Option<String> {
    let item = size(shape) as usize;
    match shape {
        Shape::Ints => Some(list(bytes, item, more, |item| i32_at(item, 0).to_string())),
        Shape::Longs => Some(list(bytes, item, more, |item| {
            (u64_at(item, 0) as i64).to_string()
        })),
        Shape::PollDescriptors => Some(list(bytes, item, more, |item| {
            let events = words(u64::from(u16_at(item, 4)), &POLL_EVENTS);
            format!("{{fd={}, events={events}}}", i32_at(item, 0))
        })),
        Shape::EpollEvents => Some(list(bytes, item, more, event)),
        Shape::Timespec => Some(times(bytes, more, "tv_nsec")),
        Shape::Timeval => Some(times(bytes, more, "tv_usec")),
        Shape::Timer => (bytes.len() >= item).then(|| {
            let half = |place| times(part(bytes, place, 16), false, "tv_nsec");
            format!("{{it_interval={}, it_value={}}}", half(0), half(16))
        }),
        Shape::Limit => (bytes.len() >= item).then(|| {
            let (soft, hard) = (limit(u64_at(bytes, 0)), limit(u64_at(bytes, 8)));
            format!("{{rlim_cur={soft}, rlim_max={hard}}}")
        }),
        Shape::SignalSet => (bytes.len() >= item).then(|| set(u64_at(bytes, 0))),
        Shape::SignalAction => (bytes.len() >= item).then(|| action(bytes)),
        Shape::Stat => (bytes.len() >= item)
            .then(|| stat(u32_at(bytes, 24), u64_at(bytes, 40), u64_at(bytes, 48))),
        Shape::Statx => (bytes.len() >= item).then(|| {
            let device = u64::from(u32_at(bytes, 128)) << 8 | u64::from(u32_at(bytes, 132));
            let text = stat(u32::from(u16_at(bytes, 28)), device, u64_at(bytes, 40));
            text.replace("st_", "stx_")
        }),
        Shape::Statfs => (bytes.len() >= item).then(|| {
            format!(
                "{{f_type={:#x}, f_bsize={}, f_blocks={}, f_bfree={}, f_bavail={}, ...}}",
                u64_at(bytes, 0),
                u64_at(bytes, 8),
                u64_at(bytes, 16),
                u64_at(bytes, 24),
                u64_at(bytes, 32)
            )
        }),
        Shape::Names => (bytes.len() >= item).then(|| {
            let name = |place: usize| quoted(until_zero(part(bytes, place * 65, 65)), false);
            format!(
                "{{sysname={}, nodename={}, release={}, ...}}",
                name(0),
                name(1),
                name(2)
            )
        }),
        Shape::Sockaddr => socket_address(bytes),
        Shape::DirectoryEntries => Some(entries(bytes)),
        Shape::Bytes | Shape::Opaque | Shape::Message => None,
    }
}

/// 64 bits at a place; 0 past the end.
#[must_use]
pub fn u64_at(bytes: &[u8], place: usize) -> u64 {
    part(bytes, place, 8)
        .try_into()
        .map_or(0, u64::from_le_bytes)
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    part(bytes, place, 4)
        .try_into()
        .map_or(0, u32::from_le_bytes)
}

fn i32_at(bytes: &[u8], place: usize) -> i32 {
    u32_at(bytes, place) as i32
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    part(bytes, place, 2)
        .try_into()
        .map_or(0, u16::from_le_bytes)
}

fn part(bytes: &[u8], place: usize, length: usize) -> &[u8] {
    bytes.get(place..place + length).unwrap_or_default()
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn list(bytes: &[u8], item: usize, more: bool, render: impl Fn(&[u8]) -> String) -> String {
    let items: Vec<String> = bytes.chunks_exact(item).map(render).collect();
    format!("[{}{}]", items.join(", "), if more { ", ..." } else { "" })
}

/// One `struct epoll_event`.
#[must_use]
pub fn event(item: &[u8]) -> String {
    let events = words(u64::from(u32_at(item, 0)), &EPOLL_EVENTS);
    let data = u64_at(item, 4);
    format!(
        "{{events={events}, data={{u32={}, u64={data}}}}}",
        data as u32
    )
}

/// What `poll` found: the items whose events it filled.
#[must_use]
pub fn found(bytes: &[u8]) -> String {
    let items: Vec<String> = bytes
        .chunks_exact(8)
        .filter(|item| u16_at(item, 6) != 0)
        .map(|item| {
            let events = words(u64::from(u16_at(item, 6)), &POLL_EVENTS);
            format!("{{fd={}, revents={events}}}", i32_at(item, 0))
        })
        .collect();
    format!("[{}]", items.join(", "))
}

fn times(bytes: &[u8], more: bool, fraction: &str) -> String {
    let time = |item: &[u8]| {
        format!(
            "{{tv_sec={}, {fraction}={}}}",
            u64_at(item, 0) as i64,
            u64_at(item, 8) as i64
        )
    };
    match bytes.len() {
        16 => time(bytes),
        _ => list(bytes, 16, more, time),
    }
}

fn limit(value: u64) -> String {
    match value {
        u64::MAX => "RLIM64_INFINITY".to_owned(),
        _ if value > 1024 && value % 1024 == 0 => format!("{}*1024", value / 1024),
        _ => value.to_string(),
    }
}

/// A set of signals; one that lacks few is printed as what it lacks.
fn set(mask: u64) -> String {
    let names = |mask: u64| {
        let names: Vec<String> = (1..=SIGNALS)
            .filter(|number| mask & bit(*number) != 0)
            .map(|number| signal(number).trim_start_matches("SIG").to_owned())
            .collect();
        names.join(" ")
    };
    if mask.count_ones() > SIGNALS as u32 * 2 / 3 {
        return format!("~[{}]", names(!mask));
    }
    format!("[{}]", names(mask))
}

fn action(bytes: &[u8]) -> String {
    let handler = match u64_at(bytes, 0) {
        0 => "SIG_DFL".to_owned(),
        1 => "SIG_IGN".to_owned(),
        at => format!("{at:#x}"),
    };
    let (flags, restorer) = (u64_at(bytes, 8), u64_at(bytes, 16));
    let mask = set(u64_at(bytes, 24));
    let known = [
        (libc::SA_NOCLDSTOP as u64, "SA_NOCLDSTOP"),
        (libc::SA_NOCLDWAIT as u64, "SA_NOCLDWAIT"),
        (libc::SA_SIGINFO as u64, "SA_SIGINFO"),
        (0x0400_0000, "SA_RESTORER"),
        (libc::SA_ONSTACK as u64, "SA_ONSTACK"),
        (libc::SA_RESTART as u64, "SA_RESTART"),
        (libc::SA_NODEFER as u64, "SA_NODEFER"),
        (libc::SA_RESETHAND as u64 & 0xffff_ffff, "SA_RESETHAND"),
    ];
    let names: Vec<_> = known
        .iter()
        .filter(|(bits, _)| flags & bits != 0)
        .map(|(_, n)| *n)
        .collect();
    let names = if names.is_empty() {
        "0".to_owned()
    } else {
        names.join("|")
    };
    let tail = if flags & 0x0400_0000 == 0 {
        String::new()
    } else {
        format!(", sa_restorer={}", address(restorer))
    };
    format!("{{sa_handler={handler}, sa_mask={mask}, sa_flags={names}{tail}}}")
}

fn stat(mode: u32, device: u64, size: u64) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFREG => "S_IFREG",
        libc::S_IFDIR => "S_IFDIR",
        libc::S_IFLNK => "S_IFLNK",
        libc::S_IFCHR => "S_IFCHR",
        libc::S_IFBLK => "S_IFBLK",
        libc::S_IFIFO => "S_IFIFO",
        libc::S_IFSOCK => "S_IFSOCK",
        _ => "0",
    };
    let mode = octal(mode & !libc::S_IFMT);
    match kind {
        "S_IFCHR" | "S_IFBLK" => {
            let (major, minor) = (libc::major(device), libc::minor(device));
            format!("{{st_mode={kind}|{mode}, st_rdev=makedev({major:#x}, {minor:#x}), ...}}")
        }
        _ => format!("{{st_mode={kind}|{mode}, st_size={size}, ...}}"),
    }
}

fn socket_address(bytes: &[u8]) -> Option<String> {
    if bytes.len() < 2 {
        return None;
    }
    let port = u16_at(bytes, 2).swap_bytes();
    Some(match i32::from(u16_at(bytes, 0)) {
        libc::AF_UNIX => {
            let path = bytes.get(2..).unwrap_or_default();
            match path.first() {
                None => "{sa_family=AF_UNIX}".to_owned(),
                Some(0) => {
                    let name = quoted(path.get(1..).unwrap_or_default(), false);
                    format!("{{sa_family=AF_UNIX, sun_path=@{name}}}")
                }
                Some(_) => {
                    format!(
                        "{{sa_family=AF_UNIX, sun_path={}}}",
                        quoted(until_zero(path), false)
                    )
                }
            }
        }
        libc::AF_INET if bytes.len() >= 8 => {
            let host = Ipv4Addr::from(u32_at(bytes, 4).swap_bytes());
            format!("{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"{host}\")}}")
        }
        libc::AF_INET6 if bytes.len() >= 24 => {
            let host = <[u8; 16]>::try_from(part(bytes, 8, 16))
                .map(Ipv6Addr::from)
                .ok()?;
            format!(
                "{{sa_family=AF_INET6, sin6_port=htons({port}), \
                 inet_pton(AF_INET6, \"{host}\", &sin6_addr), ...}}"
            )
        }
        libc::AF_NETLINK if bytes.len() >= 12 => {
            let (process, groups) = (u32_at(bytes, 4), u32_at(bytes, 8));
            format!("{{sa_family=AF_NETLINK, nl_pid={process}, nl_groups={groups:#010x}}}")
        }
        family => {
            let data = quoted(bytes.get(2..).unwrap_or_default(), false);
            format!("{{sa_family={family:#x}, sa_data={data}}}")
        }
    })
}

fn entries(bytes: &[u8]) -> String {
    let mut count = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 16));
        if length == 0 {
            break;
        }
        count += 1;
        rest = rest.get(length..).unwrap_or_default();
    }
    format!("/* {count} entries */")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_limits_and_numbers() {
        let mut bytes = [0u8; 16];
        bytes[0] = 1;
        bytes[8] = 5;
        assert_eq!(times(&bytes, false, "tv_nsec"), "{tv_sec=1, tv_nsec=5}");
        assert_eq!(
            render(Shape::Ints, &bytes[..8], false).as_deref(),
            Some("[1, 0]")
        );
        assert_eq!(limit(8 << 20), "8192*1024");
        assert_eq!(limit(u64::MAX), "RLIM64_INFINITY");
    }

    #[test]
    fn sets_of_signals() {
        assert_eq!(set(0), "[]");
        assert_eq!(set(bit(libc::SIGINT) | bit(libc::SIGTERM)), "[INT TERM]");
        assert_eq!(set(!bit(libc::SIGKILL)), "~[KILL]");
    }

    #[test]
    fn addresses_of_sockets() {
        let inet = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let text = "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}";
        assert_eq!(socket_address(&inet).as_deref(), Some(text));
        let text = "{sa_family=AF_UNIX, sun_path=\"/x\"}";
        assert_eq!(socket_address(b"\x01\0/x\0").as_deref(), Some(text));
        assert_eq!(socket_address(&[1]), None);
    }

    #[test]
    fn short_bytes_give_nothing() {
        for shape in [
            Shape::Stat,
            Shape::Statx,
            Shape::Names,
            Shape::Limit,
            Shape::SignalAction,
        ] {
            assert_eq!(render(shape, &[0; 7], false), None);
        }
    }
}
