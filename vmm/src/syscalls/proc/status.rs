//! `status`, `stat` and `statm`: the host's text with what is the program's put in.

use super::host;
use crate::process::picture::{Behind, Picture};
use crate::signals::mask::bit;
use crate::syscalls::call::Call;
use crate::syscalls::state::{Actions, SIGNALS};
use dangless_core::address::PAGE_SIZE;

/// Bytes of mappings, by kind.
struct Sizes {
    all: u64,
    data: u64,
    stack: u64,
    code: u64,
    library: u64,
}

impl Sizes {
    fn of(picture: &Picture) -> Self {
        let mut sizes = Self {
            all: picture.objects,
            data: picture.objects,
            stack: 0,
            code: 0,
            library: 0,
        };
        for mapping in &picture.mappings {
            let bytes = mapping.range.end - mapping.range.start;
            sizes.all += bytes;
            if mapping.range.contains(&picture.origin.stack) {
                sizes.stack += bytes;
            } else if mapping.protection & libc::PROT_EXEC != 0 {
                if picture.origin.image.contains(&mapping.range.start) {
                    sizes.code += bytes;
                } else {
                    sizes.library += bytes;
                }
            } else if mapping.behind == Behind::Memory && mapping.protection & libc::PROT_WRITE != 0
            {
                sizes.data += bytes;
            }
        }
        sizes
    }
}

/// The signals that the process ignores and catches. What is pending and blocked is the host
/// thread's own.
fn masks(actions: &Actions) -> [u64; 2] {
    let (mut ignored, mut caught) = (0, 0);
    for signal in 1..=SIGNALS {
        match actions.get(signal).map_or(0, |action| action.handler) {
            handler if handler == libc::SIG_DFL as u64 => {}
            handler if handler == libc::SIG_IGN as u64 => ignored |= bit(signal),
            _ => caught |= bit(signal),
        }
    }
    [ignored, caught]
}

/// `status`
#[must_use]
pub fn status(call: &mut Call<'_>, picture: &Picture) -> Vec<u8> {
    let sizes = Sizes::of(picture);
    let [ignored, caught] = masks(&call.shared().actions);
    let kilobytes = |bytes: u64| format!("{:8} kB", bytes / 1024);
    let mask = |mask: u64| format!("{mask:016x}");
    let own = [
        ("VmPeak", kilobytes(sizes.all)),
        ("VmSize", kilobytes(sizes.all)),
        ("VmData", kilobytes(sizes.data)),
        ("VmStk", kilobytes(sizes.stack)),
        ("VmExe", kilobytes(sizes.code)),
        ("VmLib", kilobytes(sizes.library)),
        ("Threads", picture.threads.len().max(1).to_string()),
        ("SigIgn", mask(ignored)),
        ("SigCgt", mask(caught)),
    ];
    // What the host has put upon the VMM is upon the program too.
    let mode = call.process.seccomp().mode();
    let given_up = [
        ("Seccomp", mode.number().to_string()),
        ("Seccomp_filters", mode.filters().len().to_string()),
    ];
    let given_up = given_up.iter().filter(|_| mode.number() != 0);
    let mut text = String::new();
    for line in host::of_thread("status").lines() {
        let name = line.split(':').next().unwrap_or_default();
        match own
            .iter()
            .chain(given_up.clone())
            .find(|(known, _)| *known == name)
        {
            Some((_, value)) => {
                text.push_str(name);
                text.push_str(":\t");
                text.push_str(value);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// `stat`
#[must_use]
pub fn stat(call: &mut Call<'_>, picture: &Picture) -> Vec<u8> {
    let line = host::of_thread("stat");
    // The name may hold anything, parentheses too.
    let Some((name, rest)) = line.trim_end().rsplit_once(") ") else {
        return line.into_bytes();
    };
    let mut fields: Vec<String> = rest.split(' ').map(str::to_owned).collect();
    let origin = &picture.origin;
    let [ignored, caught] = masks(&call.shared().actions);
    let own: [(usize, u64); 17] = [
        (20, picture.threads.len().max(1) as u64),
        (23, Sizes::of(picture).all),
        (26, origin.image.start),
        (27, origin.image.end),
        (28, origin.stack),
        (29, 0),
        (30, 0),
        (33, ignored),
        (34, caught),
        (35, 0),
        (45, origin.image.start),
        (46, origin.image.end),
        (47, picture.heap.start),
        (48, origin.arguments.start),
        (49, origin.arguments.end),
        (50, origin.environment.start),
        (51, origin.environment.end),
    ];
    for (number, value) in own {
        // Fields are counted from 1, and two come before the rest.
        if let Some(field) = fields.get_mut(number - 3) {
            *field = value.to_string();
        }
    }
    format!("{name}) {}\n", fields.join(" ")).into_bytes()
}

/// `statm`
#[must_use]
pub fn statm(picture: &Picture) -> Vec<u8> {
    let sizes = Sizes::of(picture);
    let line = host::of_thread("statm");
    let mut fields = line.split_whitespace().skip(1);
    let resident = fields.next().unwrap_or("0");
    let shared = fields.next().unwrap_or("0");
    let pages = |bytes: u64| bytes / PAGE_SIZE;
    format!(
        "{} {resident} {shared} {} 0 {} 0\n",
        pages(sizes.all),
        pages(sizes.code),
        pages(sizes.data + sizes.stack)
    )
    .into_bytes()
}
