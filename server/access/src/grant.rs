//! What a caller may do, once it is known who it is; and why it may not.

use crate::category::Category;
use hippocamp_types::pattern::fits;
use std::{sync::Arc, time::SystemTime};

/// What a caller may do.
#[derive(Clone, Debug, Default)]
pub struct Grant(Option<Arc<Key>>);

/// One API key, without its secret.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) digest: [u8; 32],
    /// `None`: all.
    pub(crate) categories: Option<Vec<Category>>,
    /// Names with `*` for any text. `None`: all.
    pub(crate) models: Option<Vec<String>>,
    pub(crate) expires: Option<SystemTime>,
}

/// How a front-end answers a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// A header of Triton's restrictions is missing.
    Restricted,
    /// It is not known who calls.
    Unauthenticated,
    /// It is known, and is not enough.
    Forbidden,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The group is restricted (`--http-restricted-api`, `--grpc-restricted-protocol`).
    #[error("expecting header '{header}'")]
    Restricted {
        /// The header to send.
        header: String,
    },
    /// No key came.
    #[error("an API key is needed: send 'authorization: Bearer <key>' or 'x-api-key: <key>'")]
    NoKey,
    /// What came is no key of this server.
    #[error("the API key is not known here: it is mistyped, or was withdrawn")]
    UnknownKey,
    /// The key is too old.
    #[error("API key '{key}' has expired: ask for a new one")]
    Expired {
        /// Its name.
        key: String,
    },
    /// The key is for other calls.
    #[error("API key '{key}' does not permit calls of group '{category}'")]
    Category {
        /// Its name.
        key: String,
        /// The group of the call.
        category: Category,
    },
    /// The key is for other models.
    #[error("API key '{key}' does not permit model '{model}'")]
    Model {
        /// Its name.
        key: String,
        /// The model asked for.
        model: String,
    },
    /// The key is for some models, and the load brings what may reach beyond them.
    #[error(
        "API key '{key}' is for certain models: it does not permit a load with 'config' or files, which may name others"
    )]
    Overrides {
        /// Its name.
        key: String,
    },
    /// The key is for some models, the call is about all.
    #[error("API key '{key}' is for certain models, and this call is about all: name a model")]
    All {
        /// Its name.
        key: String,
    },
}

impl Refusal {
    /// How a front-end answers it.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Restricted { .. } => RefusalKind::Restricted,
            Self::NoKey | Self::UnknownKey | Self::Expired { .. } => RefusalKind::Unauthenticated,
            Self::Category { .. }
            | Self::Model { .. }
            | Self::Overrides { .. }
            | Self::All { .. } => RefusalKind::Forbidden,
        }
    }
}

impl Grant {
    pub(crate) fn of(key: Arc<Key>) -> Self {
        Self(Some(key))
    }

    /// The name of the caller's key.
    pub fn key(&self) -> Option<&str> {
        self.0.as_ref().map(|key| key.name.as_str())
    }

    /// Whether the caller may bring a configuration or files for a model. They may name any other
    /// model, or be code that the server runs: a key for certain models does not permit that.
    ///
    /// # Errors
    /// If its key is for certain models.
    pub fn overrides(&self) -> Result<(), Refusal> {
        match &self.0 {
            Some(key) if key.models.is_some() => Err(Refusal::Overrides { key: key.name.clone() }),
            _ => Ok(()),
        }
    }

    /// Whether the caller may use `model`; an empty name stands for all models.
    ///
    /// # Errors
    /// If its key is for others.
    pub fn model(&self, model: &str) -> Result<(), Refusal> {
        let Some(key) = &self.0 else { return Ok(()) };
        let Some(models) = &key.models else { return Ok(()) };
        if model.is_empty() {
            return Err(Refusal::All { key: key.name.clone() });
        }
        if models.iter().any(|pattern| fits(pattern, model)) {
            return Ok(());
        }
        Err(Refusal::Model { key: key.name.clone(), model: model.to_owned() })
    }
}
