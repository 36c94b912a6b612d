//! The library stays mapped after `dlclose`: Rust's thread-locals may have destructors in it.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
