//! The metrics endpoint, on its own port.

use crate::error::HttpError;
use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderValue, Method, header};
use std::sync::Arc;

/// Renders the metrics as Prometheus text.
type Render = dyn Fn() -> String + Send + Sync;

/// `/metrics` and `/metrics/`, rendered anew for each request.
pub fn metrics_router(render: Arc<dyn Fn() -> String + Send + Sync>) -> Router {
    Router::new().fallback(move |request: Request| {
        let render = Arc::clone(&render);
        async move { respond(&request, &*render).unwrap_or_else(HttpError::into_response) }
    })
}

fn respond(request: &Request, render: &Render) -> Result<Response, HttpError> {
    if !matches!(request.uri().path(), "/metrics" | "/metrics/") {
        return Err(HttpError::NotFound);
    }
    if request.method() != Method::GET {
        return Err(HttpError::MethodNotAllowed { allow: &Method::GET });
    }
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
            let response = respond(&request, &|| "nv_x 1\n".to_owned())
                .unwrap_or_else(HttpError::into_response);
            assert_eq!(response.status().as_u16(), expect, "{path}");
        };
        check(Method::GET, "/metrics", 200);
        check(Method::GET, "/metrics/", 200);
        check(Method::GET, "/metrics/x", 404);
        check(Method::POST, "/metrics", 405);
    }
}
