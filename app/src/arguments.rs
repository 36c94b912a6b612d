//! What a user may say: flags, some of them by environment variables as well. Plain data;
//! [`crate::settings`] makes sense of it.

use clap::Parser;
use std::path::PathBuf;

/// The film recommender: a page and an API over a server's models.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to listen: <host>:<port>, port 0 for any free one, or unix:<path>
    #[arg(
        long,
        env = "HIPPOCAMP_APP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: String,

    /// Where the inference server serves HTTP: <host>:<port> or http://<host>:<port>
    #[arg(
        long,
        env = "HIPPOCAMP_SERVER",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8000"
    )]
    pub server: String,

    /// Where feedback is kept: sqlite:<file>, or postgres://<user>:<password>@<host>/<database>
    /// [default: sqlite, feedback.db in the data directory]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Directory for what the application writes; made if it is not there
    #[arg(long, env = "HIPPOCAMP_APP_DATA", value_name = "DIR", default_value = "hippocamp-data")]
    pub data_dir: PathBuf,

    /// Films to show, one JSON object a line; must be those of the server's index
    /// [default: those the application was built with]
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,

    /// Serve the page from this directory, read anew for each request, instead of from the binary
    #[arg(long, value_name = "DIR")]
    pub page_dir: Option<PathBuf>,

    /// Requests to the inference server at a time; more are refused with 503
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_inferences: usize,

    /// Explanations of posters at a time; more are refused with 503
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub max_explanations: usize,

    /// Bytes of feedback that may wait on disk while the database is away; more is refused with 503
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    pub max_journal_bytes: u64,

    /// Threads that serve the socket [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// On SIGTERM: seconds to wait for requests in flight
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub exit_timeout_secs: u64,

    /// Write a line of JSON for each call into this file, "-" for standard output [default: none]
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<String>,

    /// 0: events only; 1: debug messages; 2: more
    #[arg(long, value_name = "LEVEL", default_value_t = 0)]
    pub log_verbose: u32,
}
