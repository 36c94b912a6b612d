//! What a user may say: flags under Triton's names, and the same settings in `hippocamp.toml`.
//! Plain data; [`crate::settings`] makes sense of it.

use crate::flag::boolean;
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How to serve: the flags.
#[derive(Clone, Debug, Default, Parser, Serialize, Deserialize)]
#[command(version, max_term_width = 100)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Arguments {
    /// Settings file [default: hippocamp.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Directory of models, bucket (s3://, gs://, as://) or model of a hub (hf://owner/model); may be given
    /// several times
    #[arg(long, alias = "model-store", value_name = "DIR|URL", help_heading = "Models")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_repository: Vec<PathBuf>,

    /// Where models of buckets and hubs are kept; several servers may share it
    /// [default: hippocamp in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub model_cache_directory: Option<PathBuf>,

    /// Make room there once it has more bytes, of what is not in use; 0 for no limit [default: 0]
    #[arg(long, value_name = "BYTES", help_heading = "Models")]
    pub model_cache_bytes: Option<u64>,

    /// The hub that hf:// names [default: $HF_ENDPOINT, else https://huggingface.co]
    #[arg(long, value_name = "URL", help_heading = "Models")]
    pub hub_url: Option<String>,

    /// How models come and go: "none" loads all at start-up; "poll" does, and then what changes; in "explicit" load and unload calls
    /// decide
    #[arg(long, value_name = "MODE", help_heading = "Models")]
    pub model_control_mode: Option<ControlMode>,

    /// In control mode poll: seconds between two looks at the repository; most changes are seen at once [default: 15]
    #[arg(long, value_name = "SECONDS", help_heading = "Models")]
    pub repository_poll_secs: Option<u64>,

    /// In control mode poll: files that have not been written for so many seconds are whole [default: 2]
    #[arg(long, value_name = "SECONDS", help_heading = "Models")]
    pub repository_settle_secs: Option<f64>,

    /// In control mode explicit: load this model at start-up, "*" stands for any text; may be given several times
    #[arg(long, value_name = "MODEL", help_heading = "Models")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load_model: Vec<String>,

    /// Use configs/<NAME>.pbtxt of the models that have it
    #[arg(long, value_name = "NAME", help_heading = "Models")]
    pub model_config_name: Option<String>,

    /// Follow links of a model repository that lead out of it; otherwise a model with one is refused
    /// [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Models")]
    pub allow_external_links: Option<bool>,

    /// Repositories are namespaces: two may hold models of one name, and an ensemble is made of those of
    /// its own repository first [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Models")]
    pub model_namespacing: Option<bool>,

    /// How often a load that failed is tried again [default: 0]
    #[arg(long, value_name = "N", help_heading = "Models")]
    pub model_load_retry_count: Option<u32>,

    /// Models that are loaded at the same time [default: 4]
    #[arg(long, value_name = "N", help_heading = "Models")]
    pub model_load_thread_count: Option<usize>,

    /// Do not complete model configurations from the model files
    #[arg(long, alias = "strict-model-config", value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Models")]
    pub disable_auto_complete_config: Option<bool>,

    /// Exit if a model fails to load at start-up; otherwise serve the rest [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Models")]
    pub exit_on_error: Option<bool>,

    /// Requests that may wait for a model whose configuration sets no max_queue_size; more are
    /// refused with 503 [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Models")]
    pub max_queue_size: Option<usize>,

    /// Directory of backends: <DIR>/<name>/libtriton_<name>.so [default: /opt/tritonserver/backends]
    #[arg(long, value_name = "DIR", help_heading = "Backends")]
    pub backend_directory: Option<PathBuf>,

    /// A setting for one backend, or (without "<BACKEND>,") for all; may be given several times
    #[arg(long, value_name = "[BACKEND,]KEY=VALUE", help_heading = "Backends")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend_config: Vec<String>,

    /// Name of this server in its metadata [default: triton]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub id: Option<String>,

    /// Report ready only if every model is [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Server")]
    pub strict_readiness: Option<bool>,

    /// Let clients register regions of this machine's shared memory, of any object that the server may
    /// open, and name them as tensors [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Server")]
    pub allow_client_shm: Option<bool>,

    /// On SIGTERM: seconds to wait for requests in flight [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = "Server")]
    pub exit_timeout_secs: Option<u64>,

    /// On SIGTERM: seconds to go on serving while readiness is already false, so that load balancers
    /// notice [default: 0]
    #[arg(long, alias = "exit-delay-secs", value_name = "SECONDS", help_heading = "Server")]
    #[serde(alias = "exit-delay-secs")]
    pub drain_secs: Option<u64>,

    /// API keys that clients must send, read again when it changes; "hippocamp key new" makes one
    /// [default: no key is asked for]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub api_keys: Option<PathBuf>,

    /// Serve HTTP [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "HTTP")]
    pub allow_http: Option<bool>,

    /// Address to listen on, or unix:<path> for a Unix socket [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS", help_heading = "HTTP")]
    pub http_address: Option<String>,

    /// Port to listen on, 0 for any free one [default: 8000]
    #[arg(long, value_name = "PORT", help_heading = "HTTP")]
    pub http_port: Option<u16>,

    /// Threads that serve the sockets of all protocols [default: one per core]
    #[arg(long, value_name = "N", help_heading = "HTTP")]
    pub http_thread_count: Option<usize>,

    /// Largest request body in bytes, also after decompression [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = "HTTP")]
    pub http_max_input_size: Option<usize>,

    /// Let other processes listen on the same port and share its connections [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "HTTP")]
    pub reuse_http_port: Option<bool>,

    /// Pass headers that this regular expression finds to the backend, as request parameters
    #[arg(long, value_name = "REGEX", help_heading = "HTTP")]
    pub http_header_forward_pattern: Option<String>,

    /// Groups of calls that are answered only with a header: health, metadata, inference,
    /// shared-memory, model-config, model-repository, statistics, trace, logging; may be given several times
    #[arg(long, value_name = "GROUPS:HEADER=VALUE", help_heading = "HTTP")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_restricted_api: Vec<String>,

    /// Serve over TLS; needs a certificate and its key [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "HTTP")]
    pub http_use_ssl: Option<bool>,

    /// Mutual TLS: clients must show a certificate of --http-root-cert [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "HTTP")]
    pub http_use_ssl_mutual: Option<bool>,

    /// The server's certificate and those up to its root, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", help_heading = "HTTP")]
    pub http_server_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", help_heading = "HTTP")]
    pub http_server_key: Option<PathBuf>,

    /// Roots of the certificates that clients show, in PEM
    #[arg(long, value_name = "FILE", help_heading = "HTTP")]
    pub http_root_cert: Option<PathBuf>,

    /// Serve gRPC [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "gRPC")]
    pub allow_grpc: Option<bool>,

    /// Address to listen on, or unix:<path> for a Unix socket [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS", help_heading = "gRPC")]
    pub grpc_address: Option<String>,

    /// Port to listen on, 0 for any free one [default: 8001]
    #[arg(long, value_name = "PORT", help_heading = "gRPC")]
    pub grpc_port: Option<u16>,

    /// Milliseconds between keepalive pings [default: 7200000]
    #[arg(long, value_name = "MS", help_heading = "gRPC")]
    pub grpc_keepalive_time: Option<u64>,

    /// Milliseconds to wait for the answer to a ping [default: 20000]
    #[arg(long, value_name = "MS", help_heading = "gRPC")]
    pub grpc_keepalive_timeout: Option<u64>,

    /// Milliseconds after which a connection is closed gracefully [default: never]
    #[arg(long, value_name = "MS", help_heading = "gRPC")]
    pub grpc_max_connection_age: Option<u64>,

    /// Milliseconds after that until the connection is cut [default: never]
    #[arg(long, value_name = "MS", help_heading = "gRPC")]
    pub grpc_max_connection_age_grace: Option<u64>,

    /// Compress responses for clients that accept it: none, low, medium or high [default: none]
    #[arg(long, value_name = "LEVEL", help_heading = "gRPC")]
    pub grpc_infer_response_compression_level: Option<String>,

    /// Let other processes listen on the same port and share its connections [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "gRPC")]
    pub reuse_grpc_port: Option<bool>,

    /// Pass headers that this regular expression finds to the backend, as request parameters
    #[arg(long, value_name = "REGEX", help_heading = "gRPC")]
    pub grpc_header_forward_pattern: Option<String>,

    /// Groups of calls that are answered only with a header: health, metadata, inference,
    /// shared-memory, model-config, model-repository, statistics, trace, logging; the metadata
    /// is triton-grpc-protocol-<HEADER>; may be given several times
    #[arg(long, value_name = "GROUPS:HEADER=VALUE", help_heading = "gRPC")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grpc_restricted_protocol: Vec<String>,

    /// Serve over TLS; needs a certificate and its key [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "gRPC")]
    pub grpc_use_ssl: Option<bool>,

    /// Mutual TLS: clients must show a certificate of --grpc-root-cert [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "gRPC")]
    pub grpc_use_ssl_mutual: Option<bool>,

    /// The server's certificate and those up to its root, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", help_heading = "gRPC")]
    pub grpc_server_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", help_heading = "gRPC")]
    pub grpc_server_key: Option<PathBuf>,

    /// Roots of the certificates that clients show, in PEM
    #[arg(long, value_name = "FILE", help_heading = "gRPC")]
    pub grpc_root_cert: Option<PathBuf>,

    /// Serve Prometheus metrics [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Metrics")]
    pub allow_metrics: Option<bool>,

    /// Address to listen on, or unix:<path> for a Unix socket [default: that of HTTP, 0.0.0.0 if
    /// that is a Unix socket]
    #[arg(long, value_name = "ADDRESS", help_heading = "Metrics")]
    pub metrics_address: Option<String>,

    /// Port to listen on, 0 for any free one [default: 8002]
    #[arg(long, value_name = "PORT", help_heading = "Metrics")]
    pub metrics_port: Option<u16>,

    /// Show processor and memory of the machine [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Metrics")]
    pub allow_cpu_metrics: Option<bool>,

    /// Milliseconds between two looks at the machine, at least [default: 2000]
    #[arg(long, value_name = "MS", help_heading = "Metrics")]
    pub metrics_interval_ms: Option<u64>,

    /// Which latencies to show: counter_latencies=BOOL, histogram_latencies=BOOL (Triton's),
    /// latency_histograms=BOOL (ours, of every model); may be given several times
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Metrics")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics_config: Vec<String>,

    /// Serve over TLS; needs a certificate and its key [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Metrics")]
    pub metrics_use_ssl: Option<bool>,

    /// Mutual TLS: clients must show a certificate of --metrics-root-cert [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Metrics")]
    pub metrics_use_ssl_mutual: Option<bool>,

    /// The server's certificate and those up to its root, in PEM; read again when it changes [default: that of HTTP]
    #[arg(long, value_name = "FILE", help_heading = "Metrics")]
    pub metrics_server_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM [default: that of HTTP]
    #[arg(long, value_name = "FILE", help_heading = "Metrics")]
    pub metrics_server_key: Option<PathBuf>,

    /// Roots of the certificates that clients show, in PEM [default: that of HTTP]
    #[arg(long, value_name = "FILE", help_heading = "Metrics")]
    pub metrics_root_cert: Option<PathBuf>,

    /// Level of verbose messages, 0 for none [default: 0]
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, default_missing_value = "1", help_heading = "Logging")]
    pub log_verbose: Option<u32>,

    /// Log info messages [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Logging")]
    pub log_info: Option<bool>,

    /// Log warnings [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Logging")]
    pub log_warning: Option<bool>,

    /// Log errors [default: true]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, default_missing_value = "true", help_heading = "Logging")]
    pub log_error: Option<bool>,

    /// Format of timestamps: "default" or "ISO8601" [default: default]
    #[arg(long, value_name = "FORMAT", help_heading = "Logging")]
    pub log_format: Option<String>,

    /// Log into this file instead of the standard error stream
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub log_file: Option<String>,

    /// Write a line of JSON for each call into this file, "-" for standard output [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Logging")]
    pub access_log: Option<String>,

    /// Which requests are traced: level=OFF|TIMESTAMPS|TENSORS, rate=N (one of so many), count=N (-1: no
    /// limit), mode=triton|opentelemetry; and where to: triton,file=FILE, triton,log-frequency=N,
    /// opentelemetry,url=URL, opentelemetry,resource=KEY=VALUE, opentelemetry,bsp_max_queue_size=N,
    /// bsp_schedule_delay=MS, bsp_max_export_batch_size=N; may be given several times
    #[arg(long, value_name = "[MODE,]KEY=VALUE", help_heading = "Tracing")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace_config: Vec<String>,

    /// Deprecated: --trace-config triton,file=FILE
    #[arg(long, value_name = "FILE", help_heading = "Tracing")]
    pub trace_file: Option<String>,

    /// Deprecated: --trace-config level=LEVEL; may be given several times
    #[arg(long, value_name = "LEVEL", help_heading = "Tracing")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace_level: Vec<String>,

    /// Deprecated: --trace-config rate=N
    #[arg(long, value_name = "N", help_heading = "Tracing")]
    pub trace_rate: Option<String>,

    /// Deprecated: --trace-config count=N
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Tracing")]
    pub trace_count: Option<String>,

    /// Deprecated: --trace-config triton,log-frequency=N
    #[arg(long, value_name = "N", help_heading = "Tracing")]
    pub trace_log_frequency: Option<String>,
}

/// `--model-control-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlMode {
    /// Everything is loaded at start-up.
    #[default]
    None,
    /// Load and unload calls decide.
    Explicit,
    /// Everything is loaded at start-up, and what changes in the repository once it is whole.
    Poll,
}
