//! The command line as a whole: without a subcommand the binary serves.

use crate::{
    arguments::Arguments, check_command::CheckRepository, explain_command::ExplainModel,
    settings::DEFAULT_BACKEND_DIRECTORY, triton_flags::TritonFlags,
};
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
    /// What tritonserver would do otherwise.
    #[command(flatten)]
    pub(crate) triton: TritonFlags,
}

/// What the binary does beside serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write backends, and install those of others
    #[command(subcommand)]
    Backend(BackendCommand),
    /// Make API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Find what would fail or disappoint in a model repository, before it is served
    Check(CheckRepository),
    /// Print the configuration that a model would be served with, and where each line comes from
    Explain(ExplainModel),
    /// Write the manifest of a repository that is uploaded to a bucket, so that all of it changes at once
    #[command(after_help = MANIFEST_HELP)]
    Manifest(WriteManifest),
    /// Have a running server go back to what served before the last change of a model
    #[command(after_help = ROLLBACK_HELP)]
    Rollback(Rollback),
}

const MANIFEST_HELP: &str = "\
Example:
  hippocamp manifest models --prefix v7 > hippocamp-manifest.json
  aws s3 cp --recursive models s3://bucket/models/v7
  aws s3 cp hippocamp-manifest.json s3://bucket/models/hippocamp-manifest.json

The server sees what the manifest names, and nothing else: files first, the manifest last.";

/// A repository whose manifest is written.
#[derive(Clone, Debug, Args)]
pub(crate) struct WriteManifest {
    /// The repository on this machine
    pub(crate) directory: PathBuf,

    /// Directory in the bucket that it is uploaded to, below the path that is served [default: that path]
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

const ROLLBACK_HELP: &str = "\
Whatever changed in the same step and belongs to the model goes back with it: an ensemble and its members. It works \
though the files were replaced or removed; one generation is kept, from the server's start on. A server that polls \
its repository does not load the files again that it went back from, until they change.";

/// A model that is to go back.
#[derive(Clone, Debug, Args)]
pub(crate) struct Rollback {
    /// The model
    pub(crate) model: String,

    /// The server's HTTP endpoint, one without TLS
    #[arg(long, value_name = "URL", default_value = "http://localhost:8000")]
    pub(crate) url: String,

    /// How long to wait for the answer: what is gone back to is loaded first
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout_secs: u64,

    /// A key that permits model-repository calls, where the server asks for one
    #[arg(long, value_name = "KEY", env = "HIPPOCAMP_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

/// What is done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Draw a key, and print it with its entry for the file of --api-keys
    New(NewKey),
}

/// A key that is to be made.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewKey {
    /// What log and errors call it
    pub(crate) name: String,

    /// A group of calls that it permits; may be given several times [default: all]
    #[arg(long, value_name = "GROUP")]
    pub(crate) category: Vec<String>,

    /// A model that it permits, with "*" for any text; may be given several times [default: all]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
}

/// What is done with backends.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendCommand {
    /// Make a crate for a backend in Rust, with a model of it: it builds, tests and serves
    New(NewBackend),
    /// Install a backend that others publish
    #[command(subcommand)]
    Install(Installable),
}

/// Backends that others publish.
#[derive(Debug, Subcommand)]
pub(crate) enum Installable {
    /// Install NVIDIA's Python backend, which serves model.py models
    #[command(after_help = PYTHON_EXAMPLE)]
    Python(InstallPython),
}

const PYTHON_EXAMPLE: &str = "\
Example:
  python3 -m venv env && env/bin/pip install 'numpy<2'
  hippocamp backend install python --backend-directory backends --python env/bin/python
  hippocamp --backend-directory backends --model-repository models

It is taken unmodified from the wheel nvidia-pytriton 0.7.0 (55 MB), for Linux on x86-64 with glibc \
2.35 or later; pip downloads it. Every file is checked by its SHA-256, and files that are right are left alone.";

/// Where NVIDIA's Python backend goes, and for which Python.
#[derive(Debug, Args)]
pub(crate) struct InstallPython {
    /// Directory of backends, which gets the directory "python"
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BACKEND_DIRECTORY)]
    pub(crate) backend_directory: PathBuf,

    /// The Python that is to run the models, with their packages; one of a virtual environment, too
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub(crate) python: PathBuf,

    /// The wheel, where it is on this machine already [default: pip downloads it]
    #[arg(long, value_name = "FILE")]
    pub(crate) wheel: Option<PathBuf>,
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
