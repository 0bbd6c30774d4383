//! Messages with everything they lead to.

use crate::process::{revoked, Fake, BASE, PAGE};
use std::os::fd::AsRawFd;

/// A process with a pair of connected sockets.
fn pair(kind: i32) -> (Fake, u64, u64) {
    let mut fake = Fake::new(200);
    fake.map_scattered(BASE, 8);
    assert_eq!(
        fake.call(
            libc::SYS_socketpair,
            &[libc::AF_UNIX as u64, kind as u64, 0, BASE]
        ),
        0
    );
    let ends = fake.get_word(BASE);
    (fake, ends & 0xffff_ffff, ends >> 32)
}

fn close(mut fake: Fake, ends: &[u64]) {
    for end in ends {
        assert_eq!(fake.call(libc::SYS_close, &[*end]), 0);
    }
}

#[test]
fn messages_travel_in_pieces() {
    let (mut fake, left, right) = pair(libc::SOCK_DGRAM);
    fake.put(BASE + PAGE - 3, b"message");
    fake.put_words(BASE, &[BASE + PAGE - 3, 3, BASE + PAGE, 4]);
    let header = BASE + 3 * PAGE - 20;
    fake.put_words(header, &[0, 0, BASE, 2, 0, 0, 0]);
    assert_eq!(fake.call(libc::SYS_sendmsg, &[left, header, 0]), 7);
    fake.put_words(BASE, &[BASE + 4 * PAGE - 2, 50]);
    fake.put_words(header, &[BASE + 512, 100, BASE, 1, 0, 0, 77]);
    assert_eq!(fake.call(libc::SYS_recvmsg, &[right, header, 0]), 7);
    assert_eq!(fake.get(BASE + 4 * PAGE - 2, 7), b"message");
    assert_eq!(fake.get_word(header + 48) as u32, 0);
    close(fake, &[left, right]);
}

#[test]
fn large_datagrams_keep_their_bounds() {
    let (mut fake, left, right) = pair(libc::SOCK_DGRAM);
    fake.map_scattered(BASE + (1 << 20), 30);
    let at = BASE + (1 << 20) + 10;
    let length = 100_000;
    fake.put(at + length - 4, b"last");
    assert_eq!(
        fake.call(libc::SYS_sendto, &[left, at, length, 0, 0, 0]),
        length as i64
    );
    fake.put(at + length - 4, b"gone");
    let receive = [right, at, length + 1000, 0, 0, 0];
    assert_eq!(fake.call(libc::SYS_recvfrom, &receive), length as i64);
    assert_eq!(fake.get(at + length - 4, 4), b"last");
    close(fake, &[left, right]);
}

