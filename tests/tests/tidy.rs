//! Holds the tree to what docs/architecture.md says: layers, unsafe code, one set of features, no large
//! files, nothing of the machine it was written on.

use hippocamp_tests::workspace_root;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Every crate and its level. A crate depends on lower levels only, so siblings do not know each
/// other. Dev-dependencies may point up.
const LEVELS: &[(&str, u8)] = &[
    ("hippocamp-types", 0),
    ("hippocamp-proto", 0),
    ("hippocamp-backend-abi", 0),
    ("hippocamp-config", 1),
    ("hippocamp-telemetry", 1),
    ("hippocamp-access", 1),
    ("hippocamp-net", 1),
    ("hippocamp-object-store", 1),
    ("hippocamp-shm", 1),
    ("hippocamp-backend", 1),
    ("hippocamp-client", 1),
    ("hippocamp-scheduler", 2),
    ("hippocamp-repository", 2),
    ("hippocamp-backend-host", 2),
    ("hippocamp-identity", 2),
    ("hippocamp-image", 2),
    ("hippocamp-repeat", 2),
    ("hippocamp-square", 2),
    ("hippocamp-tokenizer", 2),
    ("hippocamp-tract", 2),
    ("hippocamp-usearch", 2),
    ("hippocamp-catalogue", 2),
    ("hippocamp-check", 3),
    ("hippocamp-core", 3),
    ("triton-identity", 3),
    ("triton-image", 3),
    ("triton-repeat", 3),
    ("triton-square", 3),
    ("triton-tokenizer", 3),
    ("triton-tract", 3),
    ("triton-usearch", 3),
    ("hippocamp-models", 3),
    ("hippocamp-http", 4),
    ("hippocamp-grpc", 4),
    ("hippocamp", 5),
    ("hippocamp-app", 5),
    ("hippocamp-tests", 6),
    ("hippocamp-benches", 6),
];

/// What a crate may know of ours, where its level alone would allow more.
const ONLY: &[(&str, &[&str])] = &[
    ("hippocamp-types", &[]),
    ("hippocamp-proto", &[]),
    ("hippocamp-backend-abi", &[]),
    // A backend knows the plugin boundary and nothing of the server behind it.
    ("hippocamp-backend", &["hippocamp-backend-abi", "hippocamp-types"]),
    ("hippocamp-identity", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-image", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-repeat", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-square", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-tract", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-tokenizer", &["hippocamp-backend", "hippocamp-types"]),
    ("hippocamp-usearch", &["hippocamp-backend", "hippocamp-types"]),
    ("triton-identity", &["hippocamp-backend", "hippocamp-identity"]),
    ("triton-image", &["hippocamp-backend", "hippocamp-image"]),
    ("triton-repeat", &["hippocamp-backend", "hippocamp-repeat"]),
    ("triton-square", &["hippocamp-backend", "hippocamp-square"]),
    ("triton-tokenizer", &["hippocamp-backend", "hippocamp-tokenizer"]),
    ("triton-tract", &["hippocamp-backend", "hippocamp-tract"]),
    ("triton-usearch", &["hippocamp-backend", "hippocamp-usearch"]),
    // The catalogue is films, never models; models are made without a server.
    ("hippocamp-catalogue", &[]),
    (
        "hippocamp-models",
        &[
            "hippocamp-catalogue",
            "hippocamp-config",
            "hippocamp-tokenizer",
            "hippocamp-tract",
            "hippocamp-usearch",
        ],
    ),
    // A client reaches a server only from outside.
    ("hippocamp-client", &["hippocamp-proto"]),
    // So does the application: it infers nothing itself, and knows no backend.
    (
        "hippocamp-app",
        &[
            "hippocamp-catalogue",
            "hippocamp-client",
            "hippocamp-net",
            "hippocamp-telemetry",
            "hippocamp-types",
        ],
    ),
    // A store knows files, and nothing of what they are for.
    ("hippocamp-object-store", &["hippocamp-types"]),
    // Below `core`, scheduling and life cycle name no backend, no protocol and no C.
    ("hippocamp-scheduler", &["hippocamp-config", "hippocamp-telemetry", "hippocamp-types"]),
    (
        "hippocamp-repository",
        &["hippocamp-config", "hippocamp-proto", "hippocamp-telemetry", "hippocamp-types"],
    ),
];

/// Crates that may contain unsafe code; every other one forbids it.
const UNSAFE: &[&str] = &[
    "hippocamp-backend-abi",
    "hippocamp-backend",
    "hippocamp-backend-host",
    "triton-identity",
    "triton-image",
    "triton-repeat",
    "triton-square",
    "triton-tokenizer",
    "triton-tract",
    "triton-usearch",
];

const LARGEST_FILE: u64 = 5 * 1024 * 1024;

struct Package {
    name: String,
    /// Its crates of ours that it is built from.
    ours: BTreeSet<String>,
    /// The root files of its libraries and executables.
    roots: Vec<PathBuf>,
}

#[test]
fn dependencies_point_down() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    let only: BTreeMap<_, _> = ONLY.iter().copied().collect();
    let mut faults = Vec::new();
    for package in packages() {
        let name = package.name.as_str();
        let Some(level) = levels.get(name) else {
            faults.push(format!("{name} has no level: add it to LEVELS and docs/architecture.md"));
            continue;
        };
        for other in &package.ours {
            if levels.get(other.as_str()).is_some_and(|below| below >= level) {
                faults.push(format!("{name} depends on {other}, which is not below it"));
            }
            if only.get(name).is_some_and(|allowed| !allowed.contains(&other.as_str())) {
                faults.push(format!("{name} must not know {other}"));
            }
        }
    }
    assert_no(&faults);
}

