//! The command line as a whole: without a subcommand the binary serves.

use crate::arguments::Arguments;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Serves a model repository over the Triton / KServe v2 protocol (HTTP and gRPC).
///
/// A model repository is a directory of models: `<model>/config.pbtxt` and `<model>/<version>/...`.
/// An ONNX model needs no configuration: `<model>/1/model.onnx` is enough.
///
/// Flags have the names and defaults of tritonserver's. Every flag can stand in hippocamp.toml under
/// its own name (`http-port = 8000`); a flag on the command line wins.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub(crate) serve: Arguments,
}

/// What the binary does beside serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write backends
    #[command(subcommand)]
    Backend(BackendCommand),
}

/// What is done with backends.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendCommand {
    /// Make a crate for a backend in Rust, with a model of it: it builds, tests and serves
    New(NewBackend),
}

/// A backend that is to be made.
#[derive(Debug, Args)]
pub(crate) struct NewBackend {
    /// Name of the backend: small letters, digits and "_"
    pub(crate) name: String,

    /// Directory to make, which is not there yet [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// The SDK, backends/sdk of Hippocamp's sources [default: that of the sources this program was
    /// built in]
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}
