//! What the repository asks of `core`: to make one version of one model serve.

use crate::{ModelVersion, Retirement};
use hippocamp_config::ModelConfig;
use hippocamp_proto::inference as proto;
use hippocamp_types::Error;
use std::path::Path;

/// Makes a version of a model serve: `core`, with the backends behind it.
pub trait ModelLoader: Send + Sync {
    /// Loads one version. Everything that it starts holds a clone of the order's retirement.
    ///
    /// # Errors
    /// Why it cannot be loaded, for the index.
    fn load(&self, order: LoadOrder<'_>) -> Result<ModelVersion, Error>;

    /// A model of the repository was loaded, or failed with this error: to be counted.
    fn ended(&self, _model: &str, _failed: Option<&Error>) {}
}

/// One version to load.
pub struct LoadOrder<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Its repository, where repositories are namespaces.
    pub namespace: Option<&'a str>,
    /// The version's number.
    pub version: u64,
    /// The model's directory.
    pub directory: &'a Path,
    /// Prepared, to be completed by the backend.
    pub config: proto::ModelConfig,
    /// For ensembles: the configuration of a member, in a version or in its latest.
    pub member: &'a dyn Fn(&str, Option<u64>) -> Option<ModelConfig>,
    /// To be held by everything that belongs to the version.
    pub retirement: Retirement,
}

impl std::fmt::Debug for LoadOrder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadOrder({} version {})", self.name, self.version)
    }
}
