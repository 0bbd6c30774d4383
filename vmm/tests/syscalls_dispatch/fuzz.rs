//! Random calls with random arguments, in a child process: whatever the program passes, the VMM
//! answers.
//!
//! The child gives up its privileges and its place in the file tree first, and calls that could
//! harm the machine are left out by name. `DANGLESS_FUZZ_CASES` and `DANGLESS_FUZZ_SEED` make a
//! longer or another run, `DANGLESS_FUZZ_SECONDS` one that ends after a time whatever it has done.
//! A call that does not come back is a failure, and named.

use crate::process::{Fake, BASE, PAGE};
use dangless_vmm::syscalls::dispatch;
use dangless_vmm::syscalls::observer::Observer;
use dangless_vmm::syscalls::strace::filter::Filter;
use dangless_vmm::syscalls::strace::Strace;
use dangless_vmm::syscalls::table::all;
use dangless_vmm::syscalls::table::entry::{Entry, Kind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long one call may take: they are all interrupted within milliseconds.
const STUCK: Duration = Duration::from_secs(60);

/// Calls that make what outlives the child, but for where it has a namespace of its own.
const LASTING: &[&str] = &["shmget", "semget", "msgget"];

/// Calls that change the machine, other processes, or files by name.
const HARMFUL: &[&str] = &[
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    // Their signals would kill the child, for the VMM's process is not the program's here.
    "alarm",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_delete",
    "unlink",
    "unlinkat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "truncate",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "open",
    "openat",
    "openat2",
    "creat",
    "open_by_handle_at",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "chdir",
    "fchdir",
    "swapon",
    "swapoff",
    "acct",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "vhangup",
    "syslog",
    "sync",
    "syncfs",
    "setpriority",
    "ioprio_set",
    "sched_setscheduler",
    "sched_setattr",
    "sched_setparam",
    "sched_setaffinity",
    "setrlimit",
    "prlimit64",
    "unshare",
    "setns",
    "keyctl",
    "semget",
    "semctl",
    "semop",
    "semtimedop",
    "msgget",
    "msgctl",
    "msgsnd",
    "msgrcv",
    "mq_open",
    "mq_unlink",
    "add_key",
    "request_key",
    "setpgid",
    "setsid",
    "memfd_secret",
    "socket",
    "connect",
    "bind",
    // The child must keep its timer and its way to say where it is.
    "close_range",
];

/// A small generator whose whole state is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn length(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 | 2 => self.below(64),
            3 => self.below(3 * PAGE),
            4 => self.below(1 << 20),
            _ => self.word(),
        }
    }

    fn pointer(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => self.word(),
            _ => BASE + self.below(40 * PAGE),
        }
    }

    fn word(&mut self) -> u64 {
        match self.below(6) {
            0 => u64::MAX - self.below(5000),
            1 => 1 << self.below(64),
            2 => (1 << 47) - self.below(5000),
            3 => u64::from(u32::MAX) + self.below(3) - 1,
            4 => self.below(1000),
            _ => self.next(),
        }
    }

    fn argument(&mut self, kind: &Kind) -> u64 {
        if self.below(20) == 0 {
            return self.word();
        }
        match kind {
            Kind::Descriptor | Kind::Directory => match self.below(8) {
                0 => libc::AT_FDCWD as u64,
                1 => self.word(),
                _ => self.below(24),
            },
            Kind::Size | Kind::Unsigned | Kind::Int => self.length(),
            Kind::Flags(known) | Kind::WideFlags(known) => {
                let choice = self.below(known.choices.len() as u64 + 1) as usize;
                let mut word = known.choices.get(choice).map_or(0, |(value, _)| *value);
                for (bits, _) in known.flags {
                    if self.below(4) == 0 {
                        word |= bits;
                    }
                }
                word
            }
            Kind::Signal => self.below(70),
            Kind::Long | Kind::Mode => self.word(),
            _ => self.pointer(),
        }
    }
}

/// Memory with every kind of page, and pointers and lengths in it that lead back into it.
fn memory(random: &mut Random) -> Fake {
    let mut fake = Fake::new(128);
    fake.map_pages(BASE, 8);
    fake.map_scattered(BASE + 10 * PAGE, 8);
    fake.map_pages(BASE + 20 * PAGE, 4);
    fake.make_read_only(BASE + 20 * PAGE);
    fake.free(BASE + 22 * PAGE);
    fake.map_scattered(BASE + 28 * PAGE, 12);
    refill(&fake, random);
    fake.hidden.extend([20, 21, 22]);
    fake
}

