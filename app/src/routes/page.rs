//! The page at `/`, and the files of its directory `assets`.

use crate::{app::App, error::AppError};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::HeaderMap;
use std::sync::Arc;

pub(super) async fn index(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    app.page.file("index.html", &headers).await
}

pub(super) async fn asset(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let path = super::path(path)?;
    app.page.file(&format!("assets/{path}"), &headers).await
}
