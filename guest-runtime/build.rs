//! Nothing to generate: names what a rebuild depends on.

fn main() {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rustc-link-arg-bins=-nostartfiles");
}
