//! The documentation page of the calls that are served, made from the table.

use super::table::entry::{Direction, Entry, Kind, Service};
use super::table::{all, AREAS};
use std::fmt::Write;

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(HEAD);
    let count = |wanted: fn(&Service) -> bool| all().filter(|e| wanted(&e.service)).count();
    let forwarded = count(|service| matches!(service, Service::Forward));
    let by_hand = count(|service| matches!(service, Service::ByHand(_)));
    let refused = count(|service| matches!(service, Service::Refuse { .. }));
    let total = forwarded + by_hand + refused;
    // Writing to a string cannot fail.
    writeln!(
        page,
        "\n{total} calls: {forwarded} forwarded, {by_hand} by hand, {refused} refused by name. \
         Any other number is ENOSYS."
    )
    .ok();
    for (title, entries) in AREAS {
        writeln!(
            page,
            "\n## {title}\n\n| number | call | served |\n| --- | --- | --- |"
        )
        .ok();
        for entry in entries {
            writeln!(
                page,
                "| {} | `{}` | {} |",
                entry.number,
                signature(entry),
                served(entry)
            )
            .ok();
        }
    }
    page
}

const HEAD: &str = "\
# System calls

This page is made from the table in `vmm/src/syscalls/table`; a test keeps it up to date, and
`DANGLESS_BLESS=1 cargo test -p dangless-vmm --test syscalls_coverage` writes it anew.

*Forwarded* calls go to the host kernel with every pointer translated as the arguments say. *By hand*
means that a handler decides, because the meaning of an argument depends on another, or because the
host's answer would be about the VMM and not about the program. Arguments are marked `in`, `out` or
`inout` where the kernel reads or writes the program's memory. A pointer to a freed heap object in any
of them is a report that names the call and the argument; memory that is not mapped is EFAULT.
";

fn signature(entry: &Entry) -> String {
    let arguments: Vec<String> = entry
        .arguments
        .iter()
        .map(|argument| match argument.kind.direction() {
            Some(Direction::In) => format!("in {}", argument.name),
            Some(Direction::Out) => format!("out {}", argument.name),
            Some(Direction::InOut) => format!("inout {}", argument.name),
            None => match argument.kind {
                Kind::Pointer(_) => format!("*{}", argument.name),
                _ => argument.name.to_owned(),
            },
        })
        .collect();
    format!("{}({})", entry.name, arguments.join(", "))
}

fn served(entry: &Entry) -> String {
    match entry.service {
        Service::Forward => "forwarded".to_owned(),
        Service::ByHand(_) => "by hand".to_owned(),
        Service::Refuse { errno, reason } => {
            format!(
                "{}: {reason}",
                super::strace::numbers::errno(errno).unwrap_or("error")
            )
        }
    }
}
