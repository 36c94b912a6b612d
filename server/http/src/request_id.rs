//! The id that a request is found by in logs: what its client calls it, else one of ours. Every
//! error carries it (header `x-request-id`), and so does every answer to a client that sent one.

use axum::response::Response;
use hippocamp_core::{REQUEST_ID, generated_request_id};
use http::{HeaderMap, HeaderName, HeaderValue};

const HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);

/// Extension of an answer that was an error before it became one, with the id that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Failed(pub(crate) Option<String>);

/// The header that the client sent.
pub(crate) fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(HEADER).cloned()
}

/// Puts an id on an answer. `known` is the id in the request's body, which counts before a header.
pub(crate) fn mark(
    response: &mut Response,
    known: Option<&str>,
    given: Option<HeaderValue>,
    failed: bool,
) {
    // An id may hold what a header cannot.
    let known = known.and_then(|id| HeaderValue::from_str(id).ok());
    let generated =
        || HeaderValue::from_str(&generated_request_id()).expect("letters and digits fit a header");
    let id = known.or(given).or_else(|| failed.then(generated));
    if let Some(id) = id {
        response.headers_mut().insert(HEADER, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn every_error_has_an_id() {
        let check = |known: Option<&str>, given: Option<&'static str>, failed| {
            let mut response = Response::new(Body::empty());
            mark(&mut response, known, given.map(HeaderValue::from_static), failed);
            response.headers().get(HEADER).map(|id| id.to_str().unwrap().to_owned())
        };
        assert_eq!(check(Some("a"), Some("b"), true).as_deref(), Some("a"));
        assert_eq!(check(Some("a\n"), Some("b"), true).as_deref(), Some("b"));
        assert_eq!(check(None, Some("b"), false).as_deref(), Some("b"));
        assert_eq!(check(None, None, false), None);
        let (first, second) = (check(None, None, true), check(None, None, true));
        assert!(first.is_some() && first != second);
    }
}
