//! The table of routes, and the way from a path to its handler.
//!
//! Each resource's file brings its rows; a row names verb, path, handler and documentation, so that
//! nothing is served that `/openapi.json` does not tell, and nothing told that is not served.

pub(crate) mod docs;
mod embeddings;
mod generate;
mod health;
mod infer;
mod logging;
mod metadata;
mod openai_models;
mod repository;
mod rerank;
mod shared_memory;
mod statistics;
mod trace;
mod traced;

use crate::{
    Front, access_log, body, embeddings::error::OpenAiError, error::HttpError, openapi::Docs,
    request_id, unread,
};
use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use hippocamp_access::{Category, Grant};
use hippocamp_telemetry::access::AccessRecord;
use hippocamp_types::{Error, InferRequest};
use http::{HeaderValue, Method, StatusCode, Version, header, request::Parts};
use serde_json::Value;
use std::{
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

/// The answer to one call, in time.
type Answer = Pin<Box<dyn Future<Output = Result<Response, HttpError>> + Send>>;

type Handler = fn(Call) -> Answer;

/// One row of the table.
pub(crate) struct Route {
    /// The verb.
    pub(crate) method: Method,
    /// Segments in braces stand for one segment of any text, `{version}` for digits.
    pub(crate) path: &'static str,
    handler: Handler,
    /// What the OpenAPI document tells about it.
    pub(crate) docs: Docs,
}

/// Every route, the hot ones first: the first whose path fits is taken.
pub(crate) const ROUTES: [&[Route]; 13] = [
    infer::ROUTES,
    generate::ROUTES,
    health::ROUTES,
    // Before the metadata of a model that would be called "stats".
    statistics::ROUTES,
    metadata::ROUTES,
    repository::ROUTES,
    logging::ROUTES,
    trace::ROUTES,
    shared_memory::ROUTES,
    embeddings::ROUTES,
    openai_models::ROUTES,
    rerank::ROUTES,
    docs::ROUTES,
];

/// What OpenAI's clients call begins with this; they expect errors in their own shape.
const OPENAI: &str = "/v1/";

/// The group of calls that the routes of a tag belong to.
const CATEGORIES: [(&str, Category); 10] = [
    ("Inference", Category::Inference),
    ("Embeddings", Category::Inference),
    ("Health", Category::Health),
    ("Metadata", Category::Metadata),
    ("Statistics", Category::Statistics),
    ("Model repository", Category::ModelRepository),
    ("Logging", Category::Logging),
    ("Trace", Category::Trace),
    ("Shared memory", Category::SharedMemory),
    ("Documentation", Category::Documentation),
];

/// What a path says in its segments in braces: where in the path it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Segments {
    /// The last of `{repository}`, `{model}`, `{region}` and `{file}`.
    name: Option<Range<usize>>,
    version: Option<Range<usize>>,
}

/// One request on its way to its handler.
struct Call {
    front: Arc<Front>,
    parts: Parts,
    /// Never locked: bodies alone keep a call from being shared by the tasks that answer it.
    body: Mutex<Body>,
    segments: Segments,
    /// What the caller may do.
    grant: Grant,
    /// What the access log is told.
    record: Option<Arc<AccessRecord>>,
}

impl Call {
    /// What stands for `{model}`, `{region}` or `{file}`, percent escapes and all, as in Triton.
    fn name(&self) -> &str {
        self.segments.name.clone().map_or("", |range| &self.parts.uri.path()[range])
    }

    /// What stands for `{version}`.
    fn version(&self) -> Result<Option<u64>, HttpError> {
        let Some(range) = self.segments.version.clone() else {
            return Ok(None);
        };
        let text = &self.parts.uri.path()[range];
        text.parse().map(Some).map_err(|_overflow| {
            Error::invalid(format!(
                "failed to get model version from specified version string '{text}': expected a number below 2^64"
            ))
            .into()
        })
    }

    /// What a request gets from the call beside its body: headers that are forwarded, and the
    /// account of the access log.
    fn equip(&self, request: &mut InferRequest, model: &str) -> Result<(), Error> {
        if let Some(record) = &self.record {
            record.request(&request.id, model);
            request.account = Some(Arc::clone(record) as _);
        }
        let headers = self.parts.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        self.front.options.forwarded.add(&mut request.parameters, headers)
    }

