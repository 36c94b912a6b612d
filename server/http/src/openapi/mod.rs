//! The OpenAPI document, made from the table of routes.

mod model;
mod schemas;

use crate::routes::{ROUTES, Route};
use bytes::Bytes;
use hippocamp_config::ModelConfig;
use http::Method;
use serde_json::json;
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
    Ref, RefOr, Required, ResponseBuilder,
    header::HeaderBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
    request_body::RequestBodyBuilder,
    schema::{ObjectBuilder, Schema, Type},
    tag::TagBuilder,
};

/// What the document tells about one route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Docs {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) request: Body,
    pub(crate) response: Body,
    /// Statuses other than that of success.
    pub(crate) errors: &'static [u16],
}

/// What a body is; names are those of schemas.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// No body.
    None,
    /// A successful answer without content.
    Empty,
    /// A JSON object.
    Json(&'static str),
    /// A JSON object, which may be left out.
    OptionalJson(&'static str),
    /// A JSON object, with binary data behind it or not.
    Infer(&'static str),
    /// Server-sent events of JSON objects.
    Events(&'static str),
    /// HTML and what belongs to it.
    Page,
    /// 303.
    Redirect,
}

const TAGS: [(&str, &str); 10] = [
    ("Inference", "Requests to models."),
    (
        "Embeddings",
        "Vectors of texts in OpenAI's protocol, and texts ranked by them, from every model that is an encoder.",
    ),
    ("Health", "For probes."),
    ("Metadata", "What the server and its models are."),
    ("Statistics", "What models have done."),
    ("Model repository", "Load and unload models while the server runs."),
    ("Logging", "The server's log."),
    ("Trace", "Which requests are traced."),
    ("Shared memory", "Tensors in memory that client and server share."),
    ("Documentation", "This document."),
];

/// The document of one model, which `name` stands for in paths.
pub(crate) fn document_of(name: &str, config: &ModelConfig) -> Bytes {
    let all = serde_json::to_value(build()).expect("it is written as JSON below");
    model::document(all, name, config)
}

/// The document as JSON.
pub(crate) fn document() -> Bytes {
    build().to_json().expect("the document has no maps with other keys than strings").into()
}

fn build() -> OpenApi {
    let paths = ROUTES.iter().copied().flatten().fold(PathsBuilder::new(), |paths, route| {
        let method = if route.method == Method::GET { HttpMethod::Get } else { HttpMethod::Post };
        paths.path(route.path, PathItem::new(method, operation(route)))
    });
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Hippocamp")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Inference over the Triton / KServe v2 protocol. Metrics are served on a port of their own, under `/metrics`.",
        ))
        .license(Some(license));
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new().name(name).description(Some(description)).build()
    });
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .paths(paths)
        .components(Some(schemas::components()))
        .build()
}

fn operation(route: &Route) -> OperationBuilder {
    let docs = &route.docs;
    let mut operation = OperationBuilder::new()
        .tag(docs.tag)
        .summary(Some(docs.summary))
        .description(Some(docs.description))
        .operation_id(Some(operation_id(route)));
    for name in
        route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    {
        operation = operation.parameter(path_parameter(name));
    }
    operation = match docs.request {
        Body::Json(name) => operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", content(name))
                .required(Some(Required::True))
                .build(),
        )),
        Body::OptionalJson(name) => operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", content(name))
                .required(Some(Required::False))
                .build(),
        )),
        Body::Infer(name) => operation
            .parameter(
                ParameterBuilder::new()
                    .name(HEADER_LENGTH)
                    .parameter_in(ParameterIn::Header)
                    .required(Required::False)
                    .description(Some(
                        "Length of the JSON where binary data follows it; 0 for a raw request.",
                    ))
                    .schema(Some(ObjectBuilder::new().schema_type(Type::Integer))),
            )
            .request_body(Some(
                RequestBodyBuilder::new()
                    .content("application/json", content(name))
                    .content("application/octet-stream", binary())
                    .required(Some(Required::True))
                    .build(),
            )),
        Body::None | Body::Empty | Body::Events(_) | Body::Page | Body::Redirect => operation,
    };
    let (status, success) = success(docs.response);
    operation = operation.response(status, success);
    // A version that is no number names no path.
    let no_version =
        (route.path.contains("{version}") && !docs.errors.contains(&404)).then_some(404);
    for status in docs.errors.iter().copied().chain(no_version) {
        operation = operation.response(status.to_string(), error(route, status));
    }
    operation
}

const HEADER_LENGTH: &str = "Inference-Header-Content-Length";

