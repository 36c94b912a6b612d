//! `hippocamp backend new`: a crate for a backend, made of the example that docs/backends.md shows.

use crate::command::NewBackend;
use anyhow::{Context as _, ensure};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// The backend itself; the names in it are replaced.
const EXAMPLE: &str = include_str!("../../../backends/sdk/examples/scale.rs");

const CARGO: &str = r#"[package]
name = "triton-NAME"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
name = "triton_NAME"
crate-type = ["cdylib"]

[dependencies]
hippocamp-backend = { path = SDK }
serde_json = "1"

[dev-dependencies]
# The functions of a server, for tests to link.
hippocamp-backend-host = { path = HOST }

# No member of a workspace that it may lie in.
[workspace]
"#;

const BUILD: &str = r#"//! The library stays mapped after `dlclose`: Rust's thread-locals may have destructors in it.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
"#;

const TESTS: &str = r#"
#[cfg(test)]
mod tests {
    use super::*;
    // The functions of a server that the SDK calls.
    use hippocamp_backend_host as _;

    #[test]
    fn values_are_multiplied() {
        assert_eq!(compute(&[1.0, -4.0], 0.5), [0.5, -2.0]);
    }
}
"#;

const MODEL: &str = r#"backend: "NAME"
parameters { key: "factor" value { string_value: "0.5" } }
parameters { key: "example" value { string_value: "{\"INPUT\": [1, 2, 3]}" } }
"#;

/// Makes the crate; gives what to say to the user.
///
/// # Errors
/// If the name is none, the SDK is not found, or something is there already.
pub(crate) fn run(wanted: &NewBackend) -> anyhow::Result<String> {
    let name = wanted.name.as_str();
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    ensure!(
        name.len() <= 64
            && name.bytes().all(letters)
            && name.starts_with(|first: char| first.is_ascii_lowercase()),
        "'{name}' is no name for a backend: use small letters, digits and \"_\", 64 at most, a letter first"
    );
    let (sdk, host) = sources(wanted.sdk.as_deref())?;
    let directory = wanted.directory.clone().unwrap_or_else(|| PathBuf::from(name));
    ensure!(
        !directory.exists(),
        "{} is there already: remove it, or name another place with --directory",
        directory.display()
    );
    // A path in TOML is a string like any other.
    let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned()).to_string();
    let cargo =
        CARGO.replace("NAME", name).replace("SDK", &quoted(&sdk)).replace("HOST", &quoted(&host));
    let library = format!("libtriton_{name}.so");
    let files = [
        ("Cargo.toml".to_owned(), cargo),
        ("build.rs".to_owned(), BUILD.to_owned()),
        ("src/lib.rs".to_owned(), source(name)),
        (".gitignore".to_owned(), "/target/\n".to_owned()),
        (format!("models/{name}/config.pbtxt"), MODEL.replace("NAME", name)),
        (format!("models/{name}/1/.gitkeep"), String::new()),
    ];
    for (path, content) in files {
        write(&directory.join(path), &content)?;
    }
    // Where the servers look for what `cargo build` makes.
    let link = directory.join("backends").join(name).join(&library);
    make_parent(&link)?;
    symlink(Path::new("../../target/release").join(&library), &link)
        .with_context(|| format!("cannot make {}", link.display()))?;
    Ok(format!(
        "made {directory}\n\n  cd {directory}\n  cargo test\n  cargo build --release\n  \
         hippocamp --model-repository models --backend-directory backends\n\n\
         The backend is in src/lib.rs; docs/backends.md of Hippocamp's sources explains it.\n",
        directory = directory.display()
    ))
}

/// The example under another name, with a test.
fn source(name: &str) -> String {
    let mut type_name = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        type_name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        type_name.push_str(letters.as_str());
    }
    let mut source = EXAMPLE.replace("Scale", &type_name).replace("scale", name);
    source.push_str(TESTS);
    source
}