#[test]
fn addresses_come_back() {
    let mut fake = Fake::new(200);
    fake.map_scattered(BASE, 40);
    let socket = [libc::AF_INET as u64, libc::SOCK_DGRAM as u64, 0];
    let (one, two) = (
        fake.call(libc::SYS_socket, &socket) as u64,
        fake.call(libc::SYS_socket, &socket) as u64,
    );
    let at = BASE + PAGE - 5;
    let address = |fake: &Fake| {
        fake.put(at, &[2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        fake.put(BASE, &16u32.to_le_bytes());
    };
    for fd in [one, two] {
        address(&fake);
        assert_eq!(fake.call(libc::SYS_bind, &[fd, at, 16]), 0);
    }
    assert_eq!(fake.call(libc::SYS_getsockname, &[two, at, BASE]), 0);
    let port = fake.get(at + 2, 2);
    let payload = BASE + 2 * PAGE;
    // In one piece, and in many.
    for length in [10, 30_000 / 2, 60_000] {
        fake.put(at, &[2, 0, port[0], port[1], 127, 0, 0, 1]);
        let sent = fake.call(libc::SYS_sendto, &[one, payload, length, 0, at, 16]);
        assert_eq!(sent, length as i64);
        fake.put(at, &[0; 16]);
        fake.put(BASE, &16u32.to_le_bytes());
        let received = fake.call(libc::SYS_recvfrom, &[two, payload + 7, 65_000, 0, at, BASE]);
        assert_eq!(received, length as i64);
        assert_eq!(fake.get(at, 2), [2, 0]);
        assert_eq!(fake.get(at + 4, 4), [127, 0, 0, 1]);
        assert_eq!(fake.get(BASE, 4), 16u32.to_le_bytes());
    }
    close(fake, &[one, two]);
}

#[test]
fn descriptors_travel_but_not_the_vmms() {
    let (mut fake, left, right) = pair(libc::SOCK_STREAM);
    let file = tempfile::tempfile().unwrap();
    let control = BASE + 2 * PAGE - 10;
    let rights = libc::SOL_SOCKET as u64 | (libc::SCM_RIGHTS as u64) << 32;
    fake.put_words(control, &[20, rights, file.as_raw_fd() as u64]);
    fake.put_words(BASE, &[BASE + 100, 1]);
    let header = BASE + 512;
    fake.put_words(header, &[0, 0, BASE, 1, control, 24, 0]);
    fake.hidden.insert(file.as_raw_fd());
    assert_eq!(
        fake.error(libc::SYS_sendmsg, &[left, header, 0]),
        libc::EBADF
    );
    fake.hidden.clear();
    assert_eq!(fake.call(libc::SYS_sendmsg, &[left, header, 0]), 1);
    fake.put(control, &[0; 24]);
    assert_eq!(fake.call(libc::SYS_recvmsg, &[right, header, 0]), 1);
    assert_eq!(fake.get_word(control), 20);
    let received = fake.get_word(control + 16) & 0xffff_ffff;
    assert_ne!(received, file.as_raw_fd() as u64);
    close(fake, &[left, right, received]);
}

#[test]
fn freed_memory_in_a_message_is_a_report() {
    let (mut fake, left, right) = pair(libc::SOCK_DGRAM);
    let freed = BASE + 7 * PAGE;
    fake.free(freed);
    let header = BASE + 512;
    fake.put_words(BASE, &[BASE + 100, 1]);
    let cases: [[u64; 7]; 4] = [
        [freed, 10, BASE, 1, 0, 0, 0],
        [0, 0, freed, 1, 0, 0, 0],
        [0, 0, BASE, 1, freed, 24, 0],
        [0, 0, BASE + 16, 1, 0, 0, 0],
    ];
    fake.put_words(BASE + 16, &[freed, 4]);
    for case in cases {
        fake.put_words(header, &case);
        let report = revoked("sendmsg", 2, "msg", freed);
        assert_eq!(fake.outcome(libc::SYS_sendmsg, &[left, header, 0]), report);
    }
    let report = revoked("sendmsg", 2, "msg", freed);
    assert_eq!(fake.outcome(libc::SYS_sendmsg, &[left, freed, 0]), report);
    let report = revoked("sendto", 2, "buff", freed);
    assert_eq!(
        fake.outcome(libc::SYS_sendto, &[left, freed, 1, 0, 0, 0]),
        report
    );
    let report = revoked("connect", 2, "uservaddr", freed);
    assert_eq!(fake.outcome(libc::SYS_connect, &[left, freed, 16]), report);
    close(fake, &[left, right]);
}

#[test]
fn batches_move_message_by_message() {
    let (mut fake, left, right) = pair(libc::SOCK_DGRAM);
    let items = BASE + PAGE - 100;
    for place in 0..3 {
        fake.put(BASE + 2048 + place * 8, format!("part{place}").as_bytes());
        fake.put_words(BASE + place * 16, &[BASE + 2048 + place * 8, 5]);
        fake.put_words(
            items + place * 64,
            &[0, 0, BASE + place * 16, 1, 0, 0, 0, 0],
        );
    }
    assert_eq!(fake.call(libc::SYS_sendmmsg, &[left, items, 3, 0]), 3);
    assert_eq!(fake.get_word(items + 64 + 56) as u32, 5);
    fake.put(BASE + 2048, &[0; 24]);
    let flags = libc::MSG_DONTWAIT as u64;
    assert_eq!(
        fake.call(libc::SYS_recvmmsg, &[right, items, 8, flags, 0]),
        3
    );
    assert_eq!(fake.get(BASE + 2048 + 16, 5), b"part2");
    assert_eq!(
        fake.error(libc::SYS_recvmmsg, &[right, items, 8, flags, 0]),
        libc::EAGAIN
    );
    close(fake, &[left, right]);
}

#[test]
fn options_with_pointers_inside_are_refused() {
    let (mut fake, left, right) = pair(libc::SOCK_STREAM);
    let socket = libc::SOL_SOCKET as u64;
    fake.put_words(BASE, &[0, 4]);
    let get = [left, socket, libc::SO_TYPE as u64, BASE, BASE + 8];
    assert_eq!(fake.call(libc::SYS_getsockopt, &get), 0);
    assert_eq!(fake.get_word(BASE) as i32, libc::SOCK_STREAM);
    let filter = [left, socket, libc::SO_ATTACH_FILTER as u64, BASE, 16];
    assert_eq!(fake.error(libc::SYS_setsockopt, &filter), libc::ENOPROTOOPT);
    assert_eq!(fake.error(libc::SYS_getsockopt, &filter), libc::ENOPROTOOPT);
    let zero_copy = [left, libc::IPPROTO_TCP as u64, 35, BASE, BASE + 8];
    assert_eq!(
        fake.error(libc::SYS_getsockopt, &zero_copy),
        libc::ENOPROTOOPT
    );
    assert_eq!(
        fake.error(libc::SYS_socket, &[21, 5, 0]),
        libc::EAFNOSUPPORT
    );
    close(fake, &[left, right]);
}

#[test]
fn a_message_in_too_many_pieces_is_not_cut() {
    for (kind, is_cut) in [(libc::SOCK_DGRAM, false), (libc::SOCK_STREAM, true)] {
        let mut fake = Fake::new(2300);
        let pages = 1100;
        fake.map_scattered(BASE, pages);
        let pair = [
            libc::AF_UNIX as u64,
            (kind | libc::SOCK_NONBLOCK) as u64,
            0,
            BASE,
        ];
        assert_eq!(fake.call(libc::SYS_socketpair, &pair), 0);
        let ends = fake.get_word(BASE);
        let (left, right) = (ends & 0xffff_ffff, ends >> 32);
        let send = [left, BASE, pages * PAGE, 0, 0, 0];
        if is_cut {
            assert!(fake.call(libc::SYS_sendto, &send) > 0);
        } else {
            assert_eq!(fake.error(libc::SYS_sendto, &send), libc::EMSGSIZE);
        }
        close(fake, &[left, right]);
    }
}
