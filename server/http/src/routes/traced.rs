//! What a request for inference and its answer tell of a trace: the W3C trace context of both, and
//! when they were received and sent.

use super::Call;
use crate::{error::HttpError, request_id::Failed};
use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use hippocamp_types::{Activity, RequestTrace, Timestamp, Trace, TraceContext};
use http::{HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What there is to tell of one request; nothing, mostly.
#[derive(Debug, Default)]
pub(super) struct Traced {
    caller: Option<TraceContext>,
    /// When the request began to arrive; set while requests are traced.
    began: Option<Timestamp>,
    trace: Option<Trace>,
    /// Requests to models that the trace has been given to.
    requests: usize,
}

impl Traced {
    /// Of a request whose body is still to be read.
    pub(super) fn new(call: &Call) -> Self {
        let headers = &call.parts.headers;
        let values = |name| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
        let caller = headers
            .contains_key(TRACEPARENT)
            .then(|| TraceContext::parse(values(TRACEPARENT), values(TRACESTATE)))
            .flatten();
        let server = &call.front.server;
        Self { caller, began: server.is_tracing().then(|| server.now()), trace: None, requests: 0 }
    }

    /// The model is there: decides whether the request is traced.
    pub(super) fn sample(&mut self, call: &Call, model: &str) {
        let Some(began) = self.began else { return };
        self.trace = call.front.server.sample(model, self.caller.as_ref());
        if let Some(trace) = &self.trace {
            trace.record(Activity::HttpRecvStart, began);
        }
    }

    /// The request is there whole.
    pub(super) fn received(&self, at: Timestamp) {
        if let Some(trace) = &self.trace {
            trace.record(Activity::HttpRecvEnd, at);
        }
    }

    /// What a request to a model carries on its way: the first one the trace itself, others of the
    /// same call one beside it.
    pub(super) fn of_request(&mut self) -> Option<RequestTrace> {
        let trace = self.trace.as_ref()?;
        self.requests += 1;
        Some(RequestTrace::new(if self.requests == 1 { trace.clone() } else { trace.beside() }))
    }

    pub(super) fn trace(&self) -> Option<Trace> {
        self.trace.clone()
    }

    /// The one response is there.
    pub(super) fn responded(&self) {
        if let Some(trace) = &self.trace {
            trace.record_now(Activity::InferResponseComplete);
        }
    }

    /// The client is told an error.
    pub(super) fn refused(&self, error: &impl Display) {
        if let Some(trace) = &self.trace {
            trace.refused(&error.to_string());
        }
    }

    /// The answer, with the trace context of this server's span, or of the caller's where this
    /// server adds none.
    pub(super) fn end(self, answer: Result<Response, HttpError>) -> Result<Response, HttpError> {
        let own = self.trace.as_ref().and_then(Trace::request_context);
        let context = own.or(self.caller.as_ref()).map(ToString::to_string);
        if context.is_none() && self.trace.is_none() {
            return answer;
        }
        let mut response = answer.unwrap_or_else(|error| {
            tracing::debug!(%error, "request failed");
            self.refused(&error);
            let failed = Failed(error.request_id().map(str::to_owned));
            let mut response = error.into_response();
            response.extensions_mut().insert(failed);
            response
        });
        if let Some(value) = context.and_then(|context| HeaderValue::try_from(context).ok()) {
            response.headers_mut().insert(TRACEPARENT, value);
        }
        Ok(match self.trace {
            None => response,
            Some(trace) => {
                trace.record_now(Activity::HttpSendStart);
                response.map(|body| Body::new(Sent { body, trace }))
            }
        })
    }
}

/// The body of an answer; when it is dropped, the connection has taken all that it will take.
struct Sent {
    body: Body,
    trace: Trace,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
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
        self.trace.record_now(Activity::HttpSendEnd);
    }
}
