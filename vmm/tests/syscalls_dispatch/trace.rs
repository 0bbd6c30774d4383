//! What `--strace` and `--stats` print.

use crate::process::{Fake, BASE, PAGE};
use dangless_vmm::syscalls::observer::Observer;
use dangless_vmm::syscalls::stats::Stats;
use dangless_vmm::syscalls::strace::filter::Filter;
use dangless_vmm::syscalls::strace::Strace;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

fn traced(filter: &str) -> (Fake, Observer, Captured) {
    let mut fake = Fake::new(16);
    fake.map_pages(BASE, 2);
    let out = Captured::default();
    let strace = Strace::new(Filter::parse(filter).unwrap(), Box::new(out.clone()));
    let mut observer = Observer::default();
    observer.strace = Some(strace);
    observer.stats = Some(Stats::default());
    observer.notes = Some(Box::new(out.clone()));
    (fake, observer, out)
}

/// The text with the padding before results reduced to one space.
fn folded(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(" = ") {
        Some((call, result)) => format!("{} = {result}\n", call.trim_end()),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn results_stand_in_a_column() {
    let (mut fake, mut observer, out) = traced("");
    fake.watched(libc::SYS_brk, &[0], Some(&mut observer));
    assert_eq!(out.take(), format!("{:<40}= 0x400000\n", "brk(NULL)"));
}

#[test]
fn calls_are_printed_as_strace_does() {
    let (mut fake, mut observer, out) = traced("");
    let mut line = |fake: &mut Fake, number, arguments: &[u64]| {
        fake.watched(number, arguments, Some(&mut observer));
        folded(&out.take())
    };
    fake.put(BASE, b"/does/not/exist\0");
    let here = libc::AT_FDCWD as u64;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    assert_eq!(
        line(&mut fake, libc::SYS_openat, &[here, BASE, flags, 0]),
        "openat(AT_FDCWD, \"/does/not/exist\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\n"
    );
    let create = (libc::O_WRONLY | libc::O_CREAT) as u64;
    assert_eq!(
        line(&mut fake, libc::SYS_open, &[BASE, create, 0o644]),
        "open(\"/does/not/exist\", O_WRONLY|O_CREAT, 0644) = -1 ENOENT (No such file or directory)\n"
    );
    let file = tempfile::tempfile().unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
        .unwrap();
    let fd = file.as_raw_fd() as u64;
    fake.put(BASE, b"a line of text\nand more than is ever shown here");
    assert_eq!(
        line(&mut fake, libc::SYS_write, &[fd, BASE, 47]),
        format!("write({fd}, \"a line of text\\nand more than is \"..., 47) = 47\n")
    );
    assert_eq!(
        line(&mut fake, libc::SYS_lseek, &[fd, 0, 0]),
        format!("lseek({fd}, 0, SEEK_SET) = 0\n")
    );
    assert_eq!(
        line(&mut fake, libc::SYS_read, &[fd, BASE + 256, 6]),
        format!("read({fd}, \"a line\", 6) = 6\n")
    );
    fake.put_words(BASE + 512, &[BASE, 1, BASE + 2, 4]);
    assert_eq!(
        line(&mut fake, libc::SYS_writev, &[fd, BASE + 512, 2]),
        format!("writev({fd}, [{{iov_base=\"a\", iov_len=1}}, {{iov_base=\"line\", iov_len=4}}], 2) = 5\n")
    );
    assert_eq!(
        line(&mut fake, libc::SYS_fstat, &[fd, BASE + 1024]),
        format!("fstat({fd}, {{st_mode=S_IFREG|0640, st_size=47, ...}}) = 0\n")
    );
    assert_eq!(
        line(&mut fake, libc::SYS_mmap, &[0, 4096, 3, 0x22, u64::MAX, 0]),
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (Cannot allocate memory)\n"
    );
    assert_eq!(
        line(&mut fake, libc::SYS_brk, &[0]),
        "brk(NULL) = 0x400000\n"
    );
    assert_eq!(
        line(&mut fake, libc::SYS_read, &[fd, BASE + 2 * PAGE, 6]),
        format!("read({fd}, 0x102000, 6) = -1 EFAULT (Bad address)\n")
    );
    assert_eq!(
        line(&mut fake, libc::SYS_exit_group, &[3]),
        "exit_group(3) = ?\n+++ exited with 3 +++\n"
    );
    fake.free(BASE + PAGE);
    assert_eq!(
        line(&mut fake, libc::SYS_write, &[fd, BASE + PAGE, 6]),
        format!("write({fd}, 0x101000, 6) = ? (argument 2, buf: freed memory at 0x101000)\n")
    );
}

#[test]
fn pipes_times_and_sockets_are_decoded() {
    let (mut fake, mut observer, out) = traced("");
    let mut line = |fake: &mut Fake, number, arguments: &[u64]| {
        fake.watched(number, arguments, Some(&mut observer));
        folded(&out.take())
    };
    let text = line(&mut fake, libc::SYS_pipe2, &[BASE, libc::O_CLOEXEC as u64]);
    let ends = fake.get_word(BASE);
    let (read, write) = (ends & 0xffff_ffff, ends >> 32);
    assert_eq!(text, format!("pipe2([{read}, {write}], O_CLOEXEC) = 0\n"));
    fake.put_words(BASE, &[write | (libc::POLLOUT as u64) << 32]);
    assert_eq!(
        line(&mut fake, libc::SYS_poll, &[BASE, 1, 5]),
        format!("poll([{{fd={write}, events=POLLOUT}}], 1, 5) = 1 ([{{fd={write}, revents=POLLOUT}}])\n")
    );
    fake.put_words(BASE, &[0, 1000]);
    assert_eq!(
        line(&mut fake, libc::SYS_nanosleep, &[BASE, BASE + 64]),
        "nanosleep({tv_sec=0, tv_nsec=1000}, 0x100040) = 0\n"
    );
    fake.put_words(BASE, &[1 << 1, 0]);
    assert_eq!(
        line(&mut fake, libc::SYS_rt_sigprocmask, &[0, BASE, BASE + 8, 8]),
        "rt_sigprocmask(SIG_BLOCK, [INT], [], 8) = 0\n"
    );
    fake.put_words(BASE, &[1, 0, 0, 0]);
    assert_eq!(
        line(&mut fake, libc::SYS_rt_sigaction, &[13, BASE, BASE + 64, 8]),
        "rt_sigaction(SIGPIPE, {sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}, \
         {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0\n"
    );
    fake.put(BASE, &[2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        line(&mut fake, libc::SYS_connect, &[999, BASE, 16]),
        "connect(999, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) \
         = -1 EBADF (Bad file descriptor)\n"
    );
    for end in [read, write] {
        line(&mut fake, libc::SYS_close, &[end]);
    }
}

#[test]
fn the_filter_and_unknown_calls() {
    let (mut fake, mut observer, out) = traced("getuid");
    fake.watched(libc::SYS_getpid, &[], Some(&mut observer));
    assert_eq!(out.take(), "");
    fake.watched(libc::SYS_getuid, &[], Some(&mut observer));
    assert!(folded(&out.take()).starts_with("getuid() = "));
    fake.watched(500, &[1, 2, 3, 4, 5, 6], Some(&mut observer));
    assert_eq!(
        out.take(),
        "syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)\n\
         dangless-vmm: unknown system call 500: ENOSYS\n"
    );
    fake.watched(500, &[0; 6], Some(&mut observer));
    assert!(!out.take().contains("dangless-vmm:"));
    assert!(observer.unknown_calls().contains(&500));
    let counts = observer.stats.map(|stats| stats.counts().len());
    assert_eq!(counts, Some(2));
}
