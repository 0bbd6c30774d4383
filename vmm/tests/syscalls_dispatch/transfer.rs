//! Bytes between descriptors and memory: contiguous, in pieces, with holes, freed.

use crate::process::{revoked, Fake, BASE, PAGE};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| (place % 251) as u8 ^ (place / 4096) as u8)
        .collect()
}

#[test]
fn contiguous_memory_is_read_and_written() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 2);
    let mut file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    fake.put(BASE + 4000, &pattern(1000));
    assert_eq!(fake.call(libc::SYS_write, &[fd, BASE + 4000, 1000]), 1000);
    file.rewind().unwrap();
    let mut written = Vec::new();
    file.read_to_end(&mut written).unwrap();
    assert_eq!(written, pattern(1000));
    assert_eq!(fake.call(libc::SYS_pread64, &[fd, BASE, 500, 100]), 500);
    assert_eq!(fake.get(BASE, 500), pattern(1000)[100..600]);
}

#[test]
fn memory_in_pieces_moves_whole() {
    // Small enough to be copied, and large enough to be passed in pieces.
    for pages in [2, 40] {
        let mut fake = Fake::new(200);
        fake.map_scattered(BASE, pages);
        fake.map_scattered(BASE + (1 << 20), pages);
        let length = (pages * PAGE) as usize - 10;
        let mut file = tempfile::tempfile().unwrap();
        let fd = file.as_raw_fd() as u64;
        fake.put(BASE + 5, &pattern(length));
        assert_eq!(
            fake.call(libc::SYS_write, &[fd, BASE + 5, length as u64]),
            length as i64
        );
        file.rewind().unwrap();
        let to = BASE + (1 << 20) + 3;
        assert_eq!(
            fake.call(libc::SYS_read, &[fd, to, length as u64]),
            length as i64
        );
        assert_eq!(fake.get(to, length), pattern(length));
        assert_eq!(
            fake.call(
                libc::SYS_pwrite64,
                &[fd, BASE + 5, 9000.min(length as u64), 7]
            ),
            9000.min(length as i64)
        );
        assert_eq!(
            fake.call(libc::SYS_pread64, &[fd, to, length as u64, 7]),
            length as i64 - 7 + if length < 9000 { 7 } else { 0 }
        );
        assert_eq!(fake.get(to, 4000), pattern(length)[..4000]);
    }
}

#[test]
fn more_pieces_than_one_call_takes_move_whole() {
    let pages = 2500;
    let mut fake = Fake::new(5010);
    fake.map_scattered(BASE, pages);
    let length = (pages * PAGE) as usize;
    let data = pattern(length);
    fake.put(BASE, &data);
    let mut file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    assert_eq!(
        fake.call(libc::SYS_write, &[fd, BASE, length as u64]),
        length as i64
    );
    fake.put(BASE, &vec![0; length]);
    file.rewind().unwrap();
    assert_eq!(
        fake.call(libc::SYS_read, &[fd, BASE, length as u64]),
        length as i64
    );
    assert!(fake.get(BASE, length) == data);
    fake.put(BASE, &vec![0; length]);
    assert_eq!(
        fake.call(libc::SYS_pread64, &[fd, BASE, length as u64, 0]),
        length as i64
    );
    assert!(fake.get(BASE, length) == data);
}

#[test]
fn vectors_move_what_they_lead_to() {
    let mut fake = Fake::new(16);
    fake.map_scattered(BASE, 4);
    fake.put(BASE, b"hello, ");
    fake.put(BASE + PAGE - 2, b"world");
    // The list itself lies across two pages.
    let list = BASE + 3 * PAGE - 8;
    fake.put_words(list, &[BASE, 7, BASE + PAGE - 2, 5]);
    let mut file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    assert_eq!(fake.call(libc::SYS_writev, &[fd, list, 2]), 12);
    file.rewind().unwrap();
    let mut written = String::new();
    file.read_to_string(&mut written).unwrap();
    assert_eq!(written, "hello, world");
    fake.put_words(list, &[BASE + 100, 2, BASE + 2 * PAGE - 1, 10]);
    assert_eq!(fake.call(libc::SYS_preadv, &[fd, list, 2, 1, 0]), 11);
    assert_eq!(fake.get(BASE + 100, 2), b"el");
    assert_eq!(fake.get(BASE + 2 * PAGE - 1, 9), b"lo, world");
    assert_eq!(
        fake.error(libc::SYS_writev, &[fd, list, 1025]),
        libc::EINVAL
    );
    fake.put_words(list, &[BASE, u64::MAX]);
    assert_eq!(fake.error(libc::SYS_writev, &[fd, list, 1]), libc::EINVAL);
}

