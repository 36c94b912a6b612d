//! Vectors of texts, in OpenAI's protocol.

use super::{Call, Route, json, openai_models::encoder, traced::Traced};
use crate::{
    body::offload,
    embeddings::{error::OpenAiError, request, response},
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_types::InferRequest;
use http::Method;

pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::POST,
    path: "/v1/embeddings",
    handler: |call| Box::pin(embeddings(call)),
    docs: Docs {
        tag: "Embeddings",
        summary: "Vectors of texts",
        description: "Of any model that is an encoder: see `/v1/models`. Texts go to it in requests as large as it takes, several at once.",
        request: Body::Json("EmbeddingsRequest"),
        response: Body::Json("EmbeddingsResponse"),
        errors: &[400, 404, 408, 500, 501, 503],
    },
}];

async fn embeddings(call: Call) -> Result<Response, HttpError> {
    let mut traced = Traced::new(&call);
    let answer = answer(call, &mut traced).await.unwrap_or_else(|error| {
        traced.refused(&error);
        error.into_response()
    });
    traced.end(Ok(answer))
}

async fn answer(mut call: Call, traced: &mut Traced) -> Result<Response, OpenAiError> {
    let body = call.read_body().await?;
    let received = call.front.server.now();
    let request = offload(body.len(), move || request::embeddings(&body)).await??;
    let server = &call.front.server;
    let encoder = encoder(&call, &request.model).await?;
    traced.sample(&call, &encoder.name);
    traced.received(received);
    if let Some(dimensions) = request.dimensions
        && dimensions > encoder.size
    {
        let text = format!(
            "'dimensions' should be at most {}, the size of the vectors of '{}', got {dimensions}",
            encoder.size, encoder.name
        );
        return Err(OpenAiError::field("dimensions", text));
    }
    let equip = |asked: &mut InferRequest| {
        asked.trace = traced.of_request();
        call.equip(asked, &encoder.name)
    };
    let mut made = encoder.embed(server, &request.texts, equip).await?;
    traced.responded();
    let size = request.texts.len() * encoder.size * size_of::<f32>();
    let encode = move || {
        if let Some(dimensions) = request.dimensions {
            made.shorten(dimensions);
        }
        response::embeddings(&request.model, request.format, &made)
    };
    Ok(json(offload(size, encode).await?))
}
