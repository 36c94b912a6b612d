//! Why a model cannot be had from a store.

use hippocamp_types::{Error, ErrorCode};
use std::{io, path::PathBuf};

/// What went wrong with a store or its cache.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages name")]
pub enum StoreError {
    #[error("unknown kind of model repository '{url}': expected a directory, {known}")]
    Scheme { url: String, known: &'static str },
    #[error("model repository '{url}': expected {expected}")]
    Url { url: String, expected: String },
    #[error("{variable}: expected {expected}, got '{value}'")]
    Variable { variable: &'static str, expected: &'static str, value: String },
    #[error("cannot read the credentials in '{}': {source}", path.display())]
    CredentialsUnreadable { path: PathBuf, source: io::Error },
    #[error(
        "credentials in '{}' (TRITON_CLOUD_CREDENTIAL_PATH): {place}: expected {expected}, got {got}",
        path.display()
    )]
    CredentialField { path: PathBuf, place: String, expected: String, got: String },
    #[error(
        "credentials in '{}' (TRITON_CLOUD_CREDENTIAL_PATH): section \"{section}\" has no name that '{url}' starts with: expected one, such as \"\" for all",
        path.display()
    )]
    NoCredentialFor { path: PathBuf, section: &'static str, url: String },
    #[error(
        "no profile '{profile}' with aws_access_key_id and aws_secret_access_key in '{}': add it, or name another one in {named_by}",
        path.display()
    )]
    NoProfile { profile: String, path: PathBuf, named_by: String },
    #[error("cannot open '{url}': {source}")]
    Open { url: String, source: object_store::Error },
    #[error(
        "'{url}' refused access with status {status}{}: it was asked with {credentials}; {advice}",
        told(reason)
    )]
    Refused { url: String, status: u16, reason: String, credentials: String, advice: &'static str },
    #[error(
        "'{url}' is not there (status 404{}): check the {kind}'s name and the path",
        told(reason)
    )]
    NoStore { url: String, reason: String, kind: &'static str },
    #[error(
        "no usable answer from '{url}' after {attempts} attempts of at most {timeout_s} s: {reason}"
    )]
    Unreachable { url: String, attempts: usize, timeout_s: u64, reason: String },
    #[error("'{url}' gave an answer that cannot be understood: {reason}")]
    Answer { url: String, reason: String },
    #[error("'{object}' in '{url}' is not there any more: it was when '{url}' was listed")]
    Vanished { url: String, object: String },
    #[error(
        "'{object}' in '{url}' has changed since it was listed: it is being written; what it is then is seen by the next look"
    )]
    Changed { url: String, object: String },
    #[error("'{object}' in '{url}': expected {expected} bytes, got {got}")]
    Size { url: String, object: String, expected: u64, got: u64 },
    #[error(
        "'{object}' in '{url}': expected content with SHA-256 {expected}, got {got}; upload it again, then {source_of_truth}"
    )]
    Content {
        url: String,
        object: String,
        expected: String,
        got: String,
        source_of_truth: &'static str,
    },
    #[error("'{url}' holds an object whose name cannot be a file here, '{name}': {why}")]
    Name { url: String, name: String, why: &'static str },
    #[error("'{url}' holds more than {limit} {what}: split it into several repositories")]
    TooMany { url: String, what: &'static str, limit: usize },
    #[error("the manifest of '{url}', {file}: {why}")]
    Manifest { url: String, file: &'static str, why: String },
    #[error("no model '{model}' in '{url}'{}", among(models))]
    NoModel { url: String, model: String, models: Vec<String> },
    #[error("'{url}' holds no ONNX model: expected onnx/model.onnx or model.onnx")]
    NoOnnx { url: String },
    #[error(
        "no room for '{what}' in the model cache '{}': {needed} bytes are needed{}; make room, or choose another place with --model-cache-directory",
        directory.display(),
        available.map_or(String::new(), |bytes| format!(", {bytes} are free"))
    )]
    NoSpace { directory: PathBuf, what: String, needed: u64, available: Option<u64> },
    #[error(
        "cannot use '{}' in the model cache: {source}; choose another place with --model-cache-directory",
        path.display()
    )]
    Cache { path: PathBuf, source: io::Error },
    #[error("cannot read '{}': {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot start the runtime that fetches models: {source}")]
    Runtime { source: io::Error },
}

impl StoreError {
    /// For `map_err` of what was done with a path of the cache.
    pub(crate) fn cache(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Cache { path: path.to_owned(), source }
    }
}

/// ": reason", if there is one.
fn told(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(", {reason}") }
}

/// The models that are there, a few of them.
fn among(models: &[String]) -> String {
    const SHOWN: usize = 10;
    match models {
        [] => ": it holds none".to_owned(),
        all if all.len() <= SHOWN => format!(": it holds {}", all.join(", ")),
        all => format!(": it holds {}, and {} more", all[..SHOWN].join(", "), all.len() - SHOWN),
    }
}

impl StoreError {
    /// As it is answered to whoever asked for the model.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Scheme { .. }
            | Self::Url { .. }
            | Self::Variable { .. }
            | Self::CredentialsUnreadable { .. }
            | Self::CredentialField { .. }
            | Self::NoCredentialFor { .. }
            | Self::NoProfile { .. }
            | Self::Open { .. }
            | Self::Name { .. }
            | Self::TooMany { .. }
            | Self::Manifest { .. }
            | Self::NoOnnx { .. } => ErrorCode::InvalidArgument,
            Self::NoStore { .. } | Self::NoModel { .. } => ErrorCode::NotFound,
            // The same call may succeed later.
            Self::Unreachable { .. }
            | Self::Vanished { .. }
            | Self::Changed { .. }
            | Self::NoSpace { .. } => ErrorCode::Unavailable,
            Self::Refused { .. }
            | Self::Answer { .. }
            | Self::Size { .. }
            | Self::Content { .. }
            | Self::Cache { .. }
            | Self::Unreadable { .. }
            | Self::Runtime { .. } => ErrorCode::Internal,
        }
    }
}

impl From<&StoreError> for Error {
    fn from(error: &StoreError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}
