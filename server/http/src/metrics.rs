//! The metrics endpoint, on its own port.

use crate::error::HttpError;
use axum::{Router, body::Body, extract::Request, response::Response};
use hippocamp_access::{Category, Guard};
use http::{HeaderValue, Method, header};
use std::sync::Arc;

/// Renders the metrics as Prometheus text.
type Render = dyn Fn() -> String + Send + Sync;

/// `/metrics` and `/metrics/`, rendered anew for each request that `guard` admits.
pub fn metrics_router(render: Arc<dyn Fn() -> String + Send + Sync>, guard: Guard) -> Router {
    let guard = Arc::new(guard);
    Router::new().fallback(move |request: Request| {
        let (render, guard) = (Arc::clone(&render), Arc::clone(&guard));
        async move { respond(&request, &*render, &guard).unwrap_or_else(HttpError::into_response) }
    })
}

fn respond(request: &Request, render: &Render, guard: &Guard) -> Result<Response, HttpError> {
    if !matches!(request.uri().path(), "/metrics" | "/metrics/") {
        return Err(HttpError::NotFound);
    }
    if request.method() != Method::GET {
        return Err(HttpError::MethodNotAllowed { allow: &Method::GET });
    }
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    // Metrics are about all models.
    guard.admit(Category::Metrics, header)?.model("")?;
    let mut response = Response::new(Body::from(render()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_are_served() {
        let check = |method: Method, path: &str, expect: u16| {
            let request =
                http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = respond(&request, &|| "nv_x 1\n".to_owned(), &Guard::default())
                .unwrap_or_else(HttpError::into_response);
            assert_eq!(response.status().as_u16(), expect, "{path}");
        };
        check(Method::GET, "/metrics", 200);
        check(Method::GET, "/metrics/", 200);
        check(Method::GET, "/metrics/x", 404);
        check(Method::POST, "/metrics", 405);
    }
}