    /// Reads the body whole; the rest of the call can still be used.
    async fn read_body(&mut self) -> Result<Bytes, HttpError> {
        let limit = self.front.options.max_input_size;
        body::read(
            &self.parts.headers,
            std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner)),
            limit,
        )
        .await
    }

    /// Reads the body as a JSON object; empty where there is none.
    async fn read_object(&mut self) -> Result<serde_json::Map<String, Value>, HttpError> {
        let body = self.read_body().await?;
        if body.is_empty() {
            return Ok(serde_json::Map::new());
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Error::invalid("expected a JSON object as the request's body").into()),
            Err(error) => {
                Err(Error::invalid(format!("failed to parse the request JSON buffer: {error}"))
                    .into())
            }
        }
    }
}

/// Answers one request.
pub(crate) async fn dispatch(front: Arc<Front>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    if parts.version == Version::HTTP_2 {
        body = unread::read_rest(body);
    }
    let given = request_id::given(&parts.headers);
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let log = front.options.access_log.as_ref();
    let record = log.map(|log| access_log::begin(log, &parts));
    let answer = match admit(front, parts, body, record.clone()) {
        Ok((handler, call)) => handler(call).await,
        Err(error) => Err(error),
    };
    let (mut response, known, failed) = match answer {
        Ok(mut response) => match response.extensions_mut().remove::<request_id::Failed>() {
            Some(request_id::Failed(known)) => (response, known, true),
            None => (response, None, false),
        },
        Err(error) => {
            tracing::debug!(%method, path = uri.path(), %error, "request failed");
            let known = error.request_id().map(str::to_owned);
            let response = if uri.path().starts_with(OPENAI) {
                OpenAiError::from(error).into_response()
            } else {
                error.into_response()
            };
            (response, known, true)
        }
    };
    request_id::mark(&mut response, known.as_deref(), given, failed);
    if let Some(record) = record {
        access_log::answered(&record, &response);
    }
    tracing::trace!(%method, path = uri.path(), status = response.status().as_u16(), "answered");
    response
}

/// Finds the handler, and whether the caller may use it.
fn admit(
    front: Arc<Front>,
    parts: Parts,
    body: Body,
    record: Option<Arc<AccessRecord>>,
) -> Result<(Handler, Call), HttpError> {
    let (route, segments) = find(&parts.method, parts.uri.path())?;
    let header = |name: &str| parts.headers.get(name).map(http::HeaderValue::as_bytes);
    let grant = front.options.guard.admit(route.category(), header)?;
    if let Some(record) = &record {
        access_log::admitted(record, &grant);
    }
    let call = Call { front, parts, body: Mutex::new(body), segments, grant, record };
    if let Some(model) = route.subject(&call) {
        call.grant.model(model)?;
    }
    Ok((route.handler, call))
}

impl Route {
    /// The group of calls that this one is permitted with, by its tag.
    fn category(&self) -> Category {
        let path = self.path;
        match self.docs.tag {
            "Metadata" if path.ends_with("/config") => Category::ModelConfig,
            "Documentation" if path.contains("{model}") => Category::Metadata,
            tag => *CATEGORIES
                .iter()
                .find_map(|(of, category)| (*of == tag).then_some(category))
                .expect("a test finds every tag in the table"),
        }
    }

    /// The model that a call is about, empty for all of them; `None` where it is about none, or
    /// only the body tells.
    fn subject<'a>(&self, call: &'a Call) -> Option<&'a str> {
        if self.path.contains("{model}") {
            return Some(call.name());
        }
        let about_all = matches!(
            self.category(),
            Category::Statistics
                | Category::ModelRepository
                | Category::Trace
                | Category::Logging
                | Category::SharedMemory
        );
        about_all.then_some("")
    }
}

fn find(method: &Method, path: &str) -> Result<(&'static Route, Segments), HttpError> {
    let mut allow = None;
    for route in ROUTES.iter().copied().flatten() {
        if let Some(segments) = fit(route.path, path) {
            if route.method == *method {
                return Ok((route, segments));
            }
            allow.get_or_insert(&route.method);
        }
    }
    Err(allow.map_or(HttpError::NotFound, |allow| HttpError::MethodNotAllowed { allow }))
}

