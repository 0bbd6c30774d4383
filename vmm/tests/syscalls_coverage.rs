//! The documented coverage page is the one that the table makes.

use dangless_vmm::syscalls::coverage::page;
use dangless_vmm::syscalls::table::{all, entry::Service};
use std::path::Path;

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/syscalls.md");
    if std::env::var_os("DANGLESS_BLESS").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/syscalls.md is not what the table says: run \
         `DANGLESS_BLESS=1 cargo test -p dangless-vmm --test syscalls_coverage`"
    );
}

/// The program that compares every call with the host's knows every call that is served.
#[test]
fn every_served_call_is_compared_with_the_hosts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/every_call.c");
    let source = std::fs::read_to_string(&path).expect("the source can be read");
    for entry in all().filter(|entry| !matches!(entry.service, Service::Refuse { .. })) {
        let tried = source.contains(&format!("CALL({}, ", entry.name));
        let left_out = source.contains(&format!("\"{}\"", entry.name));
        assert!(tried || left_out, "{} is not in every_call.c", entry.name);
    }
}
