//! What stands where a model's file should be.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// How much of a file tells what it is.
const HEAD: u64 = 512;

/// What stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    Absent,
    Unreadable,
    Directory,
    Empty,
    /// What `git lfs` leaves where it did not fetch the file.
    LfsPointer,
    /// What a web server sends instead of a file.
    Html,
    /// A file with something in it.
    File,
}

/// The text of a file.
///
/// # Errors
/// If it cannot be read, or is no file: a pipe would wait for a writer.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    fs::read_to_string(path)
}

pub(crate) fn state_of(path: &Path) -> FileState {
    let Ok(metadata) = path.metadata() else { return FileState::Absent };
    if metadata.is_dir() {
        return FileState::Directory;
    }
    // A pipe would wait for a writer.
    if !metadata.is_file() {
        return FileState::Unreadable;
    }
    if metadata.len() == 0 {
        return FileState::Empty;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    if read.is_err() {
        return FileState::Unreadable;
    }
    let start = head.trim_ascii_start();
    let begins =
        |with: &[u8]| start.len() >= with.len() && start[..with.len()].eq_ignore_ascii_case(with);
    if begins(b"version https://git-lfs") {
        FileState::LfsPointer
    } else if begins(b"<!doctype html") || begins(b"<html") {
        FileState::Html
    } else {
        FileState::File
    }
}
