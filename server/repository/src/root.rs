//! Where models stand: directories, and stores they are fetched from. Called by [`crate::Repository`].

use crate::{RepositoryError, files::Bounds};
use hippocamp_types::ModelStore;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One `--model-repository`.
#[derive(Clone, Debug)]
pub enum Root {
    /// A directory of models.
    Directory(PathBuf),
    /// A bucket or a hub.
    Store {
        /// As it was given: `s3://bucket/models`.
        url: String,
        /// What fetches from it.
        store: Arc<dyn ModelStore>,
    },
}

/// A model that a root holds.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As its directory is called.
    pub(crate) name: String,
    /// The root, where roots are namespaces.
    pub(crate) namespace: Option<String>,
    stands: Stands,
}

/// Where a model stands.
#[derive(Clone, Debug)]
enum Stands {
    /// Its directory, and that of its repository, which links may not leave; `None` if they may.
    Directory { directory: PathBuf, root: Option<PathBuf> },
    /// To be fetched.
    Stored { store: Arc<dyn ModelStore>, url: String },
}

/// A model's files on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The model's directory.
    pub(crate) directory: PathBuf,
    /// Where its links may lead.
    pub(crate) bounds: Bounds,
}

impl Root {
    /// As it was given.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Store { url, .. } => url.clone(),
        }
    }

    /// Every model of this root. Asks a store.
    fn scan(&self, external_links: bool) -> Result<Vec<(String, Stands)>, RepositoryError> {
        match self {
            Self::Directory(root) => directories(root, external_links),
            Self::Store { url, store } => {
                let names = store.list().map_err(RepositoryError::store)?;
                let stands = || Stands::Stored { store: Arc::clone(store), url: url.clone() };
                Ok(names.into_iter().map(|name| (name, stands())).collect())
            }
        }
    }
}

impl Found {
    /// Its files on this machine; downloads them where they are elsewhere.
    ///
    /// # Errors
    /// If they cannot be downloaded, or the repository is gone.
    pub(crate) fn place(&self) -> Result<Place, RepositoryError> {
        let inside = |within: &Path| {
            Bounds::inside(within)
                .map_err(|reason| RepositoryError::Unreadable { path: within.to_owned(), reason })
        };
        match &self.stands {
            Stands::Directory { directory, root } => {
                let bounds = root.as_deref().map_or(Ok(Bounds::Anywhere), inside)?;
                Ok(Place { directory: directory.clone(), bounds })
            }
            Stands::Stored { store, .. } => {
                let directory = store.fetch(&self.name).map_err(RepositoryError::store)?;
                let bounds = inside(&directory)?;
                Ok(Place { directory, bounds })
            }
        }
    }

    /// Its files, if it stands in a directory: what is fetched is whole.
    pub(crate) fn in_directory(&self) -> Option<Place> {
        (!self.is_stored()).then(|| self.place().ok()).flatten()
    }

    /// Whether it is fetched from a store.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.stands, Stands::Stored { .. })
    }

    /// How errors tell where it is.
    fn shown(&self) -> String {
        match &self.stands {
            Stands::Directory { directory, .. } => directory.display().to_string(),
            Stands::Stored { url, .. } => format!("{url}/{}", self.name),
        }
    }
}

/// Every model of `roots`, by what it is called here: its name or, where roots are namespaces and two of
/// them hold the name, [`qualified`].
///
/// # Errors
/// If a root cannot be listed, or two roots hold a model of the same name and are no namespaces.
pub(crate) fn scan(
    roots: &[Root],
    namespaces: bool,
    external_links: bool,
) -> Result<BTreeMap<String, Found>, RepositoryError> {
    let mut by_name: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for root in roots {
        for (name, stands) in root.scan(external_links)? {
            let namespace = namespaces.then(|| root.name());
            let found = Found { name: name.clone(), namespace, stands };
            by_name.entry(name).or_default().push(found);
        }
    }
    let mut models = BTreeMap::new();
    for (name, mut found) in by_name {
        match &found[..] {
            [first, second, ..] if !namespaces => {
                let (first, second) = (first.shown(), second.shown());
                return Err(RepositoryError::Ambiguous { name, first, second });
            }
            [_] => models.extend(found.pop().map(|only| (name, only))),
            _ => models.extend(found.into_iter().map(|found| {
                let key = qualified(found.namespace.as_deref().unwrap_or_default(), &name);
                (key, found)
            })),
        }
    }
    Ok(models)
}

/// What a model is called here whose name two namespaces hold. No directory has such a name.
pub(crate) fn qualified(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// The namespaces of those of `names` that stand for a model of this name.
pub(crate) fn namespaces_of<'n>(
    names: impl Iterator<Item = &'n str>,
    name: &'n str,
) -> impl Iterator<Item = &'n str> {
    names.filter_map(move |full| full.strip_suffix(name)?.strip_suffix('/'))
}

/// Names of the models that stand in directories now: no store is asked.
///
/// # Errors
/// If one cannot be listed.
pub(crate) fn names_in_directories(roots: &[Root]) -> Result<BTreeSet<String>, RepositoryError> {
    let mut names = BTreeSet::new();
    for root in roots {
        if let Root::Directory(root) = root {
            names.extend(directories(root, false)?.into_iter().map(|(name, _)| name));
        }
    }
    Ok(names)
}

/// The models of one directory. A directory whose name starts with a dot is no model.
fn directories(
    root: &Path,
    external_links: bool,
) -> Result<Vec<(String, Stands)>, RepositoryError> {
    let unreadable = |reason| RepositoryError::Unreadable { path: root.to_owned(), reason };
    let mut models = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let directory = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            tracing::warn!(path = %directory.display(), "skipped: a model's name must be UTF-8");
            continue;
        };
        // One that cannot be looked at is there: only what is certain is taken for gone.
        let is_model = match fs::metadata(&directory) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if !name.starts_with('.') && is_model {
            let root = (!external_links).then(|| root.to_owned());
            models.push((name, Stands::Directory { directory, root }));
        }
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn one_name_in_two_roots() {
        let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for (root, model) in [(&first, "a"), (&first, "b"), (&second, "b"), (&second, ".hidden")] {
            fs::create_dir(root.path().join(model)).unwrap();
        }
        let roots: Vec<Root> =
            [&first, &second].map(|root| Root::Directory(root.path().to_owned())).into();
        let refused = scan(&roots, false, false).unwrap_err().to_string();
        assert!(refused.contains("two repositories hold a model 'b'"), "{refused}");
        let found = scan(&roots, true, false).unwrap();
        let mut expected: Vec<String> =
            roots.iter().map(|root| qualified(&root.name(), "b")).collect();
        expected.sort();
        expected.push("a".to_owned());
        assert_eq!(found.keys().cloned().collect::<Vec<_>>(), expected);
        assert!(found.values().all(|found| found.namespace.is_some()));
    }
}
