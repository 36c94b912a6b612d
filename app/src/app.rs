//! What every handler sees.

use crate::{
    catalogue::Catalogue, explain::FilmVectors, feedback::Feedback, inference::Inference,
    metrics::Metrics, openapi, page::Page,
};
use hippocamp_telemetry::access::AccessLog;
use hippocamp_types::{Clock, Timestamp};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Posters that are uploaded, or looked up, at a time: each is held in memory.
const UPLOADS: usize = 16;

/// The application.
#[derive(Debug)]
pub(crate) struct App {
    /// The films.
    pub(crate) catalogue: Catalogue,
    /// The server that infers.
    pub(crate) inference: Inference,
    /// Where feedback goes.
    pub(crate) feedback: Arc<Feedback>,
    /// What was done so far.
    pub(crate) metrics: Arc<Metrics>,
    /// The page's files.
    pub(crate) page: Page,
    /// `/openapi.json` and Swagger UI.
    pub(crate) documents: openapi::Documents,
    /// Vectors of synopses that were asked for.
    pub(crate) film_vectors: FilmVectors,
    /// Explanations of posters at a time.
    pub(crate) explanations: Semaphore,
    /// Uploads at a time.
    pub(crate) uploads: Semaphore,
    /// Where each call is written down, if it is.
    pub(crate) access_log: Option<LogHandle>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
}

/// The access log; it has nothing to show.
#[derive(Clone)]
pub(crate) struct LogHandle(pub(crate) AccessLog);

impl std::fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessLog")
    }
}

impl App {
    /// Permits for uploads.
    pub(crate) fn upload_permits() -> Semaphore {
        Semaphore::new(UPLOADS)
    }

    /// This moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Milliseconds since then, to a hundredth.
    pub(crate) fn milliseconds_since(&self, started: Timestamp) -> f64 {
        let milliseconds = self.now().since(started).as_secs_f64() * 1e3;
        (milliseconds * 100.0).round() / 100.0
    }
}
