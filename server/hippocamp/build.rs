//! Exports the functions that backends call, and nothing else, from the executable.

fn main() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../backend-host/exports.dynlist");
    println!("cargo::rustc-link-arg-bins=-Wl,--dynamic-list={list}");
    println!("cargo::rerun-if-changed={list}");
    println!("cargo::rerun-if-changed=build.rs");
}
