//! The logging extension: the settings of the server's log, at run time.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_telemetry::log::{LogSettings, LogUpdate};
use hippocamp_types::Error;
use http::Method;
use serde_json::{Map, Value, json as value};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v2/logging",
        handler: |call| Box::pin(async move { Ok(settings(&call)) }),
        docs: Docs {
            tag: "Logging",
            summary: "Log settings",
            description: "What is logged, and how.",
            request: Body::None,
            response: Body::Json("LogSettings"),
            errors: &[],
        },
    },
    Route {
        method: Method::POST,
        path: "/v2/logging",
        handler: |call| Box::pin(update(call)),
        docs: Docs {
            tag: "Logging",
            summary: "Change log settings",
            description: "Settings that are left out, or null, stay as they are. The log file cannot be changed over the network.",
            request: Body::OptionalJson("LogSettings"),
            response: Body::Json("LogSettings"),
            errors: &[400, 501],
        },
    },
];

fn settings(call: &Call) -> Response {
    let LogSettings { file, info, warning, error, verbose_level, format } =
        call.front.options.log.settings();
    let body = value!({
        "log_file": file,
        "log_info": info,
        "log_warning": warning,
        "log_error": error,
        "log_verbose_level": verbose_level,
        "log_format": format.name(),
    });
    json(body.to_string())
}

async fn update(mut call: Call) -> Result<Response, HttpError> {
    let request = call.read_object().await?;
    let log = &call.front.options.log;
    log.update(read_update(&request, &log.settings())?)?;
    Ok(settings(&call))
}

fn read_update(request: &Map<String, Value>, current: &LogSettings) -> Result<LogUpdate, Error> {
    let given = |name: &str| request.get(name).filter(|value| !value.is_null());
    let wrong = |name: &str, expected: &str, found: &Value| {
        Error::invalid(format!(
            "Unable to parse '{name}': attempt to access JSON non-{expected} as {expected}, got {found}"
        ))
    };
    let boolean = |name: &str| {
        given(name)
            .map(|value| value.as_bool().ok_or_else(|| wrong(name, "boolean", value)))
            .transpose()
    };
    if given("log_file").is_some_and(|file| file.as_str() != Some(&current.file)) {
        return Err(Error::unsupported(
            "log file location can not be updated through network protocol",
        ));
    }
    let verbose_level = given("log_verbose_level").map(|value| {
        let level = value.as_u64().and_then(|level| u32::try_from(level).ok());
        level.ok_or_else(|| wrong("log_verbose_level", "unsigned-integer", value))
    });
    let format = given("log_format").map(|value| {
        let name = value.as_str().ok_or_else(|| wrong("log_format", "string", value))?;
        name.parse()
    });
    Ok(LogUpdate {
        file: None,
        info: boolean("log_info")?,
        warning: boolean("log_warning")?,
        error: boolean("log_error")?,
        verbose_level: verbose_level.transpose()?,
        format: format.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_telemetry::log::LogFormat;

    #[test]
    fn only_what_is_given_changes() {
        let read = |request: Value| {
            let error = |error: Error| (error.code().http_status(), error.message().to_owned());
            read_update(request.as_object().unwrap(), &LogSettings::default()).map_err(error)
        };
        assert_eq!(
            read(value!({"log_info": null, "log_file": "", "other": 1})),
            Ok(LogUpdate::default())
        );
        assert_eq!(
            read(value!({"log_info": false, "log_verbose_level": 1, "log_format": "ISO8601"})),
            Ok(LogUpdate {
                info: Some(false),
                verbose_level: Some(1),
                format: Some(LogFormat::Iso8601),
                ..LogUpdate::default()
            })
        );
        for (request, status, text) in [
            (value!({"log_verbose_level": "x"}), 400, "non-unsigned-integer as unsigned-integer"),
            (value!({"log_verbose_level": -1}), 400, "got -1"),
            (value!({"log_error": 1}), 400, "non-boolean as boolean, got 1"),
            (value!({"log_format": "xml"}), 400, "got: xml"),
            (value!({"log_file": "/tmp/x"}), 501, "can not be updated"),
        ] {
            let (got, message) = read(request).unwrap_err();
            assert_eq!(got, status, "{message}");
            assert!(message.contains(text), "{message}");
        }
    }
}
