//! Random filters, given to the host's kernel too: it takes the same ones, and says the same of a
//! call.

use dangless_vmm::seccomp::{Action, Data, Filter};

/// Words that a child leaves for its parent.
const WORDS: usize = 2;
/// What they hold before.
const NOTHING: i64 = i64::MIN;
/// The arguments of the call that is judged.
const ARGUMENTS: [u64; 6] = [0x0123_4567_89ab_cdef, u64::MAX, 0, 1 << 33, 7, 0x8000_0000];

struct Generator(u64);

impl Generator {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next(from.len() as u64) as usize]
    }

    /// An instruction that is likely to be allowed, before so many others.
    fn instruction(&mut self, follow: u64) -> [u8; 8] {
        let words: Vec<u32> = (0..16).filter(|word| !(2..4).contains(word)).collect();
        let small = self.next(34) as u32;
        let (code, operand): (u16, u32) = match self.next(14) {
            0..=2 => (0x20, 4 * self.pick(&words)),
            3 => (
                self.pick(&[0x00, 0x01]),
                self.pick(&[0, 1, 3, 110, u32::MAX]),
            ),
            4 => (self.pick(&[0x60, 0x61, 0x02, 0x03]), self.next(3) as u32),
            5 => (self.pick(&[0x80, 0x81, 0x07, 0x87]), 0),
            6 | 7 => (
                self.pick(&[0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4]),
                small,
            ),
            8 => (
                self.pick(&[0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0xac, 0x84]),
                0,
            ),
            9 => (
                self.pick(&[0x15, 0x25, 0x35, 0x45]),
                self.pick(&[0, 7, 64, 0x89ab_cdef, 0xc000_003e]),
            ),
            10 => (self.pick(&[0x1d, 0x2d, 0x3d, 0x4d]), 0),
            11 => (0x05, self.next(follow + 1) as u32),
            12 => (self.pick(&[0x06, 0x16]), self.answer()),
            _ => (self.next(0x110) as u16, small),
        };
        let jumps = [self.next(follow + 1) as u8, self.next(follow + 1) as u8];
        let (code, operand) = (code.to_le_bytes(), operand.to_le_bytes());
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&code);
        bytes[2..4].copy_from_slice(&jumps);
        bytes[4..].copy_from_slice(&operand);
        bytes
    }

    fn answer(&mut self) -> u32 {
        let action = self.pick(&[
            0x8000_0000,
            0,
            0x0003_0000,
            0x0005_0000,
            0x7ff0_0000,
            0x7ffc_0000,
            0x7fff_0000,
        ]);
        action | self.pick(&[0, 5, 4095, 5000])
    }

    fn filter(&mut self) -> Vec<u8> {
        let length = self.next(12);
        let mut bytes = Vec::new();
        for place in 0..length {
            bytes.extend(self.instruction(length - place - 1));
        }
        let (code, answer) = (self.pick(&[0x06u16, 0x06, 0x16]), self.answer());
        bytes.extend(code.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(answer.to_le_bytes());
        bytes
    }
}

/// What the host says: the error of the filter, or how the call ends: its value, or the signal.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Value(i64),
    Killed,
}

/// Gives the filter to the host in a child, which makes the call.
fn ask(bytes: &[u8], shared: *mut i64) -> Verdict {
    let program = libc::sock_fprog {
        len: (bytes.len() / 8) as u16,
        filter: bytes.as_ptr().cast_mut().cast(),
    };
    let [a, b, c, d, e, f] = ARGUMENTS;
    let mut status = 0;
    // SAFETY: the child makes system calls and stores to memory that it shares, and dies of an
    // instruction; the filter is as long as said. The words are read after its end.
    unsafe {
        for word in 0..WORDS {
            shared.add(word).write_volatile(NOTHING);
        }
        let child = libc::fork();
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let none = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            let set = libc::prctl(libc::PR_SET_SECCOMP, 2, &program);
            shared.write_volatile(i64::from(set));
            if set == 0 {
                let value: i64;
                std::arch::asm!(
                    "syscall",
                    inlateout("rax") libc::SYS_getppid => value,
                    in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
                    out("rcx") _, out("r11") _,
                );
                shared.add(1).write_volatile(value);
            }
            std::arch::asm!("ud2", options(noreturn));
        }
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        match (shared.read_volatile(), shared.add(1).read_volatile()) {
            (-1, _) => Verdict::Refused,
            (0, NOTHING) => {
                assert_eq!(libc::WTERMSIG(status), libc::SIGSYS);
                Verdict::Killed
            }
            (0, value) => Verdict::Value(value),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_host_says_the_same() {
    // SAFETY: a new mapping.
    let shared = unsafe {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(std::ptr::null_mut(), 4096, rights, flags, -1, 0)
    };
    assert_ne!(shared, libc::MAP_FAILED);
    let cases = std::env::var("DANGLESS_FUZZ_CASES");
    let cases = cases.map_or(400, |cases| cases.parse().expect("a number"));
    let mut random = Generator(0x9e37_79b9_7f4a_7c15);
    let data = Data::new(libc::SYS_getppid as u32, 0, &ARGUMENTS);
    let own = i64::from(std::process::id());
    let mut taken = 0;
    for _ in 0..cases {
        let bytes = random.filter();
        let expected = match Filter::new(&bytes).map(|filter| Action::of(filter.run(&data))) {
            None => Verdict::Refused,
            Some(Action::Allow) => Verdict::Value(own),
            Some(Action::Fail(errno)) => Verdict::Value(-i64::from(errno)),
            Some(Action::Unanswered) => Verdict::Value(-i64::from(libc::ENOSYS)),
            Some(_) => Verdict::Killed,
        };
        taken += u32::from(expected != Verdict::Refused);
        let found = ask(&bytes, shared.cast());
        assert_eq!(found, expected, "{bytes:02x?}");
    }
    assert!(taken * 10 > cases, "only {taken} of {cases} were filters");
}