/// Lays `pattern` over `path`.
fn fit(pattern: &str, path: &str) -> Option<Segments> {
    let mut found = Segments::default();
    let mut segments = path.split('/');
    let mut start = 0;
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        let range = start..start + segment.len();
        match expected {
            "{version}" => {
                if segment.is_empty() || !segment.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                found.version = Some(range.clone());
            }
            _ if expected.starts_with('{') => {
                if segment.is_empty() {
                    return None;
                }
                found.name = Some(range.clone());
            }
            _ if expected == segment => {}
            _ => return None,
        }
        start = range.end + 1;
    }
    segments.next().is_none().then_some(found)
}

/// A 200 answer of this JSON.
fn json(body: impl Into<Body>) -> Response {
    json_with_status(StatusCode::OK, body)
}

fn json_with_status(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_whole_and_literally() {
        let check = |path: &str, expect: Option<(&str, &str)>| {
            let found = ROUTES
                .iter()
                .copied()
                .flatten()
                .find_map(|route| Some((route.path, fit(route.path, path)?)));
            let found = found.map(|(pattern, segments)| {
                (pattern, segments.name.map_or("", |range| &path[range]))
            });
            assert_eq!(found, expect, "{path}");
        };
        check("/v2", Some(("/v2", "")));
        check("/v2/", Some(("/v2/", "")));
        check("/v2/models/simple", Some(("/v2/models/{model}", "simple")));
        check("/v2/models/a%2Fb", Some(("/v2/models/{model}", "a%2Fb")));
        check("/v2/models/stats", Some(("/v2/models/stats", "")));
        check(
            "/v2/models/m/versions/3/infer",
            Some(("/v2/models/{model}/versions/{version}/infer", "m")),
        );
        check("/v2/models/m/versions/abc/infer", None);
        check("/v2/models/m/versions/-1/infer", None);
        check("/v2/models/m/versions/3/trace/setting", None);
        check("/v2/models/simple/", None);
        check("/v2/models//infer", None);
        check("//v2/models/simple", None);
        check("/v3/foo", None);
        check("/", None);
        check(
            "/v2/systemsharedmemory/region/r/status",
            Some(("/v2/systemsharedmemory/region/{region}/status", "r")),
        );
        check(
            "/v2/repository/r/models/m/load",
            Some(("/v2/repository/{repository}/models/{model}/load", "m")),
        );
    }

    #[test]
    fn verbs_are_checked_after_paths() {
        let check = |method: Method, path: &str, expect: Option<HttpError>| {
            assert_eq!(find(&method, path).err(), expect, "{method} {path}");
        };
        check(Method::POST, "/v2/models/m/infer", None);
        check(
            Method::GET,
            "/v2/models/m/infer",
            Some(HttpError::MethodNotAllowed { allow: &Method::POST }),
        );
        check(
            Method::POST,
            "/v2/health/live",
            Some(HttpError::MethodNotAllowed { allow: &Method::GET }),
        );
        check(
            Method::GET,
            "/v2/repository/index",
            Some(HttpError::MethodNotAllowed { allow: &Method::POST }),
        );
        check(Method::GET, "/v2/logging", None);
        check(Method::POST, "/v2/logging", None);
        check(Method::POST, "/nothing", Some(HttpError::NotFound));
    }

    #[test]
    fn every_route_belongs_to_a_group() {
        let check = |path: &str, expect| {
            let (route, _) = find(&Method::GET, path).unwrap();
            assert_eq!(route.category(), expect, "{path}");
        };
        check("/v2", Category::Metadata);
        check("/v2/models/m/config", Category::ModelConfig);
        check("/v2/models/m/ready", Category::Health);
        check("/v2/models/stats", Category::Statistics);
        for route in ROUTES.iter().copied().flatten() {
            route.category();
        }
    }

    #[test]
    fn no_route_stands_twice() {
        let mut rows: Vec<_> = ROUTES
            .iter()
            .copied()
            .flatten()
            .map(|route| (route.path, route.method.as_str()))
            .collect();
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), count);
    }
}
