//! The HTTP front-end: routes, codecs, OpenAPI document and Swagger UI.
//!
//! A request meets [`routes`] (one table that also feeds the OpenAPI document), a handler of the
//! resource it names, [`codec`] for its body, and `InferenceServer`; nothing below that is known
//! here. Built by the binary, which owns sockets and shutdown.
#![forbid(unsafe_code)]

mod access_log;
mod body;
pub mod codec;
mod embeddings;
mod error;
mod metrics;
mod openapi;
mod request_id;
mod routes;
mod unread;

pub use metrics::metrics_router;

use axum::{Router, extract::Request};
use hippocamp_access::Guard;
use hippocamp_core::{ForwardedHeaders, InferenceServer};
use hippocamp_shm::Regions;
use hippocamp_telemetry::{access::AccessLog, log::LogControl};
use std::sync::Arc;

/// What the HTTP front-end is told about itself.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The largest request body in bytes, before and after it is inflated (`--http-max-input-size`).
    pub max_input_size: usize,
    /// The settings behind `/v2/logging`.
    pub log: LogControl,
    /// Who may call what.
    pub guard: Guard,
    /// Which headers become parameters of a request (`--http-header-forward-pattern`).
    pub forwarded: ForwardedHeaders,
    /// Where each call is written down, if it is.
    pub access_log: Option<AccessLog>,
    /// Shared memory that clients have registered.
    pub regions: Arc<Regions>,
}

/// The default of [`HttpOptions::max_input_size`]: 64 MiB, as in Triton.
pub const DEFAULT_MAX_INPUT_SIZE: usize = 64 * 1024 * 1024;

/// What every handler sees.
#[derive(Debug)]
struct Front {
    server: Arc<InferenceServer>,
    options: HttpOptions,
    documents: routes::docs::Documents,
}

/// Every route of the inference protocol, `/openapi.json` and `/docs`.
pub fn router(server: Arc<InferenceServer>, options: HttpOptions) -> Router {
    let front = Arc::new(Front { server, options, documents: routes::docs::Documents::new() });
    // The table of routes decides, for its own answers to unknown paths and verbs.
    Router::new().fallback(move |request: Request| routes::dispatch(Arc::clone(&front), request))
}
