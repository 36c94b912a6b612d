//! What stands in the repositories' directories, as the server scans them.

use crate::CheckError;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Everything at the top of every repository.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) roots: Vec<Root>,
}

/// One repository.
#[derive(Debug)]
pub(crate) struct Root {
    /// As it was given.
    pub(crate) path: PathBuf,
    /// Without links.
    pub(crate) canonical: PathBuf,
    /// By name.
    pub(crate) entries: Vec<Entry>,
}

/// A file or directory at the top of a repository.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `None` if it is not UTF-8.
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) is_dir: bool,
}

impl Entry {
    /// The name, if the entry is a model.
    pub(crate) fn model(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| self.is_dir && !name.starts_with('.'))
    }
}

impl Found {
    /// Names and directories of the models; of two of one name the first.
    pub(crate) fn models(&self) -> BTreeMap<&str, &Path> {
        let mut models = BTreeMap::new();
        for entry in self.roots.iter().flat_map(|root| &root.entries) {
            if let Some(name) = entry.model() {
                models.entry(name).or_insert(entry.path.as_path());
            }
        }
        models
    }
}

/// Lists `roots`.
///
/// # Errors
/// If one cannot be listed.
pub(crate) fn scan(roots: &[PathBuf]) -> Result<Found, CheckError> {
    let list = |path: &PathBuf| -> io::Result<Root> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let path = entry.path();
            let is_dir = path.is_dir();
            entries.push(Entry { name: entry.file_name().into_string().ok(), is_dir, path });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Root { path: path.clone(), canonical: fs::canonicalize(path)?, entries })
    };
    let roots = roots
        .iter()
        .map(|path| {
            list(path).map_err(|source| CheckError::Unreadable { path: path.clone(), source })
        })
        .collect::<Result<_, _>>()?;
    Ok(Found { roots })
}

/// Numbers of the version directories, ascending; a name with a leading zero is none.
pub(crate) fn versions_in(directory: &Path) -> Vec<u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0');
        let number = name.parse().ok().filter(|_| plain)?;
        entry.path().is_dir().then_some(number)
    };
    let mut versions: Vec<u64> = entries.filter_map(number).collect();
    versions.sort_unstable();
    versions
}
