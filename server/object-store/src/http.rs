//! The one way out: HTTP/1.1 with and without TLS, each request with a bound in time and counted. The
//! buckets' library and the hub both go through it.

use crate::counters::{Counters, Kind, Outcome};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::USER_AGENT};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection, HttpConnector},
    },
    rt::{TokioExecutor, TokioIo},
};
use object_store::{
    ClientOptions,
    client::{
        HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Time for a connection to come about; a host that is not there is told soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT.min(timeout)));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(Connector { tcp, tls: Arc::default() });
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
            this.alarm.as_mut().reset(Instant::now() + this.timeout);
            return Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| HttpError::new(kind_of(&error), Causes(chain(&error))))
            }));
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

/// Makes connections.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    /// Made when it is needed first: reading the system's certificates takes a while.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Connector {
    fn tls(&self) -> TlsConnector {
        let config = self.tls.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "certificates of the system that cannot be read are left out");
            }
            roots.add_parsable_certificates(found.certs);
            let ring = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(ring)
                .with_safe_default_protocol_versions()
                .expect("ring speaks the default versions of TLS")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(config)
        });
        TlsConnector::from(Arc::clone(config))
    }
}

type Connecting =
    Pin<Box<dyn Future<Output = Result<Stream, Box<dyn Error + Send + Sync>>> + Send>>;

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let connecting = self.tcp.call(uri.clone());
        let tls = (uri.scheme_str() == Some("https")).then(|| self.tls());
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            let Some(tls) = tls else {
                return Ok(Stream(TokioIo::new(Socket::Plain(tcp))));
            };
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let stream = tls.connect(ServerName::try_from(host)?, tcp).await?;
            Ok(Stream(TokioIo::new(Socket::Tls(Box::new(stream)))))
        })
    }
}

/// A connection, as the client wants it.
struct Stream(TokioIo<Socket>);

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
