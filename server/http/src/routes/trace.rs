//! The trace extension. Requests are not traced yet: the settings can be read, and tell so.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
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
    summary: "Change trace settings: not supported yet",
    description: "The settings are checked, and refused with 501 if they ask for a change. Statistics and metrics are always on.",
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

fn setting(call: &Call) -> Result<Response, HttpError> {
    if !call.name().is_empty() && !call.front.server.is_model_ready(call.name(), None) {
        return Err(Error::invalid(format!("Request for unknown model : {}", call.name())).into());
    }
    Ok(json(
        r#"{"trace_level":["OFF"],"trace_rate":"1000","trace_count":"-1","log_frequency":"0","trace_file":"","trace_mode":"triton"}"#,
    ))
}

async fn update(mut call: Call) -> Result<Response, HttpError> {
    let current = setting(&call)?;
    check(&call.read_object().await?)?;
    Ok(current)
}

/// Refuses settings that are malformed, and those that would change something.
fn check(settings: &Map<String, Value>) -> Result<(), Error> {
    if settings.contains_key("trace_file") {
        return Err(Error::unsupported(
            "trace file location can not be updated through network protocol",
        ));
    }
    let mut changes = false;
    if let Some(level) = settings.get("trace_level").filter(|level| !level.is_null()) {
        let Value::Array(levels) = level else {
            return Err(Error::invalid(format!(
                "Unable to parse 'trace_level': attempt to access JSON non-array as array, got {level}"
            )));
        };
        for level in levels {
            match level.as_str() {
                Some("OFF") if levels.len() == 1 => {}
                Some("OFF") => {
                    return Err(Error::invalid("Expect only one trace level 'OFF' is specified"));
                }
                Some("TIMESTAMPS" | "TENSORS") => changes = true,
                _ => {
                    return Err(Error::invalid(format!(
                        "Unable to parse 'trace_level': expected OFF, TIMESTAMPS or TENSORS, got {level}"
                    )));
                }
            }
        }
    }
    for (name, minimum, maximum, current) in [
        ("trace_rate", 0, i64::from(u32::MAX), 1000),
        ("trace_count", -1, i64::from(i32::MAX), -1),
        ("log_frequency", 0, i64::from(u32::MAX), 0),
    ] {
        let Some(value) = settings.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        // Strings, as Triton's clients send them; numbers would do no harm.
        let number = value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok());
        match number {
            Some(number) if (minimum..=maximum).contains(&number) => changes |= number != current,
            _ => {
                return Err(Error::invalid(format!(
                    "Unable to parse '{name}': expected a number from {minimum} to {maximum}, got {value}"
                )));
            }
        }
    }
    if changes {
        return Err(Error::unsupported(
            "requests are not traced by this server: leave trace_level at [\"OFF\"], and use the statistics extension or the metrics endpoint",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::ErrorCode;
    use serde_json::json;

    #[test]
    fn settings_are_checked_before_they_are_refused() {
        let code =
            |settings: Value| check(settings.as_object().unwrap()).err().map(|error| error.code());
        assert_eq!(code(json!({})), None);
        assert_eq!(code(json!({"trace_level": null, "trace_rate": "1000", "unknown": 1})), None);
        assert_eq!(code(json!({"trace_level": ["OFF"]})), None);
        for settings in [
            json!({"trace_level": "x"}),
            json!({"trace_level": [1]}),
            json!({"trace_level": ["OFF", "TENSORS"]}),
            json!({"trace_rate": "x"}),
            json!({"trace_rate": {}}),
            json!({"trace_count": "-2"}),
            json!({"log_frequency": "4294967296"}),
        ] {
            assert_eq!(code(settings.clone()), Some(ErrorCode::InvalidArgument), "{settings}");
        }
        for settings in [
            json!({"trace_level": ["TIMESTAMPS"]}),
            json!({"trace_rate": "1"}),
            json!({"trace_count": 5}),
            json!({"trace_file": "x"}),
        ] {
            assert_eq!(code(settings.clone()), Some(ErrorCode::Unsupported), "{settings}");
        }
    }
}
