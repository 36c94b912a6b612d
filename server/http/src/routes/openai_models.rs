//! The models that OpenAI's clients can use here: the encoders.

use super::{Call, Route, json};
use crate::{
    embeddings::{encoder::Encoder, error::OpenAiError},
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_core::ModelVersion;
use hippocamp_types::Error;
use http::Method;
use serde_json::{Value, json as value};
use std::{fs, sync::Arc, time::UNIX_EPOCH};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/models",
        handler: |call| {
            Box::pin(async move { Ok(list(call).await.unwrap_or_else(OpenAiError::into_response)) })
        },
        docs: Docs {
            tag: "Embeddings",
            summary: "The encoders that serve",
            description: "Every model whose one required input is a text and whose output is one vector of a fixed size for each; an output `attention_mask` beside it tells the tokens. Where there are more outputs, parameter `embedding_output` of the configuration names the vector.",
            request: Body::None,
            response: Body::Json("EncoderList"),
            errors: &[500],
        },
    },
    Route {
        method: Method::GET,
        path: "/v1/models/{model}",
        handler: |call| {
            Box::pin(async move { Ok(one(call).await.unwrap_or_else(OpenAiError::into_response)) })
        },
        docs: Docs {
            tag: "Embeddings",
            summary: "An encoder",
            description: "404 where there is no such model, 400 where it is no encoder.",
            request: Body::None,
            response: Body::Json("EncoderModel"),
            errors: &[400, 404, 500],
        },
    },
];

async fn list(call: Call) -> Result<Response, OpenAiError> {
    let found = encoders(&call).await?;
    let data = found.iter().map(|(encoder, model)| describe(encoder, model)).collect::<Vec<_>>();
    Ok(json(value!({ "object": "list", "data": data }).to_string()))
}

async fn one(call: Call) -> Result<Response, OpenAiError> {
    let server = &call.front.server;
    let encoder = encoder(&call, call.name()).await?;
    let model = server.model(&encoder.name, None)?;
    Ok(json(describe(&encoder, &model).to_string()))
}

/// The encoder of this name.
///
/// # Errors
/// 404 if there is no such model, 400 if it is none; both name those there are.
pub(super) async fn encoder(call: &Call, name: &str) -> Result<Encoder, OpenAiError> {
    call.grant.model(name).map_err(HttpError::from)?;
    let Ok(model) = call.front.server.model(name, None) else {
        let text = format!("The model '{name}' does not exist; {}", names(call).await?);
        return Err(OpenAiError::model(text));
    };
    match Encoder::of(&model.config) {
        Ok(encoder) => Ok(encoder),
        Err(reason) => {
            let others = names(call).await?;
            Err(OpenAiError::field("model", format!("'{name}' is no encoder: {reason}; {others}")))
        }
    }
}

/// The encoder, where there is one.
///
/// # Errors
/// 400 if there is none, or several.
pub(super) async fn only_encoder(call: &Call) -> Result<Encoder, OpenAiError> {
    let mut found = encoders(call).await?;
    match (found.pop(), found.is_empty()) {
        (Some((only, _)), true) => Ok(only),
        _none_or_several => {
            let text = format!("'model' is missing; {}", names(call).await?);
            Err(OpenAiError::field("model", text))
        }
    }
}

async fn names(call: &Call) -> Result<String, Error> {
    let found = encoders(call).await?;
    if found.is_empty() {
        return Ok("no model of this server is an encoder".to_owned());
    }
    let names: Vec<_> = found.iter().map(|(encoder, _)| format!("'{}'", encoder.name)).collect();
    Ok(format!("the encoders are {}", names.join(", ")))
}

/// Every encoder that serves, and that the caller may use, by name.
async fn encoders(call: &Call) -> Result<Vec<(Encoder, Arc<ModelVersion>)>, Error> {
    let server = &call.front.server;
    let mut names: Vec<_> = server.index(true).await?.into_iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    let encoder = |name: String| {
        call.grant.model(&name).ok()?;
        let model = server.model(&name, None).ok()?;
        Some((Encoder::of(&model.config).ok()?, model))
    };
    Ok(names.into_iter().filter_map(encoder).collect())
}

fn describe(encoder: &Encoder, model: &ModelVersion) -> Value {
    let files = model.directory.join(model.version.to_string());
    let changed = fs::metadata(files).and_then(|files| files.modified()).ok();
    let since = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    value!({
        "id": &*encoder.name,
        "object": "model",
        "created": since.unwrap_or_default().as_secs(),
        "owned_by": "hippocamp",
        "dimensions": encoder.size,
    })
}