#[test]
fn unsafe_code_is_forbidden_but_in_the_crates_named() {
    let mut faults = Vec::new();
    for package in packages().iter().filter(|package| !UNSAFE.contains(&package.name.as_str())) {
        for root in &package.roots {
            let source = fs::read_to_string(root).expect("cargo names files that exist");
            if !source.contains("#![forbid(unsafe_code)]") {
                faults.push(format!("{} lacks #![forbid(unsafe_code)]", root.display()));
            }
        }
    }
    assert_no(&faults);
}

#[test]
fn the_architecture_names_every_crate() {
    let page = fs::read_to_string(workspace_root().join("docs/architecture.md"))
        .expect("docs/architecture.md is there");
    let faults: Vec<_> = packages()
        .iter()
        .filter(|package| !page.contains(&format!("`{}`", package.name)))
        .map(|package| format!("docs/architecture.md does not name `{}`", package.name))
        .collect();
    assert_no(&faults);
}

#[test]
fn the_guide_to_backends_shows_the_example_whole() {
    let read = |path| fs::read_to_string(workspace_root().join(path)).expect("it is there");
    let example = read("backends/sdk/examples/scale.rs");
    assert!(example.lines().count() < 80, "the example is to fit on a page");
    let shown = format!("```rust\n{example}```\n");
    assert!(read("docs/backends.md").contains(&shown), "docs/backends.md shows another example");
}

/// `cargo build` and `cargo test` share what they compile only if no dev-dependency asks for
/// features that the build does without.
#[test]
fn tests_add_no_features_to_what_the_build_compiles() {
    let built = features("normal,build");
    let tested = features("normal,build,dev");
    let faults: Vec<_> = built
        .difference(&tested)
        .map(|line| format!("compiled again with other features for tests: {line}"))
        .collect();
    assert_no(&faults);
}

#[test]
fn no_file_is_large_or_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them.
    let machine: Vec<_> = ["work", "root", "home"].map(|name| format!("/{name}/")).into();
    let mut faults = Vec::new();
    for path in files() {
        let shown = path.display();
        let Ok(metadata) = fs::symlink_metadata(workspace_root().join(&path)) else {
            continue; // deleted, and not yet committed so
        };
        if metadata.is_symlink() {
            faults.push(format!("{shown} is a link: what it leads to is not in the tree"));
            continue;
        }
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > LARGEST_FILE {
            faults.push(format!("{shown} has {} bytes, more than {LARGEST_FILE}", metadata.len()));
            continue;
        }
        let content = fs::read(workspace_root().join(&path)).expect("a file in the work tree");
        let text = String::from_utf8_lossy(&content);
        for name in &machine {
            if text.contains(name) {
                faults.push(format!("{shown} names a path under {name}"));
            }
        }
    }
    assert_no(&faults);
}

fn assert_no(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The workspace's packages, from cargo.
fn packages() -> Vec<Package> {
    let json = output(Command::new(env!("CARGO")).args([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--locked",
    ]));
    let metadata: Value = serde_json::from_slice(&json).expect("cargo speaks JSON");
    let packages = list(&metadata, "packages");
    let ours: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    packages.iter().map(|package| read_package(package, &ours)).collect()
}

fn read_package(package: &Value, workspace: &BTreeSet<String>) -> Package {
    let ours = list(package, "dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .map(|dependency| text(dependency, "name"))
        .filter(|name| workspace.contains(name))
        .collect();
    let roots = list(package, "targets")
        .iter()
        .filter(|target| {
            let kinds = list(target, "kind");
            ["lib", "cdylib", "bin"].iter().any(|kind| kinds.iter().any(|k| k == kind))
        })
        .map(|target| PathBuf::from(text(target, "src_path")))
        .collect();
    Package { name: text(package, "name"), ours, roots }
}

/// Each package with the features it is compiled with, a line each.
fn features(edges: &str) -> BTreeSet<String> {
    let tree = output(Command::new(env!("CARGO")).args([
        "tree",
        "--workspace",
        "--locked",
        "--prefix=none",
        "--format={p} {f}",
        "--edges",
        edges,
    ]));
    String::from_utf8(tree)
        .expect("cargo speaks UTF-8")
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

/// The files of the project, relative to its root.
fn files() -> Vec<PathBuf> {
    let names = output(Command::new("git").args([
        // A container may run as another user than the one that made the clone.
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]));
    let names = String::from_utf8(names).expect("file names are UTF-8");
    names.split_terminator('\0').map(|name| Path::new(name).to_owned()).collect()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.current_dir(workspace_root()).output().expect("it can be executed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {complaint}");
    output.stdout
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("cargo tells no {key}"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("cargo tells no {key}")).to_owned()
}
