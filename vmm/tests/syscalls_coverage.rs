//! The documented coverage page is the one that the table makes.

use dangless_vmm::syscalls::coverage::page;
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
