//! Health: of the server and of models. The bodies are KServe's; Triton's are empty.

use super::{Call, Route, json_with_status};
use crate::{
    codec::push_string,
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_types::Error;
use http::{Method, StatusCode};

const MODEL_READY: Docs = Docs {
    tag: "Health",
    summary: "Whether a model serves",
    description: "The given version, or the latest. 400 while it does not.",
    request: Body::None,
    response: Body::Json("ModelReady"),
    errors: &[400],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v2/health/live",
        handler: |call| Box::pin(async move { Ok(health("live", call.front.server.is_live())) }),
        docs: Docs {
            tag: "Health",
            summary: "Whether the server runs",
            description: "For a liveness probe.",
            request: Body::None,
            response: Body::Json("ServerLive"),
            errors: &[400],
        },
    },
    Route {
        method: Method::GET,
        path: "/v2/health/ready",
        handler: |call| Box::pin(async move { Ok(health("ready", call.front.server.is_ready())) }),
        docs: Docs {
            tag: "Health",
            summary: "Whether the server takes requests",
            description: "For a readiness probe. 400 with `{\"ready\": false}` while models load, when one failed to (`--strict-readiness`), and while the server drains.",
            request: Body::None,
            response: Body::Json("ServerReady"),
            errors: &[400],
        },
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/ready",
        handler: |call| Box::pin(async move { model_ready(&call) }),
        docs: MODEL_READY,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/versions/{version}/ready",
        handler: |call| Box::pin(async move { model_ready(&call) }),
        docs: MODEL_READY,
    },
];

fn health(name: &str, healthy: bool) -> Response {
    let status = if healthy { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    json_with_status(status, format!("{{\"{name}\":{healthy}}}"))
}

fn model_ready(call: &Call) -> Result<Response, HttpError> {
    if !call.front.server.is_model_ready(call.name(), call.version()?) {
        return Err(Error::invalid("Model version not ready").into());
    }
    let mut body = b"{\"name\":".to_vec();
    push_string(&mut body, call.name());
    body.extend_from_slice(b",\"ready\":true}");
    Ok(json_with_status(StatusCode::OK, body))
}
