//! Settings become a server: the backends that are linked in, the host, the core.

use crate::settings::Settings;
use hippocamp_backend::{abi::BackendTable, backend};
use hippocamp_backend_host::{BackendHost, HostOptions};
use hippocamp_core::InferenceServer;
use hippocamp_telemetry::{Metrics, Tracer};
use hippocamp_types::MonotonicClock;
use std::sync::Arc;

/// Names that linked backends stand in for: ONNX models that come from Triton name its ONNX Runtime
/// backend.
pub(crate) const ALIASES: [(&str, &str); 1] = [("onnxruntime", "tract")];

/// The backends that are linked in.
pub(crate) fn linked() -> Vec<(&'static str, BackendTable)> {
    vec![
        ("identity", backend!(hippocamp_identity::Identity)),
        ("image", backend!(hippocamp_image::Image)),
        ("repeat", backend!(hippocamp_repeat::Repeat)),
        ("square", backend!(hippocamp_square::Square)),
        ("tokenizer", backend!(hippocamp_tokenizer::Tokenizer)),
        ("tract", backend!(hippocamp_tract::Tract)),
        ("usearch", backend!(hippocamp_usearch::Usearch)),
    ]
}

/// A server that has loaded nothing yet.
///
/// # Errors
/// If requests cannot be traced as asked.
pub(crate) fn server(settings: &Settings) -> anyhow::Result<Arc<InferenceServer>> {
    let clock = Arc::new(MonotonicClock);
    let tracer = Tracer::new(settings.trace.clone(), clock.clone()).map_err(anyhow::Error::msg)?;
    let host = BackendHost::new(HostOptions {
        backend_directory: settings.backend_directory.clone(),
        backend_config: settings.backend_config.clone(),
        builtin: linked(),
        aliases: ALIASES.map(|(alias, name)| (alias.to_owned(), name.to_owned())).into(),
        clock: clock.clone(),
    });
    Ok(Arc::new(InferenceServer::new(
        settings.server.clone(),
        host,
        Arc::new(Metrics::new(settings.metrics_options.clone())),
        clock,
        Arc::new(tracer),
    )))
}
