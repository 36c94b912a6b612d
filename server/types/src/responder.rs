//! The way up: a request's own responder.
//!
//! Answers never travel through the crates that passed the request down. A front-end makes the
//! responder with a [`ResponseSink`] of its own; an ensemble makes one per step. Whoever drops the
//! last handle without an answer answers INTERNAL, so that no client waits for ever.

use crate::{Error, InferResponse};
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What arrives at a sink.
#[derive(Debug)]
pub struct Reply {
    /// A response or an error; `None` when only the end is told.
    pub response: Option<Result<InferResponse, Error>>,
    /// Nothing comes after this reply.
    pub last: bool,
}

/// Where replies go: a front-end's channel, or the graph of an ensemble.
pub trait ResponseSink: Send + Sync {
    /// Takes one reply. Called from the threads of backends: it must not block.
    fn accept(&self, reply: Reply);

    /// Whether nobody waits any more, so that work not yet started may be dropped.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// How a request ended, for statistics.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The last reply was no error.
    Success,
    /// The request failed.
    Failure(&'a Error),
}

/// Learns how requests end: telemetry, set once by `core` when it knows the model.
pub trait RequestObserver: Send + Sync {
    /// A reply leaves; `last` ends the request.
    fn replied(&self, outcome: Outcome<'_>, last: bool);
}

/// The request has had its last answer; another one is a fault of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was already answered")]
pub struct AlreadyFinished;

/// A handle to answer one request. Clones answer the same request: response factories of the
/// backend C API outlive the request they came from.
#[derive(Clone)]
pub struct Responder(Arc<Inner>);

struct Inner {
    sink: Box<dyn ResponseSink>,
    observer: OnceLock<Box<dyn RequestObserver>>,
    finished: AtomicBool,
}

impl Responder {
    /// A responder that answers into `sink`.
    pub fn new(sink: impl ResponseSink + 'static) -> Self {
        Self(Arc::new(Inner {
            sink: Box::new(sink),
            observer: OnceLock::new(),
            finished: AtomicBool::new(false),
        }))
    }

    /// Tells `observer` about every reply from now on; the first observer stays.
    pub fn observe(&self, observer: impl RequestObserver + 'static) {
        // A request that is tried again in another scheduler is still one request.
        drop(self.0.observer.set(Box::new(observer)));
    }

    /// Sends a response or an error; `last` ends the request.
    ///
    /// # Errors
    /// If the request has had its last answer.
    pub fn send(
        &self,
        response: Result<InferResponse, Error>,
        last: bool,
    ) -> Result<(), AlreadyFinished> {
        self.0.reply(Some(response), last)
    }

    /// Ends the request without a further response.
    ///
    /// # Errors
    /// If the request has had its last answer.
    pub fn finish(&self) -> Result<(), AlreadyFinished> {
        self.0.reply(None, true)
    }

    /// Ends the request with an error; nothing happens if it has ended already.
    pub fn fail(&self, error: Error) {
        // The loser of a race to answer has nothing left to say.
        self.0.reply(Some(Err(error)), true).unwrap_or_default();
    }

    /// Whether the client is gone.
    pub fn is_cancelled(&self) -> bool {
        self.0.sink.is_cancelled()
    }

    /// Whether the last answer was sent.
    pub fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }
}

impl Inner {
    fn reply(
        &self,
        response: Option<Result<InferResponse, Error>>,
        last: bool,
    ) -> Result<(), AlreadyFinished> {
        let before = if last {
            self.finished.swap(true, Ordering::AcqRel)
        } else {
            self.finished.load(Ordering::Acquire)
        };
        if before {
            return Err(AlreadyFinished);
        }
        if let Some(observer) = self.observer.get() {
            let outcome = match &response {
                Some(Err(error)) => Outcome::Failure(error),
                Some(Ok(_)) | None => Outcome::Success,
            };
            observer.replied(outcome, last);
        }
        self.sink.accept(Reply { response, last });
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let unanswered = Error::internal("the request was dropped without an answer");
        // Fails when the request was answered, which is the rule.
        self.reply(Some(Err(unanswered)), true).unwrap_or_default();
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<Reply>>>);

    impl ResponseSink for Recorder {
        fn accept(&self, reply: Reply) {
            self.0.lock().unwrap().push(reply);
        }
    }

    #[test]
    fn dropped_unanswered_is_internal() {
        let recorder = Recorder::default();
        drop(Responder::new(recorder.clone()));
        let replies = recorder.0.lock().unwrap();
        let [Reply { response: Some(Err(error)), last: true }] = replies.as_slice() else {
            panic!("{replies:?}");
        };
        assert_eq!(error.code(), ErrorCode::Internal);
    }

    #[test]
    fn the_second_last_answer_is_refused() {
        let recorder = Recorder::default();
        let responder = Responder::new(recorder.clone());
        responder.fail(Error::cancelled());
        assert_eq!(responder.finish(), Err(AlreadyFinished));
        drop(responder);
        assert_eq!(recorder.0.lock().unwrap().len(), 1);
    }
}
