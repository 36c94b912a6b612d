//! `/openapi.json`, and Swagger UI over it under `/docs/`.

use crate::{app::App, error::AppError};
use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Documentation",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(crate) async fn openapi(State(app): State<Arc<App>>) -> Response {
    let mut response = Response::new(Body::from(app.documents.openapi().clone()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) async fn to_docs() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/docs/"));
    response
}

pub(super) async fn index(State(app): State<Arc<App>>) -> Result<Response, AppError> {
    app.documents.file("index.html")
}

pub(super) async fn file(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, AppError> {
    app.documents.file(&super::path(name)?)
}
