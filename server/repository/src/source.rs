//! What a model is loaded from: its versions, its configuration, and a fingerprint that changes when
//! any of its files does. Called by [`crate::Repository`].

use crate::{
    RepositoryError,
    files::{self, Bounds, Prints, Stats},
    keep::Kept,
    root::Place,
};
use hippocamp_config::{prepare, read_pbtxt, select_versions, version_directories, version_number};
use hippocamp_proto::inference::{self as proto, model_version_policy::PolicyChoice};
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};
use tempfile::TempDir;

/// One model as it stands on disk.
#[derive(Clone, Debug)]
pub(crate) struct ModelSource {
    /// The model's files.
    pub place: Place,
    /// Its repository, where repositories are namespaces.
    pub namespace: Option<String>,
    /// Numeric directories in it, ascending.
    pub versions: Vec<u64>,
    /// Prepared, not yet completed by the backend.
    pub config: proto::ModelConfig,
    /// Changes when a file does that is used: of a version that is selected, or of none.
    pub fingerprint: u64,
    /// What each entry of the directory says, or what the system knows of it.
    entries: Stats,
    /// `entries` are told by what the files say.
    by_content: bool,
    /// Its files, held open once it serves, for the way back.
    pub kept: Option<Arc<Kept>>,
    /// Versions that were gone back from: they do not step in where a later one does not load.
    pub barred: BTreeSet<u64>,
    /// It came with a load call, which stands above what the repository holds.
    pub from_call: bool,
    /// What the system knows of its files, where they must stay as they are while it loads.
    pub stats: Option<Stats>,
    /// Keeps the directory of a model that came with the load call, or was gone back to.
    pub temporary: Option<Arc<TempDir>>,
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

    /// The versions that its policy selects, ascending.
    pub(crate) fn selected(&self) -> Vec<u64> {
        select_versions(self.config.version_policy.as_ref(), &self.versions)
    }

    /// Whether an earlier version may serve in place of the latest: not where versions are named, or all
    /// of them are wanted.
    pub(crate) fn takes_latest(&self) -> bool {
        let policy = self.config.version_policy.as_ref();
        let choice = policy.and_then(|policy| policy.policy_choice.as_ref());
        matches!(choice, None | Some(PolicyChoice::Latest(_)))
    }

    /// From now on there are these versions to select from, which makes it another model to load.
    pub(crate) fn set_versions(&mut self, versions: Vec<u64>) {
        self.versions = versions;
        self.set_fingerprint();
    }

    /// From now on its files are told by what they say; returns by what they were told so far.
    pub(crate) fn set_entries(&mut self, entries: Stats) -> Stats {
        let before = std::mem::replace(&mut self.entries, entries);
        self.by_content = true;
        self.set_fingerprint();
        before
    }

    /// What the files of each version say, where that is known.
    pub(crate) fn prints(&self) -> BTreeMap<u64, u64> {
        let number = |entry: &OsString| entry.to_str().and_then(version_number);
        let known = self.entries.iter().filter(|_| self.by_content);
        known.filter_map(|(entry, print)| Some((number(entry)?, *print))).collect()
    }

    /// Whether the files of the versions that it selects, and those beside them, say at `place` what they
    /// said when this was read; `false` if that is not known.
    pub(crate) fn says_the_same(&self, place: &Place) -> bool {
        self.by_content
            && Prints::default()
                .contents("", place)
                .is_ok_and(|entries| entries == of_versions(&self.entries, &self.selected()))
    }

    fn set_fingerprint(&mut self) {
        if self.from_call {
            return;
        }
        let mut hasher = DefaultHasher::new();
        of_versions(&self.entries, &self.selected()).hash(&mut hasher);
        // A step may mean another model without a change of the files, where roots are namespaces.
        self.namespace.is_some().then(|| self.members()).hash(&mut hasher);
        self.fingerprint = hasher.finish();
    }

    /// Whether the files of `versions`, and those beside them, are not those any more that were at rest.
    pub(crate) fn was_written(&self, versions: &[u64]) -> bool {
        let Some(before) = &self.stats else { return false };
        let Ok(now) = files::stats_by_entry(&self.place) else { return true };
        of_versions(before, versions) != of_versions(&now, versions)
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

/// The entries of these versions, and those that belong to none.
fn of_versions(entries: &Stats, versions: &[u64]) -> Stats {
    let used = entries.iter().filter(|(entry, _)| is_of(entry, versions));
    used.map(|(entry, value)| (entry.clone(), *value)).collect()
}

/// Whether this entry of a model's directory is one of these versions, or no version.
pub(crate) fn is_of(entry: &OsStr, versions: &[u64]) -> bool {
    let number = entry.to_str().and_then(version_number);
    number.is_none_or(|number| versions.contains(&number))
}

/// Reads the model at `place`; `config_name` (`--model-config-name`) picks
/// `configs/<config_name>.pbtxt` where the model has it.
///
/// # Errors
/// If its files cannot be read, or its configuration is wrong.
pub(crate) fn read(
    name: &str,
    place: &Place,
    config_name: Option<&str>,
) -> Result<ModelSource, RepositoryError> {
    // Before anything is read through a link.
    let entries = entries(place)?;
    let directory = &place.directory;
    let custom = config_name
        .map(|config| directory.join("configs").join(format!("{config}.pbtxt")))
        .filter(|path| path.is_file());
    let path = custom.unwrap_or_else(|| directory.join("config.pbtxt"));
    let config = if path.exists() { read_pbtxt(&path)? } else { proto::ModelConfig::default() };
    finish(name, place.clone(), config, entries, None)
}

/// The model at `place` with `config` instead of its own.
pub(crate) fn with_config(
    name: &str,
    place: Place,
    config: proto::ModelConfig,
) -> Result<ModelSource, RepositoryError> {
    let entries = entries(&place)?;
    finish(name, place, config, entries, None)
}

/// The model in `directory` of `temporary`, with `config`.
pub(crate) fn temporary(
    name: &str,
    temporary: TempDir,
    config: proto::ModelConfig,
) -> Result<ModelSource, RepositoryError> {
    let directory = temporary.path().join(name);
    finish(
        name,
        Place { directory, bounds: Bounds::Anywhere },
        config,
        Stats::new(),
        Some(temporary),
    )
}

fn entries(place: &Place) -> Result<Stats, RepositoryError> {
    files::stats_by_entry(place).map_err(|reason| RepositoryError::Files { reason })
}

fn finish(
    name: &str,
    place: Place,
    config: proto::ModelConfig,
    entries: Stats,
    temporary: Option<TempDir>,
) -> Result<ModelSource, RepositoryError> {
    let config = prepare(config, name, &place.directory)?;
    let versions = version_directories(&place.directory)
        .map_err(|reason| RepositoryError::Unreadable { path: place.directory.clone(), reason })?;
    let mut source = ModelSource {
        namespace: None,
        fingerprint: 0,
        entries,
        by_content: false,
        versions,
        config,
        barred: BTreeSet::new(),
        from_call: false,
        stats: None,
        kept: None,
        temporary: temporary.map(Arc::new),
        place,
    };
    source.set_fingerprint();
    Ok(source)
}
