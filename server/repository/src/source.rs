//! What stands in a repository directory: models, their versions, their configuration, and a
//! fingerprint that changes when any of their files does. Called by [`crate::Repository`].

use crate::RepositoryError;
use hippocamp_config::{prepare, read_pbtxt};
use hippocamp_proto::inference as proto;
use hippocamp_types::Error;
use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// One model as it stands on disk.
#[derive(Clone, Debug)]
pub(crate) struct ModelSource {
    /// The model's directory.
    pub directory: PathBuf,
    /// Numeric directories in it, ascending.
    pub versions: Vec<u64>,
    /// Prepared, not yet completed by the backend.
    pub config: proto::ModelConfig,
    /// Changes when any file of the model does.
    pub fingerprint: u64,
    /// What the system knows of its files, where they must stay as they are while it loads.
    pub stat: Option<u64>,
    /// Keeps the directory of a model that came with the load call.
    pub temporary: Option<std::sync::Arc<TempDir>>,
}

impl ModelSource {
    /// The models that this one's steps name; empty for anything but an ensemble.
    pub(crate) fn members(&self) -> Vec<String> {
        use proto::model_config::SchedulingChoice;
        match &self.config.scheduling_choice {
            Some(SchedulingChoice::EnsembleScheduling(ensemble)) => {
                ensemble.step.iter().map(|step| step.model_name.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The error with what makes this model's files, where its configuration says it (parameter
    /// `made_by`): files that are built or fetched may be missing or old.
    pub(crate) fn with_remedy(&self, error: Error) -> Error {
        match self.config.parameters.get("made_by") {
            Some(made_by) => {
                let text = format!("{error} (its files are made by: {})", made_by.string_value);
                Error::new(error.code(), text)
            }
            None => error,
        }
    }
}

/// Names and directories of every model below `roots`. A directory whose name starts with a dot is
/// no model.
///
/// # Errors
/// If a root cannot be listed, or two roots hold a model of the same name.
pub(crate) fn scan(roots: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, RepositoryError> {
    let mut models = BTreeMap::new();
    for root in roots {
        let unreadable = |source| RepositoryError::Unreadable { path: root.clone(), source };
        for entry in fs::read_dir(root).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                tracing::warn!(path = %path.display(), "skipped: a model's name must be UTF-8");
                continue;
            };
            if name.starts_with('.') || !path.is_dir() {
                continue;
            }
            if let Some(first) = models.insert(name.clone(), path.clone()) {
                return Err(RepositoryError::Ambiguous { name, first, second: path });
            }
        }
    }
    Ok(models)
}

/// Reads the model in `directory`; `config_name` (`--model-config-name`) picks
/// `configs/<config_name>.pbtxt` where the model has it.
///
/// # Errors
/// If its files cannot be read, or its configuration is wrong.
pub(crate) fn read(
    name: &str,
    directory: &Path,
    config_name: Option<&str>,
) -> Result<ModelSource, RepositoryError> {
    let custom = config_name
        .map(|config| directory.join("configs").join(format!("{config}.pbtxt")))
        .filter(|path| path.is_file());
    let path = custom.unwrap_or_else(|| directory.join("config.pbtxt"));
    let config = if path.exists() { read_pbtxt(&path)? } else { proto::ModelConfig::default() };
    finish(name, directory.to_owned(), config, None)
}

/// The model in `directory` with `config` instead of its own.
pub(crate) fn with_config(
    name: &str,
    directory: PathBuf,
    config: proto::ModelConfig,
    temporary: Option<TempDir>,
) -> Result<ModelSource, RepositoryError> {
    finish(name, directory, config, temporary)
}

fn finish(
    name: &str,
    directory: PathBuf,
    config: proto::ModelConfig,
    temporary: Option<TempDir>,
) -> Result<ModelSource, RepositoryError> {
    let config = prepare(config, name, &directory)?;
    let unreadable = |source| RepositoryError::Unreadable { path: directory.clone(), source };
    let versions = versions(&directory).map_err(unreadable)?;
    let mut hasher = DefaultHasher::new();
    fingerprint(&directory, &mut hasher).map_err(unreadable)?;
    Ok(ModelSource {
        fingerprint: hasher.finish(),
        versions,
        config,
        stat: None,
        temporary: temporary.map(std::sync::Arc::new),
        directory,
    })
}

/// Numbers of the version directories; as in Triton, a name with a leading zero is none.
fn versions(directory: &Path) -> io::Result<Vec<u64>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number =
            name.to_str().filter(|name| !name.starts_with('0')).and_then(|name| name.parse().ok());
        if let Some(number) = number
            && entry.path().is_dir()
        {
            versions.push(number);
        }
    }
    versions.sort_unstable();
    Ok(versions)
}

/// Path, size and time of every file, in a fixed order.
fn fingerprint(directory: &Path, hasher: &mut impl Hasher) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        path.hash(hasher);
        // Follows links: a repository may be made of them.
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            fingerprint(&path, hasher)?;
        } else {
            metadata.len().hash(hasher);
            metadata.modified()?.hash(hasher);
        }
    }
    Ok(())
}
