//! The functions that the executable exports. `exports.dynlist` is the one list of them: the
//! linker reads it (build.rs of each binary), and so do the tests that compare it with `nm -D`.

use std::sync::LazyLock;

static SYMBOLS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("../exports.dynlist")
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'))
        .filter(|line| line.starts_with("TRITON"))
        .collect()
});

/// Names of the host functions, ascending. A binary exports exactly these when its build.rs passes
/// the linker `-Wl,--dynamic-list=<this crate>/exports.dynlist`.
pub fn exported_symbols() -> &'static [&'static str] {
    &SYMBOLS
}
