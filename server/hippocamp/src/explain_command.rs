//! `hippocamp explain`: the configuration that a model would be served with, each line with its origin.

use crate::check_command::{CANNOT_RUN, CLEAN, FOUND, ServerFlags, print};
use clap::{Args, ValueEnum};
use hippocamp_check::{ExplainError, Strictness, explain};
use std::{path::PathBuf, process::ExitCode};

/// Which model is explained, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 if the configuration was printed, 1 if it cannot be read, 2 if there is no such model or \
repository.")]
pub(crate) struct ExplainModel {
    /// The model
    pub(crate) model: String,

    /// Model repositories, directories only
    #[arg(value_name = "REPO", required_unless_present = "model_repository")]
    pub(crate) repositories: Vec<PathBuf>,

    /// The same; may be given several times
    #[arg(long, value_name = "DIR")]
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

/// Explains, prints, and says how the process ends: as that of a check.
pub(crate) fn run(wanted: &ExplainModel) -> ExitCode {
    let options = wanted.server.options(&[], Strictness::default());
    let repositories = [&wanted.repositories[..], &wanted.model_repository[..]].concat();
    let explained = match explain(&repositories, &wanted.model, &options) {
        Ok(explained) => explained,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(match error {
                ExplainError::Repository(_) => CANNOT_RUN,
                ExplainError::Config(_) => FOUND,
            });
        }
    };
    let text = match wanted.format {
        ExplainFormat::Pbtxt => explained.to_pbtxt(),
        ExplainFormat::Json => format!("{:#}\n", explained.to_json()),
    };
    print(&text, CLEAN)
}
