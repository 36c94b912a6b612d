//! The front-end on a socket.

use crate::{GrpcOptions, Services, listener};
use hippocamp_core::InferenceServer;
use hippocamp_net::Listener;
use hippocamp_types::{Error, ErrorCode};
use std::{future::Future, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

/// Bytes that a client may send before it must wait for the server: a tensor of a few MiB arrives
/// without a pause, and a connection still holds a bounded amount of unread data.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// Frames of large tensors need not be cut into the 16 KiB that HTTP/2 starts with.
const FRAME_BYTES: u32 = 1 << 20;

/// Calls of one connection at a time; a client waits with the next.
const CALLS_PER_CONNECTION: u32 = 4096;

/// Longest time between pings; beyond it the transport's clock could overflow.
const MAX_PING_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The front-end could not go on.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC front-end failed: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        Self::new(ErrorCode::Internal, error.to_string())
    }
}

/// Serves `server` on `listener` until `shutdown`, then no longer accepts connections, lets the
/// calls in flight end, and returns. Streams and watchers without a request in flight are ended.
///
/// # Errors
/// If serving fails as a whole; failures of one connection end that connection.
pub async fn serve(
    listener: Listener,
    server: Arc<InferenceServer>,
    options: GrpcOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let draining = CancellationToken::new();
    let services = Services::new(server, &options, draining.clone());
    let keepalive = options.keepalive;
    let mut transport = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(keepalive.time.min(MAX_PING_INTERVAL)))
        .http2_keepalive_timeout(Some(keepalive.timeout.min(MAX_PING_INTERVAL)));
    if let Some(age) = keepalive.max_connection_age {
        transport = transport.max_connection_age(age);
    }
    let shutdown = async {
        shutdown.await;
        draining.cancel();
    };
    transport
        .serve_with_incoming_shutdown(
            services,
            listener::connections(listener, keepalive),
            shutdown,
        )
        .await?;
    Ok(())
}
