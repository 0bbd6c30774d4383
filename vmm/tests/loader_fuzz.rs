//! A million damaged ELF files through the loader's parsers: an answer for each, never a panic.

use dangless_vmm::loader::elf;
use dangless_vmm::loader::family::{self, Search};
use dangless_vmm::unwind;

const TEXT: u64 = 0x40_1000;

/// A small static program: four program headers, a symbol table with the malloc family, no code
/// worth running.
fn seed_file(relocatable: bool) -> Vec<u8> {
    let mut file = vec![0u8; 0x3000];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &(if relocatable { 3u16 } else { 2 }).to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    for (at, value) in [(24, TEXT), (32, 64), (40, 0x2000)] {
        put(at, &u64::to_le_bytes(value));
    }
    for (at, value) in [(52, 64u16), (54, 56), (56, 4), (58, 64), (60, 4), (62, 2)] {
        put(at, &value.to_le_bytes());
    }
    let mut program = |index: usize, kind: u32, flags: u32, words: [u64; 6]| {
        let at = 64 + 56 * index;
        put(at, &kind.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        for (word, value) in words.iter().enumerate() {
            put(at + 8 + 8 * word, &value.to_le_bytes());
        }
    };
    program(0, 1, 4, [0, 0x40_0000, 0x40_0000, 0x1000, 0x1000, 0x1000]);
    program(1, 1, 5, [0x1000, TEXT, TEXT, 0x800, 0x800, 0x1000]);
    program(
        2,
        1,
        6,
        [0x1800, 0x40_2800, 0x40_2800, 0x400, 0x2000, 0x1000],
    );
    program(3, 0x6474_e551, 6, [0, 0, 0, 0, 0, 16]);
    let names = b"\0malloc\0free\0calloc\0.symtab\0.strtab\0.text\0";
    put(0x2400, names);
    for (index, (name, value)) in [(1u32, TEXT), (8, TEXT + 0x20), (13, TEXT + 0x40)]
        .iter()
        .enumerate()
    {
        let at = 0x2500 + 24 * (index + 1);
        put(at, &name.to_le_bytes());
        put(at + 4, &[0x12, 0, 3, 0]);
        put(at + 8, &value.to_le_bytes());
        put(at + 16, &16u64.to_le_bytes());
    }
    let mut section = |index: usize, name: u32, kind: u32, words: [u64; 6], link: u32| {
        let at = 0x2000 + 64 * index;
        put(at, &name.to_le_bytes());
        put(at + 4, &kind.to_le_bytes());
        put(at + 16, &words[0].to_le_bytes());
        put(at + 24, &words[1].to_le_bytes());
        put(at + 32, &words[2].to_le_bytes());
        put(at + 40, &link.to_le_bytes());
        put(at + 44, &1u32.to_le_bytes());
        put(at + 48, &words[4].to_le_bytes());
        put(at + 56, &words[5].to_le_bytes());
    };
    section(1, 20, 2, [0, 0x2500, 96, 0, 8, 24], 2);
    section(2, 28, 3, [0, 0x2400, names.len() as u64, 0, 1, 0], 0);
    section(3, 36, 1, [TEXT, 0x1000, 0x800, 0, 16, 0], 0);
    file
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> usize {
        (self.next() % limit) as usize
    }
}

/// Values that parsers trip over.
const TRICKY: [u64; 12] = [
    0,
    1,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
    u64::MAX - 0xfff,
    0x1000_0000_0000,
    0x7fff_ffff_f000,
    1 << 47,
];

fn damage(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        // Headers and tables, not the padding between them.
        let at = match random.below(4) {
            0 => random.below(64),
            1 => 64 + random.below(56 * 4),
            2 => 0x2000 + random.below(64 * 4),
            _ => 0x2400 + random.below(0x200),
        };
        match random.below(3) {
            0 => file[at] = random.next() as u8,
            1 => file[at] ^= 1 << random.below(8),
            _ => {
                let value = TRICKY[random.below(TRICKY.len() as u64)];
                let at = at & !7;
                file[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    if random.below(16) == 0 {
        let length = file.len() as u64;
        file.truncate(random.below(length));
    }
}

#[test]
fn the_undamaged_files_are_understood() {
    for relocatable in [false, true] {
        let file = seed_file(relocatable);
        let parsed = elf::parse(&file[..]).expect("a good file");
        assert_eq!(parsed.segments.len(), 3);
        assert_eq!((parsed.entry, parsed.relocatable), (TEXT, relocatable));
        assert_eq!(parsed.headers, 0x40_0040);
        let Search::Found(found) = family::find(&file[..]) else {
            panic!("malloc and free are there");
        };
        assert_eq!(found.replacements.len(), 3);
    }
}

#[test]
fn a_million_damaged_files_get_an_answer() {
    let seeds = [seed_file(false), seed_file(true)];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut file = Vec::new();
    let (mut good, mut bad) = (0u32, 0u32);
    for round in 0..1_000_000usize {
        file.clone_from(&seeds[round % 2]);
        damage(&mut file, &mut random);
        match elf::parse(&file[..]) {
            Ok(parsed) => {
                assert!(parsed.start() < parsed.end(), "an image of no size");
                good += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                bad += 1;
            }
        }
        // The tables are looked at less often: they take longer.
        if round % 16 == 0 {
            std::hint::black_box(family::find(&file[..]));
            std::hint::black_box(family::exported(&file[..]));
            std::hint::black_box(unwind::build(&file, 0).is_ok());
        }
    }
    // Damage that no parser notices, and damage that it does: both must have been tried.
    assert!(
        good > 50_000 && bad > 50_000,
        "{good} accepted, {bad} refused"
    );
}
