//! Serves a router over HTTP/1 and HTTP/2 on one socket, and closes it gracefully.

use crate::listening::Listen;
use anyhow::Context as _;
use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header::CONNECTION},
    response::Response,
};
use hippocamp_net::{Connection, ListenOptions, Listener, Protocol, Tls};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tower::Service as _;

/// A client that has not sent its headers by then is let go.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests of one HTTP/2 connection at a time; a client waits with the next.
const STREAMS_PER_CONNECTION: u32 = 1024;

/// Headers of one request over HTTP/1 with its first line, in bytes. Hyper's own limit is 408 KiB before
/// the read that crosses it, so what is above passes or not by how the bytes arrive; this one is exact.
const HTTP1_HEADER_BYTES: usize = 256 << 10;

/// Headers of one request over HTTP/2, in bytes.
const HEADER_BYTES: u32 = 64 << 10;

/// Silence after which a client of HTTP/2 is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(60);

/// Binds the socket of an endpoint. `protocols` are what TLS offers to clients.
///
/// # Errors
/// With the flag that chooses another place.
pub(crate) fn bind(
    listen: &Listen,
    protocols: &'static [&'static [u8]],
) -> anyhow::Result<(Listener, Option<Arc<Tls>>)> {
    let tls = match &listen.tls {
        None => None,
        Some(files) => Some(Arc::new(Tls::new(files.clone(), protocols).with_context(|| {
            format!("--{}-use-ssl: these files make no TLS server", listen.protocol)
        })?)),
    };
    let options = ListenOptions {
        address: listen.address.clone(),
        share_port: listen.share_port,
        tls: tls.clone(),
    };
    let listener = Listener::bind(options).with_context(|| {
        format!("choose another place with --{0}-port or --{0}-address", listen.protocol)
    })?;
    Ok((listener, tls))
}

/// Serves `router` until `stopping` is true, then closes idle connections and waits for the others,
/// for at most `grace`.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let connection = tokio::select! {
            connection = listener.accept() => connection,
            // An error means that the sender is gone, which is the same.
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (router, stopping, watcher) = (router.clone(), stopping.clone(), graceful.watcher());
        tokio::spawn(async move {
            let talk = converse(connection, router, stopping, watcher, HEADER_TIMEOUT);
            if let Err(error) = talk.await {
                tracing::debug!(error = format!("{error:#}"), "connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections were still busy when the exit timeout ran out");
    }
}

/// Answers the requests of one connection. `patience` is the time that the headers of one may take.
async fn converse(
    mut connection: Connection,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    watcher: Watcher,
    patience: Duration,
) -> anyhow::Result<()> {
    let protocol = tokio::select! {
        protocol = tokio::time::timeout(patience, connection.protocol()) => {
            protocol.context("the client did not send a request")??
        }
        // Nothing was asked yet.
        _ = stopping.wait_for(|stop| *stop) => return Ok(()),
    };
    let peer = connection.peer();
    let limited = matches!(protocol, Protocol::Http1);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let refused = limited && header_bytes(&request) > HTTP1_HEADER_BYTES;
        let answer = (!refused).then(|| router.clone().call(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => Ok(too_large()),
            }
        }
    });
    let io = TokioIo::new(connection);
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(patience);
            watcher.watch(builder.serve_connection(io, service)).await?;
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_PER_CONNECTION)
                .max_header_list_size(HEADER_BYTES)
                .keep_alive_interval(PING_AFTER);
            watcher.watch(builder.serve_connection(io, service)).await?;
        }
    }
    Ok(())
}

/// What the first line and the headers took on the wire.
fn header_bytes<B>(request: &Request<B>) -> usize {
    // Between method, target and version; a colon with a space, and the ends of lines.
    let uri = request.uri();
    let path = uri.path_and_query().map_or(1, |target| target.as_str().len());
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let target = scheme + uri.authority().map_or(0, |host| host.as_str().len()) + path;
    let first = request.method().as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let headers = request.headers().iter();
    first + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

/// 431 without a body, as hyper's own.
fn too_large() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_net::Address;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    /// What a client reads that sends these bytes and then nothing, and how the conversation ends.
    async fn stops_after(sent: &[u8]) -> (Vec<u8>, anyhow::Result<()>) {
        let address = Address::new("127.0.0.1", 0).expect("it is an address");
        let options = ListenOptions { address, share_port: false, tls: None };
        let listener = Listener::bind(options).expect("a port is free");
        let Address::Tcp(address) = listener.address().expect("it is bound") else {
            unreachable!("it is no Unix socket");
        };
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client.write_all(sent).await.expect("it is open");
        let (_stop, stopping) = watch::channel(false);
        let (connection, graceful) = (listener.accept().await, GracefulShutdown::new());
        let patience = Duration::from_millis(20);
        let ended =
            converse(connection, Router::new(), stopping, graceful.watcher(), patience).await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("it is closed");
        (answer, ended)
    }

    #[test]
    fn headers_are_as_long_as_on_the_wire() {
        let wire = "GET /v2?x=1 HTTP/1.1\r\nhost: here\r\na: bc\r\n";
        let request = Request::get("/v2?x=1").header("host", "here").header("a", "bc").body(());
        assert_eq!(header_bytes(&request.expect("it is a request")), wire.len());
    }

    #[tokio::test]
    async fn headers_that_do_not_end_are_given_up() {
        for sent in [&b""[..], b"PRI * HTTP/2", b"GET /v2 HTTP/1.1\r\nHost: x\r\n"] {
            let (answer, ended) = stops_after(sent).await;
            assert_eq!(answer, b"", "after {sent:?}");
            ended.expect_err("the client did not send a request");
        }
    }
}
