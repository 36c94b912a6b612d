//! Libraries in C, as anybody may write them for a server with Triton's backend API.

use crate::workspace_root;
use std::{env, fs, path::Path, process::Command};

/// The C compiler that every Rust toolchain links with, or `$CC`.
pub fn c_compiler() -> Command {
    Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// Makes the shared library `output` of a source in tests/data, with `more` arguments for the compiler.
///
/// # Panics
/// If the compiler is missing, or says anything against the source.
pub fn compile_c(source: &str, output: &Path, more: &[&str]) {
    let directory = output.parent().expect("a file lies in a directory");
    fs::create_dir_all(directory).expect("the temporary directory is writable");
    let done = c_compiler()
        // The compiler's own leaks are not ours.
        .env_remove("LD_PRELOAD")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-fPIC", "-shared"])
        .args(more)
        .arg("-o")
        .arg(output)
        .arg(workspace_root().join("tests/data").join(source))
        .output()
        .expect("the C compiler runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
