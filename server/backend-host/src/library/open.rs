//! Opens a library with what it needs: a stand-in for Triton's own library, and the libraries that
//! lie beside it, which the dynamic loader would not look for there.

use super::{
    elf::{self, ElfError},
    stand_in,
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::{
    collections::BTreeSet,
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};

/// Libraries that are opened for one backend, at most.
const MAX_LIBRARIES: usize = 256;

/// An open backend, and what was opened for it.
#[derive(Debug)]
pub(crate) struct OpenLibrary {
    pub(super) backend: Library,
    /// In the order they were opened.
    needed: Vec<Library>,
}

impl OpenLibrary {
    /// Closes the backend, then what it needed.
    pub(crate) fn close(self) -> Result<(), libloading::Error> {
        let mut closed = self.backend.close();
        for needed in self.needed.into_iter().rev() {
            closed = closed.and(needed.close());
        }
        closed
    }
}

/// Opens the library at `path`.
pub(super) fn open(path: &Path) -> Result<OpenLibrary, String> {
    let names = needed(path)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut opening = Opening { directory, seen: BTreeSet::new(), opened: Vec::new() };
    opening.provide(&names)?;
    Ok(OpenLibrary { backend: dlopen(path)?, needed: opening.opened })
}

struct Opening<'a> {
    /// Of the backend.
    directory: &'a Path,
    seen: BTreeSet<String>,
    opened: Vec<Library>,
}

impl Opening<'_> {
    /// Opens those of `names` that are ours to provide; the loader finds the others.
    fn provide(&mut self, names: &[String]) -> Result<(), String> {
        for name in names {
            if self.seen.len() == MAX_LIBRARIES || !self.seen.insert(name.clone()) {
                continue;
            }
            if is_tritons(name) {
                self.opened.push(open_stand_in(name)?);
                continue;
            }
            let path = self.directory.join(name);
            if path.is_file() {
                // What it needs may lie beside it, too.
                self.provide(&needed(&path)?)?;
                self.opened.push(dlopen(&path)?);
            }
        }
        Ok(())
    }
}

/// `libtritonserver.so`, or what a tool that repairs wheels renamed it to: `libtritonserver-717102f0.so`.
fn is_tritons(name: &str) -> bool {
    name.starts_with("libtritonserver") && name.contains(".so")
}

fn needed(path: &Path) -> Result<Vec<String>, String> {
    elf::needed(path).map_err(|error: ElfError| format!("{}: {error}", path.display()))
}

/// The loader knows a library by the name inside, so the file goes as soon as it is open.
fn open_stand_in(name: &str) -> Result<Library, String> {
    let fail = |path: &Path, error: &dyn std::fmt::Display| {
        format!("cannot make a stand-in for {name} in {}: {error}", path.display())
    };
    let directory = tempfile::Builder::new()
        .prefix("hippocamp-library-")
        .tempdir()
        .map_err(|error| fail(&std::env::temp_dir(), &error))?;
    let path: PathBuf = directory.path().join(name);
    fs::write(&path, stand_in::library(name, &[])).map_err(|error| fail(&path, &error))?;
    dlopen(&path)
}

fn dlopen(path: &Path) -> Result<Library, String> {
    // SAFETY: initialisers and finalisers of a backend, and of the libraries beside it, are trusted
    // code: the operator put them where backends are looked for. A stand-in has none.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    // The text of dlerror is the source of libloading's own.
    opened.map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests;
