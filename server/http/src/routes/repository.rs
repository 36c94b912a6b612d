//! The model repository extension: index, load, unload; and, ours, the way back.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hippocamp_core::{IndexEntry, LoadOverrides};
use hippocamp_types::Error;
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

const INDEX: Docs = Docs {
    tag: "Model repository",
    summary: "Every model of the repository and its state",
    description: "With `{\"ready\": true}` only those that serve.",
    request: Body::OptionalJson("IndexRequest"),
    response: Body::Json("RepositoryIndex"),
    errors: &[400, 500],
};
const LOAD: Docs = Docs {
    tag: "Model repository",
    summary: "Load a model, or load it anew",
    description: "Answers when the model serves; what serves meanwhile goes on serving. Needs `--model-control-mode=explicit`. With a `config`, files may be given instead of those in the repository.",
    request: Body::OptionalJson("LoadRequest"),
    response: Body::Empty,
    errors: &[400, 500, 503],
};
const ROLL_BACK: Docs = Docs {
    tag: "Model repository",
    summary: "Go back to what served before",
    description: "Loads what served before the last change of the model, together with whatever changed in the same step and belongs to it: an ensemble and its members go back together. Answers with their names and versions when they serve. Works though the files were replaced or removed since; one generation is kept, from the server's start on. In control mode `poll` the files that it went back from are not loaded again until they change.",
    request: Body::None,
    response: Body::Json("Rollback"),
    errors: &[400, 404, 500],
};
const UNLOAD: Docs = Docs {
    tag: "Model repository",
    summary: "Unload a model",
    description: "Requests under way are still answered. Needs `--model-control-mode=explicit`.",
    request: Body::OptionalJson("UnloadRequest"),
    response: Body::Empty,
    errors: &[400, 500, 503],
};
const NAMED: Docs = Docs {
    tag: "Model repository",
    summary: "Load or unload in a repository by name: not supported",
    description: "Repositories have no names here, as in Triton; use the path without one.",
    request: Body::None,
    response: Body::Empty,
    errors: &[501],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v2/repository/index",
        handler: |call| Box::pin(index(call)),
        docs: INDEX,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/{repository}/index",
        handler: |call| Box::pin(index(call)),
        docs: INDEX,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/models/{model}/load",
        handler: |call| Box::pin(load(call)),
        docs: LOAD,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/models/{model}/unload",
        handler: |call| Box::pin(unload(call)),
        docs: UNLOAD,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/models/{model}/rollback",
        handler: |call| Box::pin(roll_back(call)),
        docs: ROLL_BACK,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/{repository}/models/{model}/load",
        handler: |_call| Box::pin(async { Err(named_repository()) }),
        docs: NAMED,
    },
    Route {
        method: Method::POST,
        path: "/v2/repository/{repository}/models/{model}/unload",
        handler: |_call| Box::pin(async { Err(named_repository()) }),
        docs: NAMED,
    },
];

fn named_repository() -> HttpError {
    Error::unsupported("'repository_name' specification is not supported").into()
}

async fn index(mut call: Call) -> Result<Response, HttpError> {
    let ready_only = match call.read_object().await?.get("ready") {
        None => false,
        Some(Value::Bool(ready)) => *ready,
        Some(_) => {
            return Err(Error::invalid("Invalid value for 'ready': expected a boolean").into());
        }
    };
    let entries = call.front.server.index(ready_only).await?;
    Ok(json(entries.iter().map(entry).collect::<Value>().to_string()))
}

fn entry(entry: &IndexEntry) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), entry.name.clone().into());
    if let Some(version) = entry.version {
        object.insert("version".to_owned(), version.to_string().into());
    }
    if let Some(state) = entry.state {
        object.insert("state".to_owned(), state.name().into());
    }
    if !entry.reason.is_empty() {
        object.insert("reason".to_owned(), entry.reason.clone().into());
    }
    Value::Object(object)
}

