//! How a repository is checked.

use std::path::PathBuf;

/// What the server would be started with, and what is to be left out.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Models to report on; empty for all.
    pub models: Vec<String>,
    /// `--model-config-name` of the server.
    pub config_name: Option<String>,
    /// Cores that the server will have.
    pub cores: usize,
    /// Backends that are linked into the server.
    pub backends: Vec<String>,
    /// Backends that stand in for others: their name, and the linked one.
    pub aliases: Vec<(String, String)>,
    /// `--backend-directory` of the server.
    pub backend_directory: PathBuf,
    /// `--model-namespacing` of the server: repositories may hold models of one name.
    pub namespaces: bool,
    /// `--allow-external-links` of the server: links may lead out of a repository.
    pub external_links: bool,
    /// What is looked at.
    pub strictness: Strictness,
}

/// What is let pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strictness {
    /// A backend that is not here is a note: the server that matters has others.
    pub any_backend: bool,
    /// Configurations alone: versions and files may be missing.
    pub config_only: bool,
}
