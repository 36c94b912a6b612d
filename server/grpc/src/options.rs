//! What the front-end can be told; each field is one of Triton's `--grpc-*` flags.

use hippocamp_access::Guard;
use hippocamp_core::ForwardedHeaders;
use hippocamp_shm::Regions;
use hippocamp_telemetry::{access::AccessLog, log::LogControl};
use std::{sync::Arc, time::Duration};

/// Largest message, received or sent: that of Triton, whose clients count on it.
pub(crate) const MAX_MESSAGE_BYTES: usize = i32::MAX as usize;

/// Options of the front-end.
#[derive(Clone, Debug)]
pub struct GrpcOptions {
    /// How long connections are kept.
    pub keepalive: Keepalive,
    /// Responses are compressed for clients that accept it
    /// (`--grpc-infer-response-compression-level` other than `none`). Compressed requests are
    /// always read.
    pub compress_responses: bool,
    /// What the logging extension shows and changes.
    pub log: LogControl,
    /// Who may call what.
    pub guard: Guard,
    /// Which metadata become parameters of a request (`--grpc-header-forward-pattern`).
    pub forwarded: ForwardedHeaders,
    /// Where each call is written down, if it is.
    pub access_log: Option<AccessLog>,
    /// Shared memory that clients have registered.
    pub regions: Arc<Regions>,
}

/// How long connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Silence after which the client is pinged (`--grpc-keepalive-time`).
    pub time: Duration,
    /// How long the answer to a ping may take (`--grpc-keepalive-timeout`).
    pub timeout: Duration,
    /// Age at which the client is asked to connect anew (`--grpc-max-connection-age`).
    pub max_connection_age: Option<Duration>,
    /// Time after that, until the connection is cut (`--grpc-max-connection-age-grace`).
    pub max_connection_age_grace: Option<Duration>,
}
