//! What serves right now: an immutable map from model name and version to what answers.

use crate::{Retirement, root::namespaces_of};
use hippocamp_config::ModelConfig;
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{Error, Scheduler};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};
use tempfile::TempDir;

/// One loaded version of a model: all that a request needs to be checked and scheduled.
pub struct ModelVersion {
    /// Completed and validated.
    pub config: ModelConfig,
    /// The version's number.
    pub version: u64,
    /// The model's directory, for its label files.
    pub directory: PathBuf,
    /// Takes its requests.
    pub scheduler: Box<dyn Scheduler>,
    /// Its statistics.
    pub statistics: Arc<ModelStatistics>,
    /// Output name -> labels by class index, for those outputs that name a label file. Shared, so that
    /// whoever waits for a response need not keep the version, and with it its backend, for them.
    pub labels: Arc<HashMap<String, Vec<String>>>,
    /// Directory of files that came with the load call; set by the repository.
    pub temporary: Option<Arc<TempDir>>,
    /// Tells the repository when the version has ended. Last, so that it is dropped last.
    pub retirement: Retirement,
}

/// The versions of one model that serve.
#[derive(Clone, Debug, Default)]
pub struct ServingModel {
    /// By number; the last is the latest. Empty: the model was served and is not now.
    pub versions: BTreeMap<u64, Arc<ModelVersion>>,
    /// Of the files it was loaded from.
    pub fingerprint: u64,
}

/// Every model that serves, at one moment. Requests resolve their model in one snapshot, and an
/// ensemble resolves all its steps in the snapshot its request came through.
#[derive(Clone, Debug, Default)]
pub struct ModelSnapshot {
    /// By name.
    pub models: HashMap<Arc<str>, ServingModel>,
}

impl ModelSnapshot {
    /// The model in this version, or in its latest.
    ///
    /// # Errors
    /// NOT_FOUND or UNAVAILABLE in Triton's words.
    pub fn resolve(&self, name: &str, version: Option<u64>) -> Result<&Arc<ModelVersion>, Error> {
        let model = self.models.get(name).ok_or_else(|| self.unknown(name))?;
        if model.versions.is_empty() {
            return Err(Error::not_found(format!(
                "Request for unknown model: '{name}' has no available versions"
            )));
        }
        match version {
            None => Ok(model.versions.values().next_back().expect("the map is not empty")),
            Some(version) => model.versions.get(&version).ok_or_else(|| {
                Error::not_found(format!(
                    "Request for unknown model: '{name}' version {version} is not found"
                ))
            }),
        }
    }
}

impl ModelSnapshot {
    fn unknown(&self, name: &str) -> Error {
        let mut namespaces = namespaces_of(self.models.keys().map(AsRef::as_ref), name);
        match (namespaces.next(), namespaces.next()) {
            (Some(first), Some(second)) => Error::not_found(format!(
                "Request for unknown model: '{name}' stands in several namespaces, '{first}' and '{second}' among them: \
                 only ensembles of one of them reach it"
            )),
            _ => Error::not_found(format!("Request for unknown model: '{name}' is not found")),
        }
    }
}

impl fmt::Debug for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelVersion")
            .field("name", &self.config.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
