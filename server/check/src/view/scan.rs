//! What stands in the repositories' directories, as the server scans them.

use crate::CheckError;
use hippocamp_config::version_directories;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Ends of names that mean a model or a configuration.
const MODEL_FILES: [&str; 12] = [
    ".onnx",
    ".pbtxt",
    ".pt",
    ".pt2",
    ".plan",
    ".engine",
    ".py",
    ".graphdef",
    ".savedmodel",
    ".usearch",
    ".parquet",
    ".safetensors",
];

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
    /// It looks like one model; nothing below it is looked at then.
    pub(crate) is_model: bool,
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

/// Where one model stands.
#[derive(Debug)]
pub(crate) struct Model<'f> {
    pub(crate) name: &'f str,
    /// Its repository.
    pub(crate) root: &'f Path,
    pub(crate) directory: &'f Path,
}

impl Entry {
    /// The name, if the entry is a model.
    pub(crate) fn model(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| self.is_dir && !name.starts_with('.'))
    }
}

impl Found {
    /// The models by name. Of two of one name the first, or where repositories are `namespaces` the
    /// others too, by their qualified names.
    pub(crate) fn models(&self, namespaces: bool) -> BTreeMap<String, Model<'_>> {
        let mut models = BTreeMap::new();
        for root in &self.roots {
            for entry in &root.entries {
                let Some(name) = entry.model() else { continue };
                let model = Model { name, root: &root.path, directory: &entry.path };
                if !models.contains_key(name) {
                    models.insert(name.to_owned(), model);
                } else if namespaces {
                    models.insert(qualified(&root.path, name), model);
                }
            }
        }
        models
    }
}

/// What a model is called here whose name another repository has, too. No directory has such a name.
pub(super) fn qualified(root: &Path, name: &str) -> String {
    format!("{}/{name}", root.display())
}

/// Lists `roots`.
///
/// # Errors
/// If one cannot be listed, or is a URL.
pub(crate) fn scan(roots: &[PathBuf]) -> Result<Found, CheckError> {
    let is_url = |path: &&PathBuf| path.to_str().is_some_and(|path| path.contains("://"));
    if let Some(path) = roots.iter().find(is_url) {
        return Err(CheckError::Url { path: path.clone() });
    }
    let list = |path: &PathBuf| -> io::Result<Root> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let path = entry.path();
            let is_dir = path.is_dir();
            entries.push(Entry { name: entry.file_name().into_string().ok(), is_dir, path });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let is_model = is_model_alone(path, &entries);
        if is_model {
            entries.clear();
        }
        Ok(Root { path: path.clone(), canonical: fs::canonicalize(path)?, is_model, entries })
    };
    let roots = roots
        .iter()
        .map(|path| {
            list(path).map_err(|source| CheckError::Unreadable { path: path.clone(), source })
        })
        .collect::<Result<_, _>>()?;
    Ok(Found { roots })
}

/// Whether the directory looks like a model, and holds none.
fn is_model_alone(directory: &Path, entries: &[Entry]) -> bool {
    let configured = directory.join("config.pbtxt").is_file();
    // Beside a configuration a number is a version, whatever stands in it.
    let is_version = |entry: &&Entry| {
        configured && entry.name.as_deref().is_some_and(|name| name.parse::<u64>().is_ok())
    };
    let mut inner = entries.iter().filter(|entry| entry.is_dir && !is_version(entry));
    is_model(directory) && !inner.any(|entry| is_model(&entry.path))
}

/// Whether a directory holds a configuration, or a version with a model's file in it.
fn is_model(directory: &Path) -> bool {
    let holds_file = |version: &u64| {
        let entries = fs::read_dir(directory.join(version.to_string()));
        entries.into_iter().flatten().flatten().any(|entry| {
            let name = entry.file_name();
            let of_a_model = |name: &str| is_of_a_model(name) && name != "config.pbtxt";
            name.to_str().is_some_and(of_a_model) || name == "tokenizer.json"
        })
    };
    directory.join("config.pbtxt").is_file()
        || version_directories(directory).unwrap_or_default().iter().any(holds_file)
}

/// Whether a file's name is that of a model or of a configuration.
pub(crate) fn is_of_a_model(name: &str) -> bool {
    !name.starts_with('.') && MODEL_FILES.iter().any(|end| name.ends_with(end))
}
