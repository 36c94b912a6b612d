//! The shared memory extensions. No region can be registered yet, so there never is one.

use super::{Answer, Call, Handler, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::{body, response::Response};
use hippocamp_types::Error;
use http::Method;

const STATUS: Docs = Docs {
    tag: "Shared memory",
    summary: "Registered regions",
    description: "All of them, or one by its name. None can be registered yet.",
    request: Body::None,
    response: Body::Json("SharedMemoryStatus"),
    errors: &[404],
};
const REGISTER: Docs = Docs {
    tag: "Shared memory",
    summary: "Register a region: not supported yet",
    description: "Send tensors in the request, in binary.",
    request: Body::None,
    response: Body::Empty,
    errors: &[501],
};
const UNREGISTER: Docs = Docs {
    tag: "Shared memory",
    summary: "Unregister one region, or all of them",
    description: "A region that is not registered is no error.",
    request: Body::None,
    response: Body::Empty,
    errors: &[],
};

pub(super) const ROUTES: &[Route] = &[
    status("/v2/systemsharedmemory/status", |_call| Box::pin(async { Ok(json("[]")) })),
    status("/v2/systemsharedmemory/region/{region}/status", |call| {
        Box::pin(unknown_region(call, "system"))
    }),
    register("/v2/systemsharedmemory/register", |_call| Box::pin(unsupported("system"))),
    register("/v2/systemsharedmemory/region/{region}/register", |_call| {
        Box::pin(unsupported("system"))
    }),
    unregister("/v2/systemsharedmemory/unregister"),
    unregister("/v2/systemsharedmemory/region/{region}/unregister"),
    status("/v2/cudasharedmemory/status", |_call| Box::pin(async { Ok(json("[]")) })),
    status("/v2/cudasharedmemory/region/{region}/status", |call| {
        Box::pin(unknown_region(call, "cuda"))
    }),
    register("/v2/cudasharedmemory/register", |_call| Box::pin(unsupported("cuda"))),
    register("/v2/cudasharedmemory/region/{region}/register", |_call| {
        Box::pin(unsupported("cuda"))
    }),
    unregister("/v2/cudasharedmemory/unregister"),
    unregister("/v2/cudasharedmemory/region/{region}/unregister"),
];

const fn status(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::GET, path, handler, docs: STATUS }
}

const fn register(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::POST, path, handler, docs: REGISTER }
}

const fn unregister(path: &'static str) -> Route {
    let handler = |_call| -> Answer { Box::pin(async { Ok(json(body::Body::empty())) }) };
    Route { method: Method::POST, path, handler, docs: UNREGISTER }
}

async fn unknown_region(call: Call, kind: &str) -> Result<Response, HttpError> {
    Err(Error::not_found(format!("Unable to find {kind} shared memory region: '{}'", call.name()))
        .into())
}

async fn unsupported(kind: &str) -> Result<Response, HttpError> {
    Err(Error::unsupported(format!(
        "{kind} shared memory is not supported by this server: send tensors in the request, in binary"
    ))
    .into())
}
