//! Vectors of texts, in OpenAI's protocol.

use super::{Call, Route, json, openai_models::encoder};
use crate::{
    body::offload,
    embeddings::{error::OpenAiError, request, response},
    openapi::{Body, Docs},
};
use axum::response::Response;
use http::Method;

pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::POST,
    path: "/v1/embeddings",
    handler: |call| {
        Box::pin(
            async move { Ok(embeddings(call).await.unwrap_or_else(OpenAiError::into_response)) },
        )
    },
    docs: Docs {
        tag: "Embeddings",
        summary: "Vectors of texts",
        description: "Of any model that is an encoder: see `/v1/models`. Texts go to it in requests as large as it takes, several at once.",
        request: Body::Json("EmbeddingsRequest"),
        response: Body::Json("EmbeddingsResponse"),
        errors: &[400, 404, 408, 500, 501, 503],
    },
}];

async fn embeddings(mut call: Call) -> Result<Response, OpenAiError> {
    let body = call.read_body().await?;
    let request = offload(body.len(), move || request::embeddings(&body)).await??;
    let server = &call.front.server;
    let encoder = encoder(&call, &request.model).await?;
    if let Some(dimensions) = request.dimensions
        && dimensions > encoder.size
    {
        let text = format!(
            "'dimensions' should be at most {}, the size of the vectors of '{}', got {dimensions}",
            encoder.size, encoder.name
        );
        return Err(OpenAiError::field("dimensions", text));
    }
    let mut made =
        encoder.embed(server, &request.texts, |request| call.equip(request, &encoder.name)).await?;
    let size = request.texts.len() * encoder.size * size_of::<f32>();
    let encode = move || {
        if let Some(dimensions) = request.dimensions {
            made.shorten(dimensions);
        }
        response::embeddings(&request.model, request.format, &made)
    };
    Ok(json(offload(size, encode).await?))
}
