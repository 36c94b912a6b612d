//! Exports the functions that backends call from the test binaries, so that they can load plugins
//! as the server does.

fn main() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/backend-host/exports.dynlist");
    println!("cargo::rustc-link-arg-tests=-Wl,--dynamic-list={list}");
    println!("cargo::rerun-if-changed={list}");
    println!("cargo::rerun-if-changed=build.rs");
}
