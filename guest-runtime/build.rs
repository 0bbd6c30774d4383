//! Links without the C library's start-up code; the VMM enters by symbol.

fn main() {
    println!("cargo:rustc-link-arg-bins=-nostartfiles");
    println!("cargo:rustc-link-arg-bins=-Wl,-e,upcall_entry");
}
