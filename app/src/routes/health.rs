//! `GET /health`, `/live` and `/metrics`.

use super::json;
use crate::{
    app::App,
    error::AppError,
    metrics,
    openapi::{HealthBody, LiveBody},
};
use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json as value;
use std::sync::Arc;

/// What works, and why the rest does not
///
/// Looks at the server and the database anew.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Health",
    responses(
        (status = 200, description = "`ok`, or `degraded`: something can be recommended.", body = HealthBody),
        (status = 503, description = "`down`: nothing can.", body = HealthBody),
    ),
)]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Result<Response, AppError> {
    let health = crate::health::health(&app).await;
    let down = health.status == "down";
    let mut response = json(&health)?;
    if down {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Whether the application runs
#[utoipa::path(
    get,
    path = "/live",
    tag = "Health",
    responses((status = 200, description = "It does.", body = LiveBody)),
)]
pub(crate) async fn live() -> Result<Response, AppError> {
    json(&value!({"live": true}))
}

/// Figures for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Health",
    responses((status = 200, description = "Prometheus' text format.", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let waiting = app.feedback.waiting();
    let text = app.metrics.render(metrics::State {
        server_up: app.inference.served().reason().is_none(),
        database_up: app.feedback.last_seen_up(),
        journal_events: waiting.events,
        journal_bytes: waiting.bytes,
    });
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
