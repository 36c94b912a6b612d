//! `POST /predict`: films like a plot, like films, or like a poster.

use super::json;
use crate::{
    app::App,
    error::AppError,
    openapi::{ErrorBody, PredictForm, PredictRequest, RecommendationBody},
    recommend::recommend,
    request::{
        Wish,
        body::{self, Content},
    },
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use std::sync::Arc;

/// Films like a plot, like films, or like a poster
///
/// A JSON body has exactly one of `plot` and `films`; a poster is the file field `poster` of a form, whose
/// field `options` has the rest as JSON.
#[utoipa::path(
    post,
    path = "/predict",
    tag = "Recommendations",
    request_body(content(
        (PredictRequest = "application/json"),
        (PredictForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "Films, best first.", body = RecommendationBody),
        (status = 400, description = "A field is not what it must be.", body = ErrorBody),
        (status = 408, description = "The body did not come in time.", body = ErrorBody),
        (status = 413, description = "A plot, a file or a picture is too large.", body = ErrorBody),
        (status = 415, description = "Neither JSON nor a form, or a file that is no picture.", body = ErrorBody),
        (status = 422, description = "Readable, and refused: not a poster, say.", body = ErrorBody),
        (status = 503, description = "The inference server is not there or busy; `Retry-After` says when to come again.", body = ErrorBody),
    ),
)]
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, AppError> {
    let (wish, _permit) = match body::content(&app.uploads, request).await? {
        (Content::Json(body), permit) => (Wish::from_json(&body, &app.catalogue)?, permit),
        (Content::Form(form), permit) => (Wish::from_form(form, &app.catalogue)?, permit),
    };
    json(&recommend(&app, wish).await?)
}