async fn load(mut call: Call) -> Result<Response, HttpError> {
    let request = call.read_object().await?;
    let parameters = parameters(&request)?;
    if parameters.is_some_and(|parameters| !parameters.is_empty()) {
        call.grant.overrides()?;
    }
    let overrides = load_overrides(parameters)?;
    call.front.server.load(call.name(), overrides).await?;
    Ok(json(axum::body::Body::empty()))
}

async fn roll_back(call: Call) -> Result<Response, HttpError> {
    // No route of Triton's, which takes escapes for parts of names: a name with its namespace has a slash.
    let name = percent_decode_str(call.name()).decode_utf8_lossy();
    let models = call.front.server.roll_back(&name).await?;
    let numbers =
        |versions: &[u64]| -> Vec<String> { versions.iter().map(ToString::to_string).collect() };
    let models: Vec<Value> = models
        .iter()
        .map(|model| {
            serde_json::json!({"name": model.name, "from": numbers(&model.from), "to": numbers(&model.to)})
        })
        .collect();
    Ok(json(serde_json::json!({ "models": models }).to_string()))
}

async fn unload(mut call: Call) -> Result<Response, HttpError> {
    let request = call.read_object().await?;
    let unload_dependents = match parameters(&request)?
        .and_then(|parameters| parameters.get("unload_dependents"))
    {
        None => false,
        Some(Value::Bool(unload)) => *unload,
        Some(other) => {
            return Err(Error::invalid(format!(
                "Unable to parse 'unload_dependents': attempt to access JSON non-boolean as boolean, got {other}"
            ))
            .into());
        }
    };
    call.front.server.unload(call.name(), unload_dependents).await?;
    Ok(json(axum::body::Body::empty()))
}

fn parameters(request: &Map<String, Value>) -> Result<Option<&Map<String, Value>>, Error> {
    match request.get("parameters") {
        None => Ok(None),
        Some(Value::Object(parameters)) => Ok(Some(parameters)),
        Some(_) => Err(Error::invalid("Unable to parse 'parameters': expected an object")),
    }
}

fn load_overrides(parameters: Option<&Map<String, Value>>) -> Result<LoadOverrides, Error> {
    let mut overrides = LoadOverrides::default();
    for (name, value) in parameters.into_iter().flatten() {
        let Value::String(text) = value else {
            return Err(Error::invalid(format!(
                "Unable to parse '{name}': attempt to access JSON non-string as string"
            )));
        };
        if name == "config" {
            overrides.config = Some(text.clone());
        } else if name.starts_with("file:") {
            let contents = STANDARD.decode(text).map_err(|error| {
                Error::invalid(format!("Unable to parse '{name}': expected base64: {error}"))
            })?;
            overrides.files.push((name.clone(), contents.into()));
        } else {
            return Err(Error::invalid(format!(
                "unexpected load parameter '{name}': expected 'config' or 'file:<version>/<name>'"
            )));
        }
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_core::ModelState;
    use serde_json::json;

    #[test]
    fn load_parameters_are_config_and_files() {
        let read = |parameters: Value| {
            load_overrides(parameters.as_object()).map_err(|error| error.message().to_owned())
        };
        let overrides = read(json!({"config": "{}", "file:1/model.onnx": "aGk="})).unwrap();
        assert_eq!(overrides.config.as_deref(), Some("{}"));
        assert_eq!(overrides.files, [("file:1/model.onnx".to_owned(), "hi".into())]);
        for (parameters, expect) in [
            (json!({"foo": "x"}), "unexpected load parameter 'foo'"),
            (json!({"config": {}}), "non-string as string"),
            (json!({"file:1/a": "%"}), "expected base64"),
        ] {
            let error = read(parameters).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn never_loaded_models_have_a_name_only() {
        let never =
            IndexEntry { name: "m".into(), version: None, state: None, reason: String::new() };
        assert_eq!(entry(&never), json!({"name": "m"}));
        let ready = IndexEntry { version: Some(3), state: Some(ModelState::Ready), ..never };
        assert_eq!(entry(&ready), json!({"name": "m", "version": "3", "state": "READY"}));
    }
}
