//! What can be wrong with a repository.

use crate::Blocked;
use hippocamp_config::ConfigError;
use hippocamp_types::{Error, ErrorCode};
use std::{io, path::PathBuf};

/// Why a repository or a model in it cannot be read or loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages name")]
pub enum RepositoryError {
    #[error("cannot read '{}': {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("{reason}")]
    Files { reason: io::Error },
    #[error("{reason}")]
    Store { reason: Box<Error> },
    #[error(
        "two repositories hold a model '{name}': '{first}' and '{second}'; rename or remove one, or serve both with --model-namespacing"
    )]
    Ambiguous { name: String, first: String, second: String },
    #[error("no model of the repository fits '{pattern}' (--load-model)")]
    NoMatch { pattern: String },
    #[error(
        "no earlier generation of model '{name}' is kept: a rollback goes back to what served before the last change since the server was started"
    )]
    NoEarlier { name: String },
    #[error("model '{name}' is not loaded: there is nothing to go back from")]
    NotLoaded { name: String },
    #[error(
        "model '{name}' stands in several namespaces: name it with one of them, such as '{full}'"
    )]
    Namespaces { name: String, full: String },
    #[error("model '{name}' cannot go back: {reason}")]
    Earlier { name: String, reason: io::Error },
    #[error(
        "model '{name}' cannot go back: its file '{}' was written in place since it was loaded (or touched, in a mode that does not poll): replace files by renaming others over them",
        path.display()
    )]
    Written { name: String, path: PathBuf },
    #[error("failed to load '{name}', failed to poll from model repository")]
    Unknown { name: String },
    #[error(
        "failed to load '{name}', failed to poll from model repository: it holds no model of that name (--load-model)"
    )]
    NoSuch { name: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Blocked(#[from] Blocked),
    #[error("at least one version must be available under the version policy of model '{name}': '{}' has no version directory that it selects (expected directories named 1, 2, ...)", directory.display())]
    NoVersion { name: String, directory: PathBuf },
    #[error(
        "override file '{file}': expected 'file:<version>/<name>' with a relative path inside the model"
    )]
    OverrideName { file: String },
    #[error(
        "invalid model name '{name}', model name must not contain path traversal characters: expected the name of a directory, without '/', of 1 to 255 bytes"
    )]
    ModelName { name: String },
    #[error(
        "override files need a 'config' parameter along with them, since the repository's model is not used"
    )]
    OverrideWithoutConfig,
    #[error("cannot write the override file '{file}': {reason}")]
    OverrideWrite { file: String, reason: io::Error },
}

impl RepositoryError {
    /// What a store says names the store.
    pub(crate) fn store(reason: Error) -> Self {
        Self::Store { reason: Box::new(reason) }
    }
}

impl From<RepositoryError> for Error {
    fn from(error: RepositoryError) -> Self {
        let code = match &error {
            // As Triton answers a load of a model that is not in the repository.
            RepositoryError::Unknown { .. }
            | RepositoryError::Unreadable { .. }
            | RepositoryError::Earlier { .. }
            | RepositoryError::OverrideWrite { .. } => ErrorCode::Internal,
            RepositoryError::NotLoaded { .. } => ErrorCode::NotFound,
            RepositoryError::Store { reason } => reason.code(),
            RepositoryError::Files { .. }
            | RepositoryError::NoMatch { .. }
            | RepositoryError::NoSuch { .. }
            | RepositoryError::NoEarlier { .. }
            | RepositoryError::Ambiguous { .. }
            | RepositoryError::Namespaces { .. }
            | RepositoryError::Written { .. }
            | RepositoryError::Config(_)
            | RepositoryError::Blocked(_)
            | RepositoryError::NoVersion { .. }
            | RepositoryError::OverrideName { .. }
            | RepositoryError::ModelName { .. }
            | RepositoryError::OverrideWithoutConfig => ErrorCode::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}
