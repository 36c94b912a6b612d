//! Spans on their way to a collector: OTLP as protobuf over HTTP. Used by the writer's thread alone,
//! on a runtime of its own.

use super::{
    settings::OtlpOptions,
    spans::{Anchor, spans},
    writer::Shared,
};
use bytes::Bytes;
use hippocamp_types::{Clock, Timestamp, TracedRequest};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanExporter as _},
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::runtime::{self, Runtime};

/// How long the collector may take for one message.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a collector's answer.
const MAX_ANSWER: usize = 1 << 20;

/// Where Triton's spans come from, if nobody says otherwise.
const SERVICE_NAME: &str = "triton-inference-server";

#[derive(Debug)]
pub(crate) struct Otlp {
    exporter: SpanExporter,
    runtime: Runtime,
    ids: RandomIdGenerator,
    clock: Arc<dyn Clock>,
    max_batch: usize,
    delay: Duration,
    waiting: Vec<SpanData>,
    /// Requests that `waiting` is of.
    requests: u64,
    /// When the first that waits must leave.
    due: Option<Timestamp>,
    failing: bool,
}

impl Otlp {
    /// An exporter that has not connected yet.
    pub(crate) fn new(options: &OtlpOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let url = endpoint(&options.url)?;
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Hyper(client))
            .with_endpoint(url)
            .with_timeout(TIMEOUT)
            .build();
        let mut exporter =
            exporter.map_err(|error| format!("cannot export to '{}': {error}", options.url))?;
        exporter.set_resource(&resource(&options.resource));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            exporter,
            runtime: runtime.map_err(|error| format!("cannot start a runtime: {error}"))?,
            ids: RandomIdGenerator::default(),
            clock,
            max_batch: options.max_export_batch_size.max(1),
            delay: options.schedule_delay,
            waiting: Vec::new(),
            requests: 0,
            due: None,
            failing: false,
        })
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        self.due.map(|due| due.since(self.clock.now()))
    }

    pub(crate) fn accept(&mut self, request: &TracedRequest) {
        #[expect(clippy::disallowed_methods, reason = "collectors put spans in order by wall time")]
        let wall = std::time::SystemTime::now();
        let steady = self.clock.now();
        self.waiting.extend(spans(request, Anchor { wall, steady }, || self.ids.new_span_id()));
        self.requests += 1;
        self.due.get_or_insert(steady + self.delay);
    }

    /// Sends full batches, and what has waited long enough.
    pub(crate) fn settle(&mut self, shared: &Shared) {
        while self.waiting.len() >= self.max_batch {
            self.send(shared);
        }
        if self.due.is_some_and(|due| due <= self.clock.now()) {
            self.finish(shared);
        }
    }

    /// Sends everything.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        while !self.waiting.is_empty() {
            self.send(shared);
        }
        self.due = None;
    }

    fn send(&mut self, shared: &Shared) {
        let rest = self.waiting.split_off(self.max_batch.min(self.waiting.len()));
        let batch = std::mem::replace(&mut self.waiting, rest);
        // Requests are counted with the batch that most of their spans may be in.
        let requests = std::mem::take(&mut self.requests);
        match self.runtime.block_on(self.exporter.export(batch)) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "failed exporting traces");
                }
                shared.lose(requests);
            }
        }
    }
}

fn endpoint(url: &str) -> Result<String, String> {
    if url.starts_with("https://") {
        return Err(format!(
            "traces are exported over http:// only, got '{url}': let a collector beside the server do the rest"
        ));
    }
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") && uri.host().is_some() => Ok(url),
        _ => Err(format!("expected a URL such as http://localhost:4318/v1/traces, got '{url}'")),
    }
}

/// Who these spans come from: what was set, over what `OTEL_RESOURCE_ATTRIBUTES` and
/// `OTEL_SERVICE_NAME` say, over Triton's name.
fn resource(attributes: &[(String, String)]) -> Resource {
    let name = Resource::builder().build().get(&Key::from_static_str("service.name"));
    let unnamed = name.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let default = unnamed.then(|| KeyValue::new("service.name", SERVICE_NAME));
    let set = attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder().with_attributes(default.into_iter().chain(set)).build()
}

#[derive(Debug)]
struct Hyper(Client<HttpConnector, Full<Bytes>>);

impl Hyper {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.0.request(request.map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Hyper {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sending<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            tokio::time::timeout(TIMEOUT, self.send(request)).await.map_err(|_late| {
                HttpError::from(format!("no answer within {} s", TIMEOUT.as_secs()))
            })?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let check = |url: &str, expect: Option<&str>| {
            assert_eq!(endpoint(url).ok().as_deref(), expect, "{url}");
        };
        check("http://localhost:4318/v1/traces", Some("http://localhost:4318/v1/traces"));
        check("localhost:4318/v1/traces", Some("http://localhost:4318/v1/traces"));
        check("https://localhost:4318/v1/traces", None);
        check("ftp://localhost/", None);
        check("http://", None);
        check("not a url", None);
    }

    #[test]
    fn what_is_set_names_the_service() {
        let of = |attributes: &[(String, String)], key: &'static str| {
            resource(attributes).get(&Key::from_static_str(key)).map(|value| value.to_string())
        };
        assert_eq!(of(&[], "service.name").as_deref(), Some(SERVICE_NAME));
        let set =
            [("service.name".to_owned(), "mine".to_owned()), ("a".to_owned(), "b".to_owned())];
        assert_eq!(of(&set, "service.name").as_deref(), Some("mine"));
        assert_eq!(of(&set, "a").as_deref(), Some("b"));
    }
}
