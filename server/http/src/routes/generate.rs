//! The generate extension: a flat JSON object in; one out, or a stream of them as server-sent events.

use super::{Call, Route, json};
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
use hippocamp_types::{Error, InferResponse};
use http::{HeaderValue, Method, header};
use http_body::Frame;
use std::{
    convert::Infallible,
    pin::Pin,
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
    let mut replies = start(call).await?;
    let Some(response) = next_response(&mut replies).await? else {
        return Err(not_one_response());
    };
    if next_response(&mut replies).await?.is_some() {
        return Err(not_one_response());
    }
    let size = response.outputs.iter().map(|output| output.data.len()).sum();
    Ok(json(offload(size, move || encode_generate(&response)).await??))
}

async fn generate_stream(call: Call) -> Result<Response, HttpError> {
    let mut replies = start(call).await?;
    // The first response decides the status; an error before it is no stream.
    let first = match next_response(&mut replies).await? {
        Some(response) => Some(event(&encode_generate(&response)?)),
        None => None,
    };
    let mut response = Response::new(axum::body::Body::new(Events { first, replies }));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

async fn start(mut call: Call) -> Result<ReplyStream, HttpError> {
    let version = call.version()?;
    let model = call.front.server.model(call.name(), version)?;
    let body = call.read_body().await?;
    let received = call.front.server.now();
    let max_input_size = call.front.options.max_input_size;
    let work = move || {
        decode_generate(&body, &model.config, Target { model: &model.config.name, max_input_size })
    };
    let size = call
        .parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    // Without a length nothing is known: it may be large.
    let request = offload(size.unwrap_or(usize::MAX), work).await??;
    let (responder, replies) = stream_reply();
    let (request, _all_outputs) = request.into_request(received, responder);
    call.front.server.infer(call.name(), version, request);
    Ok(replies)
}

/// The next response, past replies that carry none.
async fn next_response(replies: &mut ReplyStream) -> Result<Option<InferResponse>, Error> {
    while let Some(reply) = replies.next().await {
        if let Some(response) = reply.response {
            return response.map(Some);
        }
        if reply.last {
            break;
        }
    }
    Ok(None)
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
    replies: ReplyStream,
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
        loop {
            let Some(reply) = ready!(self.replies.poll_next(context)) else {
                return Poll::Ready(None);
            };
            let Some(response) = reply.response else {
                continue;
            };
            let json = response
                .and_then(|response| encode_generate(&response))
                .unwrap_or_else(|error| error_json(error.message()));
            return Poll::Ready(Some(Ok(Frame::data(event(&json)))));
        }
    }
}
