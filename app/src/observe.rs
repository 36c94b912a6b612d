//! Around every request: its id, its time, its line in the access log, headers for safety.

use crate::{app::App, error::AppError, ids};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hippocamp_net::Peer;
use hippocamp_telemetry::access::Call;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What nginx logs of a call whose client did not wait for the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Longest id of a client that is passed on.
const LONGEST_ID: usize = 128;

/// The page and its files come from here, and nothing else; pictures may be what was dropped on it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Swagger UI writes styles into the page.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
);

/// Routes that are counted under their own names; all others are `other`.
fn route_of(request: &Request, known: &[&'static str]) -> &'static str {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    known.iter().find(|path| Some(**path) == matched).copied().unwrap_or("other")
}

/// Answers a request by `next`, and tells of it.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = app.now();
    let route = route_of(&request, crate::routes::PATHS);
    let given = request.headers().get(REQUEST_ID).filter(|id| id.len() <= LONGEST_ID).cloned();
    let docs = request.uri().path().starts_with("/docs");
    let method = request.method().clone();
    let safe = matches!(method, Method::GET | Method::HEAD);
    let record = app.access_log.as_ref().map(|log| {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let peer = request.extensions().get::<Peer>();
        log.0.begin(Call {
            protocol: "http",
            peer: peer.map(Peer::to_string).unwrap_or_default(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            unanswered: CLIENT_CLOSED_REQUEST,
            request_bytes: length.and_then(|length| length.to_str().ok()?.parse().ok()),
        })
    });
    // Another site's page must not use a visitor's browser to give feedback here.
    let foreign =
        !safe && request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let mut response = if foreign {
        AppError::refused(
            "sec-fetch-site",
            "expected a request of this page, got one of another site",
        )
        .into_response()
    } else {
        next.run(request).await
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && !response.headers().contains_key(header::CONTENT_TYPE)
    {
        // axum's own answer has no text; it adds `Allow` later.
        response = AppError::MethodNotAllowed { method }.into_response();
    }
    let headers = response.headers_mut();
    let id = given.unwrap_or_else(|| {
        HeaderValue::from_str(&ids::new()).expect("letters and digits fit a header")
    });
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(header::CONTENT_SECURITY_POLICY, if docs { DOCS_POLICY } else { POLICY });
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    if let Some(record) = record {
        record.answered(status, response.body().size_hint().exact());
        if let Ok(id) = id.to_str() {
            record.identify(id);
        }
    }
    app.metrics.answered(route, status, app.now().since(started));
    response
}