#[test]
fn what_comes_before_a_hole_is_moved() {
    let mut fake = Fake::new(64);
    fake.map_pages(BASE, 1);
    fake.put(BASE + PAGE - 10, b"0123456789");
    let mut file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    assert_eq!(fake.call(libc::SYS_write, &[fd, BASE + PAGE - 10, 100]), 10);
    file.rewind().unwrap();
    file.write_all(&pattern(100)).unwrap();
    assert_eq!(
        fake.call(libc::SYS_pread64, &[fd, BASE + PAGE - 20, 100, 0]),
        20
    );
    assert_eq!(fake.get(BASE + PAGE - 20, 20), pattern(20));
    assert_eq!(
        fake.error(libc::SYS_write, &[fd, BASE + PAGE, 10]),
        libc::EFAULT
    );
    assert_eq!(
        fake.error(libc::SYS_pread64, &[fd, BASE + PAGE, 10, 0]),
        libc::EFAULT
    );
}

#[test]
fn errors_come_in_the_kernels_order() {
    let mut fake = Fake::new(8);
    // A bad descriptor before a bad pointer; nothing to do before both.
    assert_eq!(fake.error(libc::SYS_read, &[999, BASE, 10]), libc::EBADF);
    let file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    assert_eq!(fake.call(libc::SYS_write, &[fd, BASE, 0]), 0);
    assert_eq!(fake.call(libc::SYS_read, &[fd, BASE, 10]), 0);
    assert_eq!(fake.error(libc::SYS_write, &[fd, BASE, 10]), libc::EFAULT);
    assert_eq!(fake.error(libc::SYS_write, &[fd, 0, 10]), libc::EFAULT);
    for at in [1 << 47, 0x8000_0000_0000_0000, u64::MAX, u64::MAX - 4095] {
        assert_eq!(fake.error(libc::SYS_write, &[fd, at, 10]), libc::EFAULT);
    }
    assert_eq!(
        fake.error(libc::SYS_write, &[fd, BASE, u64::MAX]),
        libc::EFAULT
    );
}

#[test]
fn read_only_memory_is_not_filled() {
    let mut fake = Fake::new(8);
    fake.map_pages(BASE, 1);
    fake.make_read_only(BASE);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"data").unwrap();
    let fd = file.as_raw_fd() as u64;
    assert_eq!(
        fake.error(libc::SYS_pread64, &[fd, BASE, 4, 0]),
        libc::EFAULT
    );
    assert_eq!(fake.call(libc::SYS_pwrite64, &[fd, BASE, 4, 0]), 4);
}

#[test]
fn freed_memory_is_a_report_that_names_the_argument() {
    let mut fake = Fake::new(16);
    fake.map_pages(BASE, 4);
    let freed = BASE + 2 * PAGE;
    fake.free(freed);
    let file = tempfile::tempfile().unwrap();
    let fd = file.as_raw_fd() as u64;
    let write = revoked("write", 2, "buf", freed + 8);
    assert_eq!(fake.outcome(libc::SYS_write, &[fd, freed + 8, 1]), write);
    assert_eq!(
        fake.outcome(libc::SYS_read, &[fd, freed + 9, 1]),
        revoked("read", 2, "buf", freed + 9)
    );
    // Anywhere in the range, not only at its start.
    let across = [fd, freed - 8, 16];
    assert_eq!(
        fake.outcome(libc::SYS_write, &across),
        revoked("write", 2, "buf", freed)
    );
    fake.put_words(BASE, &[BASE + 64, 8, freed + 16, 8]);
    assert_eq!(
        fake.outcome(libc::SYS_writev, &[fd, BASE, 2]),
        revoked("writev", 2, "vec", freed + 16)
    );
    assert_eq!(
        fake.outcome(libc::SYS_readv, &[fd, freed, 2]),
        revoked("readv", 2, "vec", freed)
    );
    let random = revoked("getrandom", 1, "buf", freed);
    assert_eq!(fake.outcome(libc::SYS_getrandom, &[freed, 8, 0]), random);
}

#[test]
fn random_bytes_fill_every_piece() {
    let mut fake = Fake::new(64);
    fake.map_scattered(BASE, 20);
    let length = 20 * PAGE - 100;
    assert_eq!(
        fake.call(libc::SYS_getrandom, &[BASE + 50, length, 0]),
        length as i64
    );
    for page in fake.get(BASE + 50, length as usize).chunks(1000) {
        assert!(page.iter().any(|byte| *byte != 0));
    }
    assert_eq!(
        fake.error(libc::SYS_getrandom, &[BASE - 8, 8, 0]),
        libc::EFAULT
    );
}

#[test]
fn a_splice_gives_the_pipe_its_bytes() {
    let mut fake = Fake::new(16);
    fake.map_scattered(BASE, 3);
    assert_eq!(fake.call(libc::SYS_pipe2, &[BASE, 0]), 0);
    let ends = fake.get_word(BASE);
    let (read, write) = (ends & 0xffff_ffff, ends >> 32);
    fake.put(BASE + 4090, b"spliced bytes");
    fake.put_words(BASE + 64, &[BASE + 4090, 13]);
    assert_eq!(fake.call(libc::SYS_vmsplice, &[write, BASE + 64, 1, 0]), 13);
    assert_eq!(fake.call(libc::SYS_read, &[read, BASE + 2 * PAGE, 100]), 13);
    assert_eq!(fake.get(BASE + 2 * PAGE, 13), b"spliced bytes");
    for end in [read, write] {
        assert_eq!(fake.call(libc::SYS_close, &[end]), 0);
    }
}
