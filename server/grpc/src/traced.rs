//! What a call of inference tells of traces: the W3C trace context in its metadata and in those of
//! its answer, and when its messages were read and sent.

use hippocamp_core::InferenceServer;
use hippocamp_types::{Activity, Timestamp, Trace, TraceContext};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tonic::{
    body::Body,
    metadata::{MetadataMap, MetadataValue},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// When a call began to arrive: an extension of its request while requests are traced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(pub(crate) Timestamp);

/// The trace of a call: an extension of its response.
#[derive(Clone, Debug)]
pub(crate) struct Sending(pub(crate) Trace);

/// What the metadata of a call say of its caller.
pub(crate) fn caller(metadata: &MetadataMap) -> Option<TraceContext> {
    let values = |name| metadata.get_all(name).into_iter().map(MetadataValue::as_encoded_bytes);
    metadata
        .contains_key(TRACEPARENT)
        .then(|| TraceContext::parse(values(TRACEPARENT), values(TRACESTATE)))
        .flatten()
}

/// Tells the client the trace context of this server's span, or its own where this server adds none.
pub(crate) fn tell(
    metadata: &mut MetadataMap,
    trace: Option<&Trace>,
    caller: Option<&TraceContext>,
) {
    let context = trace.and_then(Trace::request_context).or(caller);
    if let Some(value) = context.and_then(|context| context.to_string().parse().ok()) {
        metadata.insert(TRACEPARENT, value);
    }
}

/// The trace of a request to `model`, if it is to be traced.
pub(crate) fn sample(
    server: &InferenceServer,
    model: &str,
    caller: Option<&TraceContext>,
    began: Option<Timestamp>,
    received: Timestamp,
) -> Option<Trace> {
    let trace = server.sample(model, caller)?;
    trace.record(Activity::GrpcWaitreadStart, began.unwrap_or(received));
    trace.record(Activity::GrpcWaitreadEnd, received);
    Some(trace)
}

/// The response, watched until it is sent if its request is traced.
pub(crate) fn watch(response: http::Response<Body>) -> http::Response<Body> {
    match response.extensions().get::<Sending>().cloned() {
        None => response,
        Some(Sending(trace)) => {
            trace.record_now(Activity::GrpcSendStart);
            response.map(|body| Body::new(Sent { body, trace }))
        }
    }
}

/// The request is answered with a status of this text and without a body.
pub(crate) fn refuse(trace: &Trace, error: &str) {
    trace.refused(error);
    trace.record_now(Activity::GrpcSendStart);
    trace.record_now(Activity::GrpcSendEnd);
}

/// The body of an answer; when it is dropped, the connection has taken all that it will take.
struct Sent {
    body: Body,
    trace: Trace,
}

impl http_body::Body for Sent {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.trace.record_now(Activity::GrpcSendEnd);
    }
}
