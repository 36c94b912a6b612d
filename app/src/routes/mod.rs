//! The routes. A test holds the list to what `/openapi.json` tells.

mod docs;
mod explain;
mod feedback;
mod films;
mod health;
mod page;
mod predict;

// What `openapi` finds the documentation of handlers by.
pub(crate) use docs::__path_openapi;
pub(crate) use explain::__path_explain;
pub(crate) use feedback::__path_feedback;
pub(crate) use films::{__path_facets, __path_film, __path_films, __path_search};
pub(crate) use health::{__path_health, __path_live, __path_metrics};
pub(crate) use predict::__path_predict;

use crate::{app::App, error::AppError, observe::observe};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, rejection::PathRejection},
    middleware,
    response::Response,
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, Uri, header};
use serde::Serialize;
use std::sync::Arc;

/// Paths as metrics name them.
pub(crate) const PATHS: &[&str] = &[
    "/predict",
    "/explain",
    "/films",
    "/films/{id}",
    "/search",
    "/facets",
    "/feedback",
    "/health",
    "/live",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{file}",
    "/",
    "/assets/{*path}",
];

/// Path and handlers.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/predict", post(predict::predict)),
        ("/explain", post(explain::explain)),
        ("/films", get(films::films)),
        ("/films/{id}", get(films::film)),
        ("/search", get(films::search)),
        ("/facets", get(films::facets)),
        ("/feedback", post(feedback::feedback)),
        ("/health", get(health::health)),
        ("/live", get(health::live)),
        ("/metrics", get(health::metrics)),
        ("/openapi.json", get(docs::openapi)),
        ("/docs", get(docs::to_docs)),
        ("/docs/", get(docs::index)),
        ("/docs/{file}", get(docs::file)),
        ("/", get(page::index)),
        ("/assets/{*path}", get(page::asset)),
    ]
}

/// Everything that is served.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let router = routes()
        .into_iter()
        .fold(Router::new(), |router, (path, handlers)| router.route(path, handlers));
    router
        .fallback(async |uri: Uri| {
            AppError::NotFound(format!(
                "there is no '{}'; GET /docs lists what there is",
                shown(&uri)
            ))
        })
        // Bodies are read with limits of their own (`request::body`).
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(app), observe))
        .with_state(Arc::clone(app))
}

fn shown(uri: &Uri) -> &str {
    let path = uri.path();
    &path[..path.floor_char_boundary(100)]
}

/// What stands for the one name of a path.
fn path(path: Result<Path<String>, PathRejection>) -> Result<String, AppError> {
    let no_text = |_rejection| AppError::NotFound("the path is not UTF-8".to_owned());
    path.map(|Path(name)| name).map_err(no_text)
}

/// A value as a JSON answer.
fn json(value: &impl Serialize) -> Result<Response, AppError> {
    let body = serde_json::to_vec(value).map_err(AppError::internal)?;
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_tells_every_route_of_the_api() {
        let served: Vec<&str> = routes().iter().map(|(path, _)| *path).collect();
        assert_eq!(served, PATHS);
        let document: serde_json::Value =
            serde_json::from_slice(crate::openapi::Documents::new().openapi()).unwrap();
        let told: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let of_the_page = ["/docs", "/docs/", "/docs/{file}", "/", "/assets/{*path}"];
        let api: BTreeSet<&str> =
            served.into_iter().filter(|path| !of_the_page.contains(path)).collect();
        assert_eq!(told, api);
    }
}
