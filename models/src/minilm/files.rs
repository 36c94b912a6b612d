//! Hashes, and files that are either whole or absent. Used by everything in this folder that
//! writes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Bytes read at a time: large enough that system calls do not show beside SHA-256.
const CHUNK: usize = 1 << 18;

/// SHA-256 of `bytes` in lowercase hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file in lowercase hex; `None` where there is no such file.
pub(super) fn sha256_file(path: &Path) -> anyhow::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| cannot("read", path)),
    };
    let sha256 = copy_hashed(&mut file, &mut io::sink()).with_context(|| cannot("read", path))?;
    Ok(Some(sha256))
}

/// Copies everything from `from` to `to` and returns its SHA-256 in lowercase hex.
pub(super) fn copy_hashed(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
    }
}

/// Keeps other processes out of `directory` until the result is dropped: two runs at once would
/// write to the same temporary names.
pub(super) fn lock(directory: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(directory).with_context(|| cannot("create", directory))?;
    let handle = File::open(directory).with_context(|| cannot("open", directory))?;
    match handle.lock() {
        // Some network file systems have no locks; one run at a time is then up to the caller.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => {
            Err(error).with_context(|| cannot("lock", directory))
        }
        _ => Ok(handle),
    }
}

/// Makes `path` hold exactly `bytes`: written under a temporary name and renamed into place, so
/// that a run that is interrupted leaves nothing that looks whole. Returns false, and touches
/// nothing, where it holds them already.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _lock = lock(directory)?;
    if holds(path, bytes) {
        return Ok(false);
    }
    let name = path.file_name().with_context(|| format!("'{}' names no file", path.display()))?;
    let partial = directory.join(format!(".{}.partial", name.to_string_lossy()));
    let written = write_synced(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| cannot("write", path));
    if written.is_err() {
        discard(&partial);
    }
    written.map(|()| true)
}

/// Removes what a failed step left behind. That it could not be removed is not worth a second
/// error beside the first: the next run writes over it.
pub(super) fn discard(path: &Path) {
    drop(if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) });
}

/// "cannot read '/some/file'": context for the errors of `std::io`, which name no file.
pub(super) fn cannot(verb: &str, path: &Path) -> String {
    format!("cannot {verb} '{}'", path.display())
}

/// Size of the largest file below `directory`, as far as it can be seen: other processes write
/// there.
pub(super) fn largest_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => largest_below(&path),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(|entry| size(entry.path())).max().unwrap_or(0)
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64);
    same_size && sha256_file(path).is_ok_and(|found| found == Some(sha256_hex(bytes)))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn hex(digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1, and the empty message.
        for (message, expect) in [
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ] {
            assert_eq!(sha256_hex(message.as_bytes()), expect);
            let mut copy = Vec::new();
            assert_eq!(copy_hashed(&mut message.as_bytes(), &mut copy).unwrap(), expect);
            assert_eq!(copy, message.as_bytes());
        }
    }

    #[test]
    fn replace_leaves_equal_files_alone_and_no_temporary_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/file");
        for (bytes, changed) in [("one", true), ("one", false), ("two", true), ("twos", true)] {
            assert_eq!(replace(&path, bytes.as_bytes()).unwrap(), changed, "{bytes}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_largest_file_is_found_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(largest_below(&directory.path().join("none")), 0);
        assert_eq!(largest_below(directory.path()), 0);
        for (path, bytes) in [("a", "two"), ("b/c", "three"), ("b/d/e", "x")] {
            replace(&directory.path().join(path), bytes.as_bytes()).unwrap();
        }
        assert_eq!(largest_below(directory.path()), 5);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = format!("{:#}", replace(&path, b"x").unwrap_err());
        assert!(error.contains("cannot write") && error.contains("taken"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file stays");
    }
}
