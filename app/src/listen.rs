//! The socket: HTTP/1.1 on every connection, closed gracefully.

use axum::{Router, extract::Request};
use hippocamp_net::{Connection, Listener};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};
use tower::Service as _;

/// A client that has not sent its headers by then is let go; so is one that has asked for nothing
/// for as long.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections at a time; the next one waits in the system's queue.
const MOST_CONNECTIONS: usize = 4096;

/// Bytes of a request's headers.
const HEADER_BYTES: usize = 64 << 10;

/// Serves `router` until `stopping` is true, then closes idle connections and waits for the others,
/// for at most `grace`.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, connection) = tokio::select! {
            accepted = accepted => accepted,
            // An error means that the sender is gone, which is the same.
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let talk = watcher.watch(conversation(connection, router));
            if let Err(error) = talk.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still under way when the exit timeout ran out");
    }
}

/// Answers the requests of one connection.
fn conversation(
    connection: Connection,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let peer = connection.peer();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(connection), service)
}
