//! Metadata of the server and its models, and their configuration.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_core::TensorMetadata;
use http::Method;
use serde_json::{Value, json as value};

const SERVER: Docs = Docs {
    tag: "Metadata",
    summary: "Name, version and extensions of the server",
    description: "The extensions are those that work here.",
    request: Body::None,
    response: Body::Json("ServerMetadata"),
    errors: &[],
};
const MODEL: Docs = Docs {
    tag: "Metadata",
    summary: "Inputs and outputs of a model",
    description: "Shapes include the batch dimension where the model has one; -1 is any size.",
    request: Body::None,
    response: Body::Json("ModelMetadata"),
    errors: &[400, 404],
};
const CONFIG: Docs = Docs {
    tag: "Metadata",
    summary: "The configuration of a model",
    description: "As it serves: completed from the model's file and with the defaults filled in.",
    request: Body::None,
    response: Body::Json("ModelConfig"),
    errors: &[400, 404],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v2",
        handler: |call| Box::pin(async move { Ok(server(&call)) }),
        docs: SERVER,
    },
    Route {
        method: Method::GET,
        path: "/v2/",
        handler: |call| Box::pin(async move { Ok(server(&call)) }),
        docs: SERVER,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}",
        handler: |call| Box::pin(async move { model(&call) }),
        docs: MODEL,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/versions/{version}",
        handler: |call| Box::pin(async move { model(&call) }),
        docs: MODEL,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/config",
        handler: |call| Box::pin(async move { config(&call) }),
        docs: CONFIG,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/versions/{version}/config",
        handler: |call| Box::pin(async move { config(&call) }),
        docs: CONFIG,
    },
];

fn server(call: &Call) -> Response {
    let metadata = call.front.server.metadata();
    let body = value!({
        "name": metadata.name,
        "version": metadata.version,
        "extensions": metadata.extensions,
    });
    json(body.to_string())
}

fn model(call: &Call) -> Result<Response, HttpError> {
    let metadata = call.front.server.model_metadata(call.name(), call.version()?)?;
    let tensors = |tensors: &[TensorMetadata]| -> Value {
        tensors
            .iter()
            .map(|tensor| {
                value!({
                    "name": tensor.name,
                    "datatype": tensor.datatype.name(),
                    "shape": tensor.shape.dims(),
                })
            })
            .collect()
    };
    let body = value!({
        "name": metadata.name,
        "versions": metadata.versions.iter().map(u64::to_string).collect::<Vec<_>>(),
        "platform": metadata.platform,
        "inputs": tensors(&metadata.inputs),
        "outputs": tensors(&metadata.outputs),
    });
    Ok(json(body.to_string()))
}

fn config(call: &Call) -> Result<Response, HttpError> {
    let model = call.front.server.model(call.name(), call.version()?)?;
    Ok(json(hippocamp_config::to_json(&model.config.raw)))
}
