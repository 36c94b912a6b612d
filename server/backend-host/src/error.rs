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
    /// The backend is to be in Python, and is not there.
    #[error(
        "unable to find Python backend based backend library '{library}' for model '{model}', searched: '{searched}'"
    )]
    UnknownPython {
        /// The file name.
        library: &'static str,
        /// The model.
        model: String,
        /// The path tried.
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
    /// `TRITON_BATCH_STRATEGY_PATH` leads out of the model's directory.
    #[error(
        "Batching library path escapes model repository. '{path}' is to lie in '{directory}', see parameter TRITON_BATCH_STRATEGY_PATH of model '{model}'"
    )]
    StrategyEscapes {
        /// As it was given.
        path: String,
        /// The model's.
        directory: String,
        /// The model.
        model: String,
    },
    /// `TRITON_BATCH_STRATEGY_PATH` names no file.
    #[error("Batching library path not found: {path}")]
    UnknownStrategy {
        /// The file.
        path: String,
    },
    /// A library with some of the functions of a custom batching strategy.
    #[error(
        "{path} does not define all required custom batching functions for model {model}: {missing} is missing"
    )]
    StrategyIncomplete {
        /// The file.
        path: String,
        /// The model.
        model: String,
        /// The first function that is not there.
        missing: &'static str,
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
            | Self::UnknownPython { .. }
            | Self::LibraryEscapes { .. }
            | Self::StrategyEscapes { .. }
            | Self::StrategyIncomplete { .. }
            | Self::Nul { .. } => ErrorCode::InvalidArgument,
            Self::Library { .. } | Self::NoEntryPoint { .. } | Self::UnknownStrategy { .. } => {
                ErrorCode::NotFound
            }
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
