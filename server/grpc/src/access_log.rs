//! What the access log is told of a call over gRPC. A stream has a line for each of its requests and
//! none of its own, unless it is refused.

use hippocamp_access::Grant;
use hippocamp_net::Peer;
use hippocamp_telemetry::access::{AccessLog, AccessRecord, Call};
use std::sync::Arc;
use tonic::Code;

/// Opens records of calls of one kind by one caller.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    log: AccessLog,
    peer: Option<Peer>,
    path: String,
    key: Option<String>,
}

impl Journal {
    pub(crate) fn new<B>(log: &AccessLog, request: &http::Request<B>) -> Self {
        let extensions = request.extensions();
        Self {
            log: log.clone(),
            peer: extensions.get::<Peer>().copied(),
            path: request.uri().path().to_owned(),
            key: extensions.get().and_then(Grant::key).map(str::to_owned),
        }
    }

    pub(crate) fn begin(&self) -> Arc<AccessRecord> {
        let record = self.log.begin(Call {
            protocol: "grpc",
            peer: self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            method: "POST".to_owned(),
            path: self.path.clone(),
            unanswered: number(Code::Cancelled),
            request_bytes: None,
        });
        if let Some(key) = &self.key {
            record.caller(key);
        }
        record
    }
}

/// The answer leaves with `code`.
pub(crate) fn answered(record: &AccessRecord, code: Code) {
    record.answered(number(code), None);
}

fn number(code: Code) -> u16 {
    u16::try_from(i32::from(code)).unwrap_or_default()
}
