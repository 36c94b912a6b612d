//! The one way out: HTTP/1.1 with and without TLS, each request with a bound in time and counted. The
//! buckets' library and the hub both go through it.

use crate::{
    connect::Connector,
    counters::{Counters, Kind, Outcome},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::USER_AGENT};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions,
    client::{
        HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Marks a request for an object, so that it is told from those for credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForObject;

/// A client over pooled connections. Cloning it shares them.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client<Connector, HttpRequestBody>,
    timeout: Duration,
    counters: Arc<Counters>,
}

impl Transport {
    /// `timeout` bounds how long the other side may be silent.
    pub(crate) fn new(timeout: Duration, counters: Arc<Counters>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(TokioTimer::new())
            .build(Connector::new(timeout));
        Self { client, timeout, counters }
    }

    /// Sends a request of this kind; the body of the answer is not read yet.
    pub(crate) async fn send(
        &self,
        mut request: HttpRequest,
        kind: Kind,
    ) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(concat!("hippocamp/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let answer = tokio::time::timeout(self.timeout, self.client.request(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(error)),
            Err(_elapsed) => Err(HttpError::new(HttpErrorKind::Timeout, Silence(self.timeout))),
        };
        let outcome = match &answer {
            Ok(answer) if answer.status().is_server_error() => Outcome::Failed,
            Ok(answer) if answer.status().is_client_error() => Outcome::Refused,
            Ok(_) => Outcome::Answered,
            Err(_) => Outcome::Failed,
        };
        self.counters.request(kind, outcome);
        let (parts, body) = answer?.into_parts();
        let body = Watched {
            body,
            timeout: self.timeout,
            alarm: Box::pin(tokio::time::sleep(self.timeout)),
            waiting: false,
        };
        Ok(Response::from_parts(parts, HttpResponseBody::new(body)))
    }

    /// As [`Self::send`], following redirects; a credential goes to no other host than the first.
    pub(crate) async fn get(
        &self,
        mut uri: Uri,
        headers: &http::HeaderMap,
        kind: Kind,
    ) -> Result<HttpResponse, HttpError> {
        const REDIRECTS: usize = 5;
        let mut headers = headers.clone();
        for _ in 0..=REDIRECTS {
            let mut request = Request::get(uri.clone())
                .body(HttpRequestBody::empty())
                .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
            *request.headers_mut() = headers.clone();
            let answer = self.send(request, kind).await?;
            let Some(next) = location(&answer, &uri) else {
                return Ok(answer);
            };
            if next.authority() != uri.authority() || next.scheme() != uri.scheme() {
                headers.remove(http::header::AUTHORIZATION);
            }
            uri = next;
        }
        Err(HttpError::new(HttpErrorKind::Unknown, io::Error::other("more than 5 redirects")))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let kind = if query.contains("list-type=2") || query.contains("comp=list") {
            Kind::List
        } else if request.extensions().get::<ForObject>().is_none() {
            Kind::Credential
        } else if request.method() == http::Method::HEAD {
            Kind::Head
        } else {
            Kind::Get
        };
        self.send(request, kind).await
    }
}

impl object_store::client::HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<object_store::client::HttpClient> {
        Ok(object_store::client::HttpClient::new(self.clone()))
    }
}

/// Where an answer sends on to.
fn location(answer: &HttpResponse, from: &Uri) -> Option<Uri> {
    use StatusCode as S;
    let redirects = [
        S::MOVED_PERMANENTLY,
        S::FOUND,
        S::SEE_OTHER,
        S::TEMPORARY_REDIRECT,
        S::PERMANENT_REDIRECT,
    ];
    if !redirects.contains(&answer.status()) {
        return None;
    }
    let to = answer.headers().get(http::header::LOCATION)?.to_str().ok()?;
    let to: Uri = to.parse().ok()?;
    if to.scheme().is_some() {
        return Some(to);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = to.into_parts().path_and_query;
    Uri::from_parts(parts).ok()
}

/// What the client's error says, as the buckets' library wants it: it tries again by kind.
fn failure(error: hyper_util::client::legacy::Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { kind_of(&error) };
    HttpError::new(kind, Causes(chain(&error)))
}

fn kind_of(error: &(dyn Error + 'static)) -> HttpErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_timeout() {
                return HttpErrorKind::Timeout;
            }
            if error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted() {
                return HttpErrorKind::Request;
            }
        }
        if error.is::<io::Error>() {
            return HttpErrorKind::Interrupted;
        }
        cause = error.source();
    }
    HttpErrorKind::Unknown
}

/// An error with its causes: "a: b: c".
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some say what their cause says.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A text from outside on one line, and no more of it than a log can use.
pub(crate) fn brief(text: &str) -> String {
    const SHOWN: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    format!("{}...", line.chars().take(SHOWN).collect::<String>())
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Causes(String);

#[derive(Debug, thiserror::Error)]
#[error("it was silent for {:.1} s", .0.as_secs_f32())]
struct Silence(Duration);

/// A body that fails once it has been silent for too long.
struct Watched {
    body: Incoming,
    timeout: Duration,
    alarm: Pin<Box<Sleep>>,
    /// The alarm runs; not while whoever reads is busy.
    waiting: bool,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| HttpError::new(kind_of(&error), Causes(chain(&error))))
            }));
        }
        if !std::mem::replace(&mut this.waiting, true) {
            this.alarm.as_mut().reset(Instant::now() + this.timeout);
        }
        ready!(this.alarm.as_mut().poll(context));
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, Silence(this.timeout)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
