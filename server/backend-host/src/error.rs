//! Why a backend or a model of it does not load.

use hippocamp_types::{Error, ErrorCode};
use std::path::PathBuf;

/// Why a model does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The configuration names no backend.
    #[error("must specify 'backend' for '{model}'")]
    NoBackend {
        /// The model.
        model: String,
    },
    /// There is neither a file nor a built-in backend of that name.
    #[error(
        "unable to find backend library for backend '{backend}', try specifying runtime on the model configuration."
    )]
    UnknownBackend {
        /// The name in the configuration.
        backend: String,
    },
    /// The file that `runtime` names is nowhere.
    #[error("unable to find backend library '{library}' for model '{model}', searched: {searched}")]
    UnknownLibrary {
        /// The file name.
        library: String,
        /// The model.
        model: String,
        /// Directories, each in quotes.
        searched: String,
    },
    /// `runtime` is a path that leaves the directory.
    #[error(
        "backend library name '{library}' escapes backend directory '{directory}', for model '{model}', check model config runtime field"
    )]
    LibraryEscapes {
        /// The file name.
        library: String,
        /// Where it was to be.
        directory: String,
        /// The model.
        model: String,
    },
    /// The dynamic loader refused the file.
    #[error("unable to load shared library: {reason}")]
    Library {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The file is no backend.
    #[error("unable to find required entrypoint '{symbol}' in shared library: {path}")]
    NoEntryPoint {
        /// The function.
        symbol: &'static str,
        /// The file, or the name of the built-in backend.
        path: String,
    },
    /// A name, path or setting holds a NUL, which C cannot carry.
    #[error("{what} holds a NUL character")]
    Nul {
        /// Which text.
        what: &'static str,
    },
    /// The backend refused the model, or could not be initialised.
    #[error("{0}")]
    Backend(Error),
}

impl HostError {
    /// The code that goes with it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoBackend { .. }
            | Self::UnknownBackend { .. }
            | Self::UnknownLibrary { .. }
            | Self::LibraryEscapes { .. }
            | Self::Nul { .. } => ErrorCode::InvalidArgument,
            Self::Library { .. } | Self::NoEntryPoint { .. } => ErrorCode::NotFound,
            Self::Backend(error) => error.code(),
        }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Backend(error) => error,
            error => Self::new(error.code(), error.to_string()),
        }
    }
}
