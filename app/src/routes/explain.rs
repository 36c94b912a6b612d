//! `POST /explain`: the words of a plot, or the regions of a poster.

use super::json;
use crate::{
    app::App,
    error::AppError,
    explain::{MOST_MASKS, Region, explain_plot, explain_poster},
    labels,
    openapi::{ErrorBody, ExplainForm, ExplainRequest, ExplanationBody},
    request::{
        Fields, Picture, Plot,
        body::{self, Content},
        technique,
    },
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::Value;
use std::sync::Arc;

/// Masks without a number.
const DEFAULT_MASKS: i32 = 480;

/// Masks at least: fewer show nothing but their own pattern.
const LEAST_MASKS: i32 = 32;

/// Why: the words of a plot, or the regions of a poster
///
/// JSON names a plot and a film: each word's exact share of their similarity. A form has a poster: where in it
/// a genre is seen, by RISE.
#[utoipa::path(
    post,
    path = "/explain",
    tag = "Recommendations",
    request_body(content(
        (ExplainRequest = "application/json"),
        (ExplainForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "Words or regions.", body = ExplanationBody),
        (status = 400, description = "A field is not what it must be.", body = ErrorBody),
        (status = 404, description = "No film has this id.", body = ErrorBody),
        (status = 413, description = "A plot, a file or a picture is too large.", body = ErrorBody),
        (status = 415, description = "Neither JSON nor a form, or a file that is no picture.", body = ErrorBody),
        (status = 422, description = "Readable, and refused.", body = ErrorBody),
        (status = 503, description = "The inference server is not there, or enough is explained already; `Retry-After` says when to come again.", body = ErrorBody),
    ),
)]
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, AppError> {
    match body::content(&app.uploads, request).await? {
        (Content::Json(body), _) => words(&app, &body).await,
        (Content::Form(form), _permit) => {
            let picture = Picture::new(form.poster)?;
            let wanted = region(&form.options)?;
            let explanation = explain_poster(&app, &picture, wanted).await?;
            app.metrics.explained("poster");
            json(&explanation)
        }
    }
}

async fn words(app: &App, body: &Value) -> Result<Response, AppError> {
    let fields = Fields::root(body)?;
    fields.known(&["plot", "film", "technique"], &[])?;
    let plot = Plot::new(fields.text("plot")?.unwrap_or_default())?;
    let id = fields.text("film")?.ok_or_else(|| {
        AppError::field("film", "expected the id of a film, such as 'the-kid-1921', got nothing")
    })?;
    let film = app.catalogue.position(id).ok_or_else(|| {
        let id: String = id.chars().take(100).collect();
        AppError::NotFound(format!("no film has the id '{id}'; GET /search finds ids by title"))
    })?;
    let explanation = explain_plot(app, &plot, film, technique(&fields)?).await?;
    app.metrics.explained("plot");
    json(&explanation)
}

fn region(options: &Value) -> Result<Region, AppError> {
    let fields = Fields::root(options)?;
    fields.known(&["genre", "masks"], &[])?;
    let genre = match fields.text("genre")? {
        None => None,
        Some(name) => Some(labels::position(name).ok_or_else(|| {
            AppError::field("genre", format!("expected one of {}", labels::GENRES.join(", ")))
        })?),
    };
    let masks = fields.whole("masks", LEAST_MASKS..=MOST_MASKS)?.unwrap_or(DEFAULT_MASKS);
    Ok(Region { genre, masks: usize::try_from(masks).unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn regions() {
        let wanted = region(&json!({})).unwrap();
        assert_eq!(wanted, Region { genre: None, masks: 480 });
        let wanted = region(&json!({"genre": "Horror", "masks": 64})).unwrap();
        assert_eq!(wanted, Region { genre: Some(12), masks: 64 });
        let refusal = |value: Value| region(&value).unwrap_err().to_string();
        assert!(refusal(json!({"genre": "Scary"})).starts_with("genre: expected one of Action"));
        assert!(refusal(json!({"masks": 5000})).contains("of 32 to 1024, got 5000"));
        assert!(refusal(json!({"mask": 1})).contains("mask: no such field"));
    }
}
