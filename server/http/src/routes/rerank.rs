//! Texts ranked by how like a query they are: in the shape of Hugging Face's text embeddings inference, and
//! in that of Cohere.

use super::{
    Answer, Call, Route, json,
    openai_models::{encoder, only_encoder},
    traced::Traced,
};
use crate::{
    body::offload,
    embeddings::{
        encoder::Embeddings,
        error::OpenAiError,
        request::{self, RerankRequest},
        response,
    },
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_types::InferRequest;
use http::Method;

/// Reads the body of a request.
type Read = fn(&[u8]) -> Result<RerankRequest, OpenAiError>;

/// Writes the body of a response of this model.
type Write = fn(&str, &RerankRequest, &Embeddings) -> Vec<u8>;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/rerank",
        handler: texts,
        docs: Docs {
            tag: "Embeddings",
            summary: "Texts ranked by a query",
            description: "By the cosine of their vectors, which any encoder of `/v1/models` makes. The shape is that of Hugging Face's text embeddings inference.",
            request: Body::Json("RerankRequest"),
            response: Body::Json("RerankResponse"),
            errors: &[400, 404, 408, 500, 501, 503],
        },
    },
    Route {
        method: Method::POST,
        path: "/v1/rerank",
        handler: documents,
        docs: Docs {
            tag: "Embeddings",
            summary: "Documents ranked by a query",
            description: "As `/rerank`, in the shape of Cohere.",
            request: Body::Json("RerankDocumentsRequest"),
            response: Body::Json("RerankDocumentsResponse"),
            errors: &[400, 404, 408, 500, 501, 503],
        },
    },
];

fn texts(call: Call) -> Answer {
    let write: Write =
        |_model, request, made| response::rerank(request, &response::ranks(request, made));
    Box::pin(async move {
        let mut traced = Traced::new(&call);
        let answer = rerank(call, &mut traced, request::rerank, write).await;
        traced.end(answer.map_err(OpenAiError::into_http))
    })
}

fn documents(call: Call) -> Answer {
    let write: Write = |model, request, made| {
        response::rerank_documents(model, request, &response::ranks(request, made), made.tokens)
    };
    Box::pin(async move {
        let mut traced = Traced::new(&call);
        let answer = rerank(call, &mut traced, request::rerank_documents, write).await;
        let answer = answer.unwrap_or_else(|error| {
            traced.refused(&error);
            error.into_response()
        });
        traced.end(Ok(answer))
    })
}

async fn rerank(
    mut call: Call,
    traced: &mut Traced,
    read: Read,
    write: Write,
) -> Result<Response, OpenAiError> {
    let body = call.read_body().await?;
    let received = call.front.server.now();
    let request = offload(body.len(), move || read(&body)).await??;
    let server = &call.front.server;
    let encoder = match &request.model {
        Some(model) => encoder(&call, model).await?,
        None => only_encoder(&call).await?,
    };
    traced.sample(&call, &encoder.name);
    traced.received(received);
    let equip = |asked: &mut InferRequest| {
        asked.trace = traced.of_request();
        call.equip(asked, &encoder.name)
    };
    let made = encoder.embed(server, &request.texts, equip).await?;
    traced.responded();
    let size = request.texts.len() * encoder.size * size_of::<f32>();
    Ok(json(offload(size, move || write(&encoder.name, &request, &made)).await?))
}
