//! The shared memory extensions: regions of this machine's memory that clients register, so that
//! requests can name them as tensors. There are none of GPUs.

use super::{Answer, Call, Handler, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::{body, response::Response};
use hippocamp_shm::RegionStatus;
use hippocamp_types::Error;
use http::Method;
use serde_json::{Value, json};

const STATUS: Docs = Docs {
    tag: "Shared memory",
    summary: "Registered regions",
    description: "All of them, or one by its name.",
    request: Body::None,
    response: Body::Json("SharedMemoryStatus"),
    errors: &[404],
};
const REGISTER: Docs = Docs {
    tag: "Shared memory",
    summary: "Register a region",
    description: "A part of a POSIX object of shared memory (`shm_open`) on the server's machine. Inputs and outputs of requests may name it from then on. Refused unless the server runs with `--allow-client-shm`.",
    request: Body::Json("SharedMemoryRegister"),
    response: Body::Empty,
    errors: &[400, 408, 501, 503],
};
const REGISTER_CUDA: Docs = Docs {
    tag: "Shared memory",
    summary: "Register a region of a GPU's memory: not offered",
    description: "Always refused: this server has no GPU.",
    request: Body::None,
    response: Body::Empty,
    errors: &[400, 501],
};
const UNREGISTER: Docs = Docs {
    tag: "Shared memory",
    summary: "Unregister one region, or all of them",
    description: "A region that is not registered is no error; requests that use one keep it until they end. Refused unless the server runs with `--allow-client-shm`.",
    request: Body::None,
    response: Body::Empty,
    errors: &[501],
};

pub(super) const ROUTES: &[Route] = &[
    get("/v2/systemsharedmemory/status", status),
    get("/v2/systemsharedmemory/region/{region}/status", status),
    post("/v2/systemsharedmemory/register", |call| Box::pin(register(call)), REGISTER),
    post(
        "/v2/systemsharedmemory/region/{region}/register",
        |call| Box::pin(register(call)),
        REGISTER,
    ),
    post("/v2/systemsharedmemory/unregister", unregister, UNREGISTER),
    post("/v2/systemsharedmemory/region/{region}/unregister", unregister, UNREGISTER),
    get("/v2/cudasharedmemory/status", cuda_status),
    get("/v2/cudasharedmemory/region/{region}/status", cuda_status),
    post("/v2/cudasharedmemory/register", register_cuda, REGISTER_CUDA),
    post("/v2/cudasharedmemory/region/{region}/register", register_cuda, REGISTER_CUDA),
    post("/v2/cudasharedmemory/unregister", unregister_cuda, UNREGISTER),
    post("/v2/cudasharedmemory/region/{region}/unregister", unregister_cuda, UNREGISTER),
];

const fn get(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::GET, path, handler, docs: STATUS }
}

const fn post(path: &'static str, handler: Handler, docs: Docs) -> Route {
    Route { method: Method::POST, path, handler, docs }
}

fn status(call: Call) -> Answer {
    Box::pin(async move {
        let regions = call.front.options.regions.status(call.name()).map_err(Error::from)?;
        let regions: Vec<Value> = regions.into_iter().map(describe).collect();
        Ok(json(Value::from(regions).to_string()))
    })
}

fn describe(region: RegionStatus) -> Value {
    let RegionStatus { name, key, offset, byte_size } = region;
    json!({ "name": name, "key": key, "offset": offset, "byte_size": byte_size })
}

async fn register(mut call: Call) -> Result<Response, HttpError> {
    call.front.options.regions.check_allowed().map_err(Error::from)?;
    let body = call.read_object().await?;
    let regions = &call.front.options.regions;
    let missing = |field: &str| {
        Error::invalid(format!("Shared memory register request has no '{field}' field"))
    };
    let number = |field: &str| match body.get(field) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| {
            Error::invalid(format!(
                "Unable to parse '{field}': expected a number of bytes, not negative, got {value}"
            ))
        }),
    };
    let key = match body.get("key") {
        None => return Err(missing("key").into()),
        Some(Value::String(key)) => key,
        Some(other) => {
            let text = format!("Unable to parse 'key': expected a string, got {other}");
            return Err(Error::invalid(text).into());
        }
    };
    let offset = number("offset")?.unwrap_or(0);
    let byte_size = number("byte_size")?.ok_or_else(|| missing("byte_size"))?;
    regions.register(call.name(), key, offset, byte_size).map_err(Error::from)?;
    Ok(done())
}

fn unregister(call: Call) -> Answer {
    Box::pin(async move {
        call.front.options.regions.unregister(call.name()).map_err(Error::from)?;
        Ok(done())
    })
}

fn cuda_status(call: Call) -> Answer {
    Box::pin(async move {
        call.front.options.regions.cuda_status(call.name()).map_err(Error::from)?;
        Ok(json("[]"))
    })
}

fn register_cuda(call: Call) -> Answer {
    Box::pin(async move {
        call.front.options.regions.register_cuda(call.name()).map_err(Error::from)?;
        Ok(done())
    })
}

fn unregister_cuda(call: Call) -> Answer {
    Box::pin(async move {
        call.front.options.regions.unregister_cuda().map_err(Error::from)?;
        Ok(done())
    })
}

/// Success without content.
fn done() -> Response {
    json(body::Body::empty())
}
