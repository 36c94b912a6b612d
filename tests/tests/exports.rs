//! What the binaries export: the executable its host functions, a plugin its entry points, and
//! neither anything else.

use hippocamp_backend_host::exported_symbols;
use hippocamp_tests::{server_binary, workspace_root};
use std::{fs, path::Path, process::Command};

/// Names that a binary defines for others, ascending.
fn exports(binary: &Path) -> Vec<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(binary)
        .output();
    let output = output.expect("nm, of the binutils that every linker comes with, runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut names: Vec<_> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// The allocator's version of a function that the C++ library has, too: the linker lets the library find it.
const OF_THE_ALLOCATOR: &str = "_ZSt15get_new_handlerv";

#[test]
fn the_executable_exports_the_host_functions_only() {
    let mut names = exports(&server_binary());
    names.retain(|name| name != OF_THE_ALLOCATOR);
    assert_eq!(names, exported_symbols());
}

#[test]
fn a_plugin_exports_the_entry_points_only() {
    let expect = [
        "TRITONBACKEND_Finalize",
        "TRITONBACKEND_GetBackendAttribute",
        "TRITONBACKEND_Initialize",
        "TRITONBACKEND_ModelFinalize",
        "TRITONBACKEND_ModelInitialize",
        "TRITONBACKEND_ModelInstanceExecute",
        "TRITONBACKEND_ModelInstanceFinalize",
        "TRITONBACKEND_ModelInstanceInitialize",
    ];
    for library in [
        "libtriton_identity.so",
        "libtriton_image.so",
        "libtriton_repeat.so",
        "libtriton_square.so",
        "libtriton_tokenizer.so",
        "libtriton_tract.so",
        "libtriton_usearch.so",
    ] {
        let path = server_binary().with_file_name(library);
        assert!(path.exists(), "{} is missing: run `make build` first", path.display());
        let mut names = exports(&path);
        // The bridge to usearch's C++ library exports its functions from any library it is in; a
        // plugin is opened so that nobody else finds them.
        names.retain(|name| !name.starts_with("cxxbridge1$"));
        assert_eq!(names, expect, "{library}");
    }
}

/// Called by the host's own tests, by the C backend, or by the SDK, whose every call the conformance suite makes.
#[test]
fn every_host_function_is_called_by_a_test() {
    let root = workspace_root();
    let mut sources = fs::read_to_string(root.join("tests/data/c_backend.c")).expect("it is there");
    for directory in ["server/backend-host/src/tests", "backends/sdk/src"] {
        for file in fs::read_dir(root.join(directory)).expect("it is there") {
            let path = file.expect("it can be listed").path();
            if path.is_file() {
                sources += &fs::read_to_string(path).expect("it can be read");
            }
        }
    }
    let missing: Vec<_> =
        exported_symbols().iter().filter(|name| !sources.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "no test calls {missing:?}");
}