/// Verb and path as one word.
fn operation_id(route: &Route) -> String {
    let path = route
        .path
        .strip_suffix('/')
        .map_or_else(|| route.path.to_owned(), |path| format!("{path}/root"));
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn path_parameter(name: &str) -> ParameterBuilder {
    let (schema, description) = match name {
        "version" => (
            ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+$")),
            "The version's number; without it, the latest that serves.",
        ),
        "model" => (ObjectBuilder::new().schema_type(Type::String), "The model's name."),
        "region" => (ObjectBuilder::new().schema_type(Type::String), "The region's name."),
        "repository" => (ObjectBuilder::new().schema_type(Type::String), "The repository's name."),
        _ => (ObjectBuilder::new().schema_type(Type::String), "A file of the page."),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
}

fn success(body: Body) -> (&'static str, ResponseBuilder) {
    let ok = ResponseBuilder::new();
    match body {
        Body::Json(name) | Body::OptionalJson(name) => {
            ("200", ok.description("Success.").content("application/json", content(name)))
        }
        Body::Infer(name) => (
            "200",
            ok.description("The outputs, in JSON or, where asked for, in binary behind it.")
                .header(
                    HEADER_LENGTH,
                    HeaderBuilder::new()
                        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
                        .description(Some("Length of the JSON where binary data follows it."))
                        .build(),
                )
                .content("application/json", content(name))
                .content("application/octet-stream", binary()),
        ),
        Body::Events(name) => (
            "200",
            ok.description("One event for each response.")
                .content("text/event-stream", event(name)),
        ),
        Body::Page => (
            "200",
            ok.description("The page, or a file of it.").content(
                "text/html",
                ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))),
            ),
        ),
        Body::Redirect => ("303", ok.description("See `/docs/`.")),
        Body::None | Body::Empty => ("200", ok.description("Done.")),
    }
}

fn error(route: &Route, status: u16) -> ResponseBuilder {
    let (description, example) = match status {
        400 if route.path.ends_with("/ready") || route.path.ends_with("/live") => {
            ("Not now.", "Model version not ready")
        }
        400 => (
            "The request is at fault; the text says what was expected and what came.",
            "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer, got -16 at byte 49",
        ),
        404 => ("There is no such thing.", "Request for unknown model: 'nope' is not found"),
        408 => ("The body stopped coming.", "request body is incomplete: nothing came for 60 s"),
        500 => {
            ("The server, or the model, is at fault.", "the request was dropped without an answer")
        }
        501 => (
            "The server does not offer this.",
            "Unsupported compression type: expected gzip, deflate or identity, got 'br'",
        ),
        _ => ("Not now: try again after `Retry-After` seconds.", "Exceeds maximum queue size"),
    };
    let openai = route.path.starts_with("/v1/");
    let (schema, example) = if openai {
        let kind = match status {
            503 => "overloaded_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({ "message": example, "type": kind, "param": null, "code": null });
        ("OpenAiError", json!({ "error": error }))
    } else {
        ("Error", json!({ "error": example }))
    };
    let body = ContentBuilder::new().schema(Some(reference(schema))).example(Some(example));
    let response =
        ResponseBuilder::new().description(description).content("application/json", body.build());
    if status != 503 {
        return response;
    }
    let seconds =
        HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Integer))).build();
    response.header("Retry-After", seconds)
}

fn content(name: &str) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(reference(name))).build()
}

/// A server-sent event, whose data are the JSON of `name`.
fn event(name: &str) -> utoipa::openapi::Content {
    let data = ObjectBuilder::new()
        .schema_type(Type::String)
        .content_media_type("application/json")
        .description(Some(format!("A `{name}`, or `{{\"error\": ...}}`.")));
    let event = ObjectBuilder::new().property("data", data).required("data");
    ContentBuilder::new().schema(Some(event)).build()
}

fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn binary() -> utoipa::openapi::Content {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The JSON, then the binary data of tensors in their order."));
    ContentBuilder::new().schema(Some(schema)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn parsed() -> Value {
        serde_json::from_slice(&document()).unwrap()
    }

    #[test]
    fn every_route_is_documented_and_nothing_more() {
        let served: BTreeSet<(String, String)> = ROUTES
            .iter()
            .copied()
            .flatten()
            .map(|route| (route.path.to_owned(), route.method.as_str().to_lowercase()))
            .collect();
        let document = parsed();
        let told: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |verb| (path.clone(), verb.clone()))
            })
            .collect();
        assert_eq!(served, told);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(reference)) = object.get("$ref") {
                        found.insert(
                            reference.trim_start_matches("#/components/schemas/").to_owned(),
                        );
                    }
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(array) => array.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let known: BTreeSet<String> =
            document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(found, known);
    }

    #[test]
    fn operations_have_names_of_their_own_and_known_tags() {
        let rows: Vec<_> = ROUTES.iter().copied().flatten().collect();
        let names: BTreeSet<_> = rows.iter().map(|route| operation_id(route)).collect();
        assert_eq!(names.len(), rows.len());
        for route in rows {
            assert!(TAGS.iter().any(|(name, _)| *name == route.docs.tag), "{}", route.docs.tag);
        }
    }
}