fn refill(fake: &Fake, random: &mut Random) {
    for _ in 0..64 {
        let at = BASE + random.below(8 * PAGE - 64);
        match random.below(3) {
            0 => fake.put_words(at & !7, &[random.pointer(), random.length()]),
            1 => fake.put_words(at & !7, &[random.word()]),
            _ => fake.put(at, b"file\0"),
        }
        let at = BASE + 10 * PAGE + random.below(8 * PAGE - 64);
        fake.put_words(
            at & !7,
            &[random.pointer(), random.length(), random.pointer()],
        );
    }
}

fn is_harmful(entry: &Entry) -> bool {
    HARMFUL.contains(&entry.name)
}

/// Gives up everything with which a stray call could do harm.
/// Whether there is a namespace for System V objects of its own.
fn confine() -> bool {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: plain calls on the child's own state; the handler does nothing, and the timer only
    // interrupts calls that wait.
    unsafe {
        let folder = c"/proc/self/fdinfo";
        // A folder in which nobody can make a file.
        assert_eq!(libc::chdir(folder.as_ptr()), 0);
        for number in 3..64 {
            libc::close(number);
        }
        let mut ends = [0; 2];
        for _ in 0..3 {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK), 0);
            let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
            assert_eq!(
                libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()),
                0
            );
        }
        // Nothing of the machine's stays open, standard input and output included.
        let memory = libc::memfd_create(c"fuzz".as_ptr(), 0);
        assert!(memory >= 0);
        for number in 0..3 {
            assert_eq!(libc::dup2(memory, number), number);
        }
        let own = libc::unshare(libc::CLONE_NEWIPC) == 0;
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
        let limit = |resource, value| {
            let limit = libc::rlimit {
                rlim_cur: value,
                rlim_max: value,
            };
            assert_eq!(libc::setrlimit(resource, &limit), 0);
        };
        limit(libc::RLIMIT_FSIZE, 1 << 20);
        limit(libc::RLIMIT_NOFILE, 64);
        limit(libc::RLIMIT_CORE, 0);
        limit(libc::RLIMIT_CPU, 3600);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGSTKFLT, &action, std::ptr::null_mut()),
            0
        );
        // With the one signal that no call can block.
        let mut event = std::mem::zeroed::<libc::sigevent>();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGSTKFLT;
        let mut timer = std::mem::zeroed::<libc::timer_t>();
        assert_eq!(
            libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer),
            0
        );
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        let period = libc::itimerspec {
            it_interval: time,
            it_value: time,
        };
        assert_eq!(
            libc::timer_settime(timer, 0, &period, std::ptr::null_mut()),
            0
        );
        own
    }
}

/// Where the child is, for its parent to tell.
struct Place(*mut u64);

