//! Responders for front-ends: one whose single response is awaited, one whose responses stream.

use hippocamp_types::{Error, InferResponse, Reply, Responder, ResponseSink};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::{mpsc, oneshot};

/// Responses that may wait for a slow client; past it the request is cancelled, since neither the
/// backend's thread nor memory is the place to wait.
const STREAM_BOUND: usize = 1024;

/// A responder and the future of its one response. Dropping the future cancels the request.
pub fn unary_reply() -> (Responder, UnaryReply) {
    let (sender, receiver) = oneshot::channel();
    let sink = UnarySink(Mutex::new(UnaryState { sender: Some(sender), response: None }));
    (Responder::new(sink), UnaryReply(receiver))
}

/// A responder and the stream of its replies, up to and including the last one. Dropping the
/// stream cancels the request.
pub fn stream_reply() -> (Responder, ReplyStream) {
    let (sender, receiver) = mpsc::channel(STREAM_BOUND);
    (Responder::new(StreamSink { sender, overrun: AtomicBool::new(false) }), ReplyStream(receiver))
}

/// The one response of a request; see [`unary_reply`].
#[derive(Debug)]
pub struct UnaryReply(oneshot::Receiver<Result<InferResponse, Error>>);

impl Future for UnaryReply {
    type Output = Result<InferResponse, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| {
            received.unwrap_or_else(|_closed| {
                Err(Error::internal("the request was dropped without an answer"))
            })
        })
    }
}

struct UnarySink(Mutex<UnaryState>);

struct UnaryState {
    sender: Option<oneshot::Sender<Result<InferResponse, Error>>>,
    response: Option<InferResponse>,
}

impl ResponseSink for UnarySink {
    fn accept(&self, reply: Reply) {
        let mut state = self.0.lock().expect("nothing panics under this lock");
        let outcome = match (reply.response, reply.last) {
            (Some(Ok(response)), true) if state.response.is_none() => Ok(response),
            (Some(Ok(response)), false) if state.response.is_none() => {
                state.response = Some(response);
                return;
            }
            (Some(Ok(_second)), _) => Err(Error::internal(
                "expected a single response, got several: a decoupled model answers over a streaming call",
            )),
            (Some(Err(error)), _) => Err(error),
            (None, false) => return,
            (None, true) => state.response.take().ok_or_else(|| {
                Error::internal(
                    "expected a single response, got none: the model ended the request without one",
                )
            }),
        };
        if let Some(sender) = state.sender.take() {
            // Fails when the client is gone, which is its right.
            drop(sender.send(outcome));
        }
    }

    fn is_cancelled(&self) -> bool {
        let state = self.0.lock().expect("nothing panics under this lock");
        state.sender.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// The replies of a request; see [`stream_reply`].
#[derive(Debug)]
pub struct ReplyStream(mpsc::Receiver<Reply>);

impl ReplyStream {
    /// The next reply; `None` after the last.
    pub async fn next(&mut self) -> Option<Reply> {
        self.0.recv().await
    }

    /// For implementations of `Stream`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.0.poll_recv(context)
    }
}

struct StreamSink {
    sender: mpsc::Sender<Reply>,
    overrun: AtomicBool,
}

impl ResponseSink for StreamSink {
    fn accept(&self, reply: Reply) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(reply) {
            self.overrun.store(true, Ordering::Relaxed);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.sender.is_closed() || self.overrun.load(Ordering::Relaxed)
    }
}