/// The SDK and the host beside it.
fn sources(stated: Option<&Path>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let sdk = match stated {
        Some(path) => path.to_owned(),
        None => {
            // <sources>/target/release/hippocamp
            let program = env::current_exe().context("cannot tell where this program lies")?;
            let root = program.ancestors().nth(3).unwrap_or(Path::new("/"));
            root.join("backends").join("sdk")
        }
    };
    let place = fs::canonicalize(&sdk).ok().filter(|place| place.join("Cargo.toml").exists());
    let place = place.with_context(|| {
        format!(
            "there is no SDK at {}: name backends/sdk of Hippocamp's sources with --sdk",
            sdk.display()
        )
    })?;
    let host = place.join("../../server/backend-host");
    let host = fs::canonicalize(&host)
        .with_context(|| format!("there is no {} beside the SDK", host.display()))?;
    Ok((place, host))
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    make_parent(path)?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().expect("the files lie in directories");
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, directory: &Path) -> NewBackend {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../backends/sdk");
        NewBackend {
            name: name.to_owned(),
            directory: Some(directory.join("made")),
            sdk: Some(sdk),
        }
    }

    #[test]
    fn a_crate_is_the_example_under_its_own_name() {
        let scratch = tempfile::tempdir().unwrap();
        let told = run(&wanted("two_words", scratch.path())).unwrap();
        let made = scratch.path().join("made");
        assert!(told.contains(&format!("cd {}", made.display())), "{told}");
        let read = |path: &str| fs::read_to_string(made.join(path)).unwrap();
        let source = read("src/lib.rs");
        for has in [
            "struct TwoWordsModel",
            "export_backend!(TwoWordsBackend);",
            "fn values_are_multiplied",
        ] {
            assert!(source.contains(has), "{has} is missing in {source}");
        }
        assert!(!source.to_lowercase().contains("scale"), "{source}");
        let cargo: toml::Table = read("Cargo.toml").parse().unwrap();
        assert_eq!(cargo["lib"]["name"].as_str(), Some("triton_two_words"));
        for (kind, name) in
            [("dependencies", "hippocamp-backend"), ("dev-dependencies", "hippocamp-backend-host")]
        {
            let path = Path::new(cargo[kind][name]["path"].as_str().unwrap());
            let found: toml::Table =
                fs::read_to_string(path.join("Cargo.toml")).unwrap().parse().unwrap();
            assert_eq!(found["package"]["name"].as_str(), Some(name));
        }
        let config = read("models/two_words/config.pbtxt");
        let config = hippocamp_config::parse_pbtxt(&config, "config.pbtxt").unwrap();
        assert_eq!(config.backend, "two_words");
        assert_eq!(config.parameters["example"].string_value, r#"{"INPUT": [1, 2, 3]}"#);
        assert!(made.join("models/two_words/1").is_dir());
        let library = made.join("backends/two_words/libtriton_two_words.so");
        assert_eq!(
            library.parent().unwrap().join(fs::read_link(&library).unwrap()),
            made.join("backends/two_words/../../target/release/libtriton_two_words.so")
        );
    }

    #[test]
    fn nothing_is_overwritten_and_no_name_leads_elsewhere() {
        let scratch = tempfile::tempdir().unwrap();
        for bad in ["", "Half", "1st", "_x", "a-b", "../a", "a/b", &"a".repeat(65)] {
            let error = run(&wanted(bad, scratch.path())).unwrap_err().to_string();
            assert!(error.contains("is no name for a backend"), "{error}");
        }
        assert!(!scratch.path().join("made").exists());
        run(&wanted("half", scratch.path())).unwrap();
        let error = run(&wanted("half", scratch.path())).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        let nowhere = NewBackend {
            sdk: Some(scratch.path().join("nowhere")),
            directory: Some(scratch.path().join("other")),
            name: "half".to_owned(),
        };
        assert!(run(&nowhere).unwrap_err().to_string().contains("--sdk"));
    }
}
