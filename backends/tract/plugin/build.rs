//! Linker flags of the shared library.

fn main() {
    // Threads and thread-local values of the engine may outlive the last model: the library stays.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
