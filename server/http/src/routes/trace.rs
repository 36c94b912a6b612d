//! The trace extension: which requests are traced, of the server or of one model.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_telemetry::{TraceSettings, TraceUpdate};
use hippocamp_types::Error;
use http::Method;
use serde_json::{Map, Value};

const GET: Docs = Docs {
    tag: "Trace",
    summary: "Trace settings",
    description: "Of the server, or of one model.",
    request: Body::None,
    response: Body::Json("TraceSetting"),
    errors: &[400],
};
const POST: Docs = Docs {
    tag: "Trace",
    summary: "Change trace settings",
    description: "Settings that are left out stay as they are; `null` takes back what was set, so that a model follows the server, and the server the way it was started. The file and the mode stay as the server was started; without a file (`--trace-config triton,file=FILE`) or mode opentelemetry nothing can be traced. The answer has all settings.",
    request: Body::OptionalJson("TraceSetting"),
    response: Body::Json("TraceSetting"),
    errors: &[400, 501],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v2/trace/setting",
        handler: |call| Box::pin(async move { setting(&call) }),
        docs: GET,
    },
    Route {
        method: Method::POST,
        path: "/v2/trace/setting",
        handler: |call| Box::pin(update(call)),
        docs: POST,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/trace/setting",
        handler: |call| Box::pin(async move { setting(&call) }),
        docs: GET,
    },
    Route {
        method: Method::POST,
        path: "/v2/models/{model}/trace/setting",
        handler: |call| Box::pin(update(call)),
        docs: POST,
    },
];

/// The model of the path, if it names one.
fn model(call: &Call) -> Option<&str> {
    Some(call.name()).filter(|name| !name.is_empty())
}

fn setting(call: &Call) -> Result<Response, HttpError> {
    Ok(shown(&call.front.server.trace_settings(model(call))?))
}

async fn update(mut call: Call) -> Result<Response, HttpError> {
    call.front.server.trace_settings(model(&call))?;
    let update = read(&call.read_object().await?)?;
    Ok(shown(&call.front.server.update_trace_settings(model(&call), &update)?))
}

fn shown(settings: &TraceSettings) -> Response {
    let settings = settings.shown().into_iter().map(|(name, mut values)| {
        let value = match name {
            "trace_level" => Value::from(values),
            _ => Value::from(values.pop().unwrap_or_default()),
        };
        (name.to_owned(), value)
    });
    json(Value::Object(settings.collect()).to_string())
}

/// The changes that `settings` ask for.
fn read(settings: &Map<String, Value>) -> Result<TraceUpdate, Error> {
    let mut update = TraceUpdate::default();
    for (name, value) in settings {
        let values = match (name.as_str(), value) {
            (_, Value::Null) => Vec::new(),
            ("trace_level", Value::Array(levels)) if levels.is_empty() => continue,
            ("trace_level", Value::Array(levels)) => levels.iter().map(text).collect(),
            ("trace_level", other) => {
                return Err(Error::invalid(format!(
                    "Unable to parse 'trace_level': attempt to access JSON non-array as array, got {other}"
                )));
            }
            (_, value) => vec![text(value)],
        };
        update.set(name, &values)?;
    }
    Ok(update)
}

/// Strings, as Triton's clients send them; numbers do no harm.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::ErrorCode;
    use serde_json::json;

    #[test]
    fn settings_are_checked() {
        let code =
            |settings: Value| read(settings.as_object().unwrap()).err().map(|error| error.code());
        for fine in [
            json!({}),
            json!({"trace_level": null, "trace_rate": "1000", "unknown": 1}),
            json!({"trace_level": ["OFF"]}),
            json!({"trace_level": []}),
            json!({"trace_rate": 1, "trace_count": -1, "log_frequency": null}),
            json!({"trace_level": ["TIMESTAMPS", "TENSORS"]}),
        ] {
            assert_eq!(code(fine.clone()), None, "{fine}");
        }
        for wrong in [
            json!({"trace_level": "x"}),
            json!({"trace_level": [1]}),
            json!({"trace_level": ["OFF", "TENSORS"]}),
            json!({"trace_rate": "x"}),
            json!({"trace_rate": {}}),
            json!({"trace_rate": 1.5}),
            json!({"trace_count": "-2"}),
        ] {
            assert_eq!(code(wrong.clone()), Some(ErrorCode::InvalidArgument), "{wrong}");
        }
        assert_eq!(code(json!({"trace_file": "x"})), Some(ErrorCode::Unsupported));
    }
}