impl Place {
    fn new() -> Self {
        // SAFETY: a new shared mapping, wherever the kernel puts it.
        let page = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            libc::mmap(
                std::ptr::null_mut(),
                PAGE as usize,
                protection,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        Self(page.cast())
    }

    fn set(&self, case: u64, number: i64, arguments: &[u64; 6]) {
        for (place, word) in [case, number as u64].iter().chain(arguments).enumerate() {
            // SAFETY: eight words of the page that `new` mapped.
            unsafe { self.0.add(place).write_volatile(*word) };
        }
    }

    /// Keeps the words of a panic.
    fn tell(&self, text: &str) {
        let text = &text.as_bytes()[..text.len().min(2000)];
        // SAFETY: the page has room for the text and its length after the first eight words.
        unsafe {
            self.0.add(8).write_volatile(text.len() as u64);
            std::ptr::copy_nonoverlapping(text.as_ptr(), self.0.add(9).cast::<u8>(), text.len());
        }
    }

    fn told(&self) -> String {
        // SAFETY: what `tell` wrote, or nothing.
        let text = unsafe {
            let length = self.0.add(8).read_volatile() as usize;
            std::slice::from_raw_parts(self.0.add(9).cast::<u8>(), length.min(2000))
        };
        String::from_utf8_lossy(text).into_owned()
    }

    fn get(&self) -> [u64; 8] {
        // SAFETY: eight words of the page that `new` mapped.
        std::array::from_fn(|place| unsafe { self.0.add(place).read_volatile() })
    }
}

fn run(seed: u64, cases: u64, end: Option<Instant>, own: bool, place: &Place) {
    let mut random = Random(seed);
    let mut fake = memory(&mut random);
    let entries: Vec<&Entry> = all()
        .filter(|entry| !is_harmful(entry) && (own || !LASTING.contains(&entry.name)))
        .collect();
    let strace = Strace::new(Filter::default(), Box::new(std::io::sink()));
    let mut observer = Observer::default();
    observer.strace = Some(strace);
    let observer = Mutex::new(observer);
    let mut unmapped = false;
    for case in 0..cases {
        if case % 64 == 0 && end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        if case % 64 == 0 || unmapped {
            fake = memory(&mut random);
        } else {
            refill(&fake, &mut random);
        }
        let entry = entries[random.below(entries.len() as u64) as usize];
        unmapped = entry.number == libc::SYS_munmap;
        let mut arguments = [0; 6];
        for (slot, argument) in arguments.iter_mut().zip(entry.arguments) {
            *slot = random.argument(&argument.kind);
        }
        // A number past the table now and then.
        let number = if random.below(200) == 0 {
            460 + random.below(60)
        } else {
            entry.number as u64
        };
        if dangless_vmm::syscalls::table::find(number).is_some_and(is_harmful) {
            continue;
        }
        place.set(case, number as i64, &arguments);
        let watch = (case % 2 == 0).then_some(&observer);
        dispatch(&mut fake, number, arguments, watch);
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Waits for the child; one that stays in the same call for too long is killed.
fn wait(child: libc::pid_t, place: &Place) -> libc::c_int {
    let (mut last, mut since) = (place.get(), Instant::now());
    loop {
        let mut status = 0;
        // SAFETY: `child` is ours, and the kernel writes one status.
        let ended = unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) };
        assert!(ended >= 0, "wait: {}", std::io::Error::last_os_error());
        if ended == child {
            return status;
        }
        let now = place.get();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > STUCK {
            place.tell("it does not come back");
            // SAFETY: ends the child, which is waited for next.
            unsafe { libc::kill(child, libc::SIGKILL) };
            since = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_call_breaks_the_vmm() {
    let seconds = setting("DANGLESS_FUZZ_SECONDS").map(Duration::from_secs);
    let cases = if seconds.is_some() { u64::MAX } else { 20_000 };
    let cases = setting("DANGLESS_FUZZ_CASES").unwrap_or(cases);
    let seed = setting("DANGLESS_FUZZ_SEED").unwrap_or(0x5eed_5eed_5eed_5eed);
    let end = seconds.map(|seconds| Instant::now() + seconds);
    let place = Place::new();
    // Set before there is a child, in which another test's thread may hold the hook's lock for ever.
    let (page, parent, usual) = (
        place.0 as usize,
        std::process::id(),
        std::panic::take_hook(),
    );
    std::panic::set_hook(Box::new(move |panic| {
        if std::process::id() == parent {
            usual(panic);
        } else {
            Place(page as *mut u64).tell(&panic.to_string());
        }
    }));
    // SAFETY: the child only runs code that takes no lock another thread may have held, but for
    // the allocator's, which the C library frees in the child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let ended = std::panic::catch_unwind(|| {
            let own = confine();
            run(seed, cases, end, own, &place);
        });
        // SAFETY: ends the child without running what belongs to its parent.
        unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) };
    }
    let status = wait(child, &place);
    let [case, number, arguments @ ..] = place.get();
    let name = dangless_vmm::syscalls::table::find(number).map_or("unknown", |entry| entry.name);
    assert_eq!(
        status,
        0,
        "case {case} of seed {seed}: {name} ({number}) {arguments:x?}: {}",
        place.told()
    );
    let enough = case == cases - 1 || end.is_some_and(|end| Instant::now() >= end);
    assert!(enough, "the run ended early");
    println!("{} calls of seed {seed}", case + 1);
}

#[test]
fn calls_left_out_are_in_the_table() {
    for name in HARMFUL {
        assert!(all().any(|entry| entry.name == *name), "{name}");
    }
}
