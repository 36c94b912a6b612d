//! `hippocamp explain`: the configuration that a model would be served with, each line with its origin.

use crate::check_command::ServerFlags;
use clap::{Args, ValueEnum};
use hippocamp_check::{Strictness, explain};
use std::path::PathBuf;

/// Which model is explained, and how.
#[derive(Debug, Args)]
pub(crate) struct ExplainModel {
    /// The model
    pub(crate) model: String,

    /// Directory of models; may be given several times
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) model_repository: Vec<PathBuf>,

    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "pbtxt")]
    pub(crate) format: ExplainFormat,

    /// What the server will be started with
    #[command(flatten)]
    pub(crate) server: ServerFlags,
}

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// As config.pbtxt, with the origins as comments
    Pbtxt,
    /// One object: config, origins by path, notes
    Json,
}

/// What is printed.
///
/// # Errors
/// If there is no such model, or its configuration cannot be read.
pub(crate) fn run(wanted: &ExplainModel) -> anyhow::Result<String> {
    let options = wanted.server.options(&[], Strictness::default());
    let explained = explain(&wanted.model_repository, &wanted.model, &options)?;
    Ok(match wanted.format {
        ExplainFormat::Pbtxt => explained.to_pbtxt(),
        ExplainFormat::Json => format!("{:#}\n", explained.to_json()),
    })
}
