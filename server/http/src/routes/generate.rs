//! The generate extension: a flat JSON object in; one out, or a stream of them as server-sent events.

use super::{Call, Route, json, traced::Traced};
use crate::{
    body::offload,
    codec::{
        Target,
        generate::{decode_generate, encode_generate},
    },
    error::{HttpError, error_json},
    openapi::{Body, Docs},
};
use axum::response::Response;
use bytes::Bytes;
use hippocamp_core::{ReplyStream, stream_reply};
use hippocamp_telemetry::access::AccessRecord;
use hippocamp_types::{Activity, Error, InferResponse, Trace};
use http::{HeaderValue, Method, header};
use http_body::Frame;
use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

const GENERATE: Docs = Docs {
    tag: "Inference",
    summary: "Generate",
    description: "A flat JSON object: keys that name an input are tensors (a value, or a list of them), others are parameters. The model has to give exactly one response.",
    request: Body::Json("GenerateRequest"),
    response: Body::Json("GenerateResponse"),
    errors: &[400, 404, 408, 500, 501, 503],
};
const STREAM: Docs = Docs {
    tag: "Inference",
    summary: "Generate, streaming",
    description: "As `generate`; each response is sent when the model gives it, as a server-sent event. An error after the first response is an event `{\"error\": ...}`. Closing the connection cancels the request.",
    request: Body::Json("GenerateRequest"),
    response: Body::Events("GenerateResponse"),
    errors: &[400, 404, 408, 500, 501, 503],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/generate",
        handler: |call| Box::pin(generate(call)),
        docs: GENERATE,
    },
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/versions/{version}/generate",
        handler: |call| Box::pin(generate(call)),
        docs: GENERATE,
    },
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/generate_stream",
        handler: |call| Box::pin(generate_stream(call)),
        docs: STREAM,
    },
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/versions/{version}/generate_stream",
        handler: |call| Box::pin(generate_stream(call)),
        docs: STREAM,
    },
];

async fn generate(call: Call) -> Result<Response, HttpError> {
    let mut traced = Traced::new(&call);
    let answer = answer_once(call, &mut traced).await;
    traced.end(answer)
}

async fn answer_once(call: Call, traced: &mut Traced) -> Result<Response, HttpError> {
    let mut responses = start(call, traced).await?;
    let Some(response) = responses.next().await? else {
        return Err(not_one_response());
    };
    if responses.next().await?.is_some() {
        return Err(not_one_response());
    }
    let size = response.outputs.iter().map(|output| output.data.len()).sum();
    Ok(json(offload(size, move || encode_generate(&response)).await??))
}

async fn generate_stream(call: Call) -> Result<Response, HttpError> {
    let mut traced = Traced::new(&call);
    let answer = answer_with_events(call, &mut traced).await;
    traced.end(answer)
}

async fn answer_with_events(call: Call, traced: &mut Traced) -> Result<Response, HttpError> {
    let record = call.record.clone();
    let mut responses = start(call, traced).await?;
    // The first response decides the status; an error before it is no stream.
    let first = match responses.next().await? {
        Some(response) => Some(event(&encode_generate(&response)?)),
        None => None,
    };
    let mut response = Response::new(axum::body::Body::new(Events { first, responses, record }));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

async fn start(mut call: Call, traced: &mut Traced) -> Result<Responses, HttpError> {
    let version = call.version()?;
    let model = call.front.server.model(call.name(), version)?;
    traced.sample(&call, call.name());
    let body = call.read_body().await?;
    let received = call.front.server.now();
    traced.received(received);
    let max_input_size = call.front.options.max_input_size;
    let size = body.len();
    let work = move || {
        let target = Target { model: &model.config.name, max_input_size };
        decode_generate(&body, &model.config, target)
    };
    let request = offload(size, work).await??;
    let (responder, replies) = stream_reply();
    let (mut request, _all_outputs) = request.into_request(received, responder);
    call.equip(&mut request, call.name())?;
    request.trace = traced.of_request();
    call.front.server.infer(call.name(), version, request);
    Ok(Responses { replies, trace: traced.trace(), ended: false })
}

/// The responses of a request. The last reply ends them, whoever may still hold the responder.
struct Responses {
    replies: ReplyStream,
    trace: Option<Trace>,
    ended: bool,
}

impl Responses {
    /// The next response; `None` after the last.
    async fn next(&mut self) -> Result<Option<InferResponse>, Error> {
        poll_fn(|context| self.poll_next(context)).await.transpose()
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<InferResponse, Error>>> {
        while !self.ended {
            let Some(reply) = ready!(self.replies.poll_next(context)) else {
                break;
            };
            self.ended = reply.last;
            // Some replies only tell the end.
            if let Some(response) = reply.response {
                if let Some(trace) = &self.trace {
                    trace.record_now(Activity::InferResponseComplete);
                }
                return Poll::Ready(Some(response));
            }
        }
        Poll::Ready(None)
    }
}

fn not_one_response() -> HttpError {
    Error::internal(
        "generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses",
    )
    .into()
}

fn event(json: &[u8]) -> Bytes {
    [b"data: ", json, b"\n\n"].concat().into()
}

/// The body of a stream. Dropping it, which a lost connection does, cancels the request.
struct Events {
    first: Option<Bytes>,
    responses: Responses,
    record: Option<Arc<AccessRecord>>,
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.ended();
        }
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let response = ready!(self.responses.poll_next(context));
        Poll::Ready(response.map(|response| {
            let encoded = response.and_then(|response| encode_generate(&response));
            let json = encoded.unwrap_or_else(|error| {
                if let Some(trace) = &self.responses.trace {
                    trace.refused(error.message());
                }
                error_json(error.message())
            });
            Ok(Frame::data(event(&json)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;

    fn response(version: u64) -> InferResponse {
        InferResponse {
            model_name: "m".into(),
            model_version: version,
            id: String::new(),
            parameters: Vec::new(),
            outputs: Vec::new(),
        }
    }

    #[test]
    fn a_stream_ends_with_the_last_reply_though_the_responder_lives() {
        let (responder, replies) = stream_reply();
        responder.send(Ok(response(1)), false).unwrap();
        responder.send(Err(Error::invalid("no")), false).unwrap();
        responder.finish().unwrap();
        let first = Some(event(b"{}"));
        let mut events = Events {
            first,
            responses: Responses { replies, trace: None, ended: false },
            record: None,
        };
        let mut seen = Vec::new();
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut events).poll_frame(&mut context) {
            seen.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(
            seen,
            [
                "data: {}\n\n",
                "data: {\"model_name\":\"m\",\"model_version\":\"1\"}\n\n",
                "data: {\"error\":\"no\"}\n\n"
            ]
        );
        assert!(matches!(Pin::new(&mut events).poll_frame(&mut context), Poll::Ready(None)));
        assert!(responder.is_finished());
    }

    #[test]
    fn dropping_the_stream_cancels_the_request() {
        let (responder, replies) = stream_reply();
        let events = Events {
            first: None,
            responses: Responses { replies, trace: None, ended: false },
            record: None,
        };
        assert!(!responder.is_cancelled());
        drop(events);
        assert!(responder.is_cancelled());
        responder.fail(Error::cancelled());
    }
}
