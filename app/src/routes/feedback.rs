//! `POST /feedback`: what somebody did with a recommendation.

use super::json;
use crate::{
    app::App,
    error::AppError,
    feedback::Events,
    openapi::{AcceptedBody, ErrorBody, FeedbackRequest},
    request::body,
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Accepted {
    accepted: usize,
}

/// What somebody did with a recommendation
///
/// What is accepted is kept: while the database is away it waits on disk. An event with an `id` counts once
/// however often it is sent; without one each counts.
#[utoipa::path(
    post,
    path = "/feedback",
    tag = "Feedback",
    request_body = FeedbackRequest,
    responses(
        (status = 202, description = "All of it is kept.", body = AcceptedBody),
        (status = 400, description = "A field is not what it must be; nothing is kept.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 415, description = "No JSON.", body = ErrorBody),
        (status = 503, description = "Neither database nor disk take it; send it again after `Retry-After`.", body = ErrorBody),
    ),
)]
pub(crate) async fn feedback(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, AppError> {
    let body = body::json(request).await?;
    let Events { rows, events, kind, technique, model: (model, version) } =
        Events::from_json(&body, &app.catalogue)?;
    app.feedback.accept(rows).await?;
    for event in &events {
        app.metrics.fed_back(*event, kind, technique.name(), &model, version.as_deref());
    }
    let mut response = json(&Accepted { accepted: events.len() })?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
