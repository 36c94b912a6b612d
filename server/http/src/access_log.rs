//! What the access log is told of a call over HTTP.

use axum::response::Response;
use hippocamp_access::Grant;
use hippocamp_net::Peer;
use hippocamp_telemetry::access::{AccessLog, AccessRecord, Call};
use http::{header, request::Parts};
use http_body::Body as _;
use std::sync::Arc;

/// What nginx logs of a call whose client did not wait for the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Opens the record of a call.
pub(crate) fn begin(log: &AccessLog, parts: &Parts) -> Arc<AccessRecord> {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    log.begin(Call {
        protocol: "http",
        peer: parts.extensions.get::<Peer>().map(Peer::to_string).unwrap_or_default(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        unanswered: CLIENT_CLOSED_REQUEST,
        request_bytes: length.and_then(|length| length.to_str().ok()?.parse().ok()),
    })
}

/// Who called is known.
pub(crate) fn admitted(record: &AccessRecord, grant: &Grant) {
    if let Some(key) = grant.key() {
        record.caller(key);
    }
}

/// The answer leaves.
pub(crate) fn answered(record: &AccessRecord, response: &Response) {
    record.answered(response.status().as_u16(), response.body().size_hint().exact());
    let id = response.headers().get(hippocamp_core::REQUEST_ID);
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        record.identify(id);
    }
}
