//! The seams between siblings: who takes a request, who executes a batch, who runs a step.

use crate::{Error, InferRequest, Timestamp};
use bytes::Bytes;

/// A request that was not taken, given back with the reason.
#[derive(Debug)]
pub struct Rejected {
    /// The request, untouched.
    pub request: Box<InferRequest>,
    /// Why.
    pub error: Error,
}

impl Rejected {
    /// Gives `request` back because of `error`.
    pub fn new(request: InferRequest, error: Error) -> Self {
        Self { request: Box::new(request), error }
    }

    /// Answers the request with the reason.
    pub fn answer(self) {
        self.request.responder.fail(self.error);
    }
}

/// Takes the requests of one model version. Dropping a scheduler closes its queue; requests that
/// are in it are still served, and its instances end after the last of them.
pub trait Scheduler: Send + Sync {
    /// Takes a request or gives it back. Never blocks.
    ///
    /// # Errors
    /// If the queue is full or closed.
    fn enqueue(&self, request: InferRequest) -> Result<(), Rejected>;
}

/// One instance of a model: a batch goes in, answers leave through the requests' responders.
/// Each instance belongs to one thread, which drops it when its scheduler has ended.
pub trait ModelInstance: Send {
    /// The instance's name, for logs and its thread.
    fn name(&self) -> &str;

    /// Executes one batch and returns when the instance is free for the next.
    fn execute(&mut self, batch: Vec<InferRequest>);
}

/// Says, beyond what sizes and shapes allow, which requests go into one batch: a strategy that comes
/// with the model. It is asked under its queue's lock, so it never infers and never waits.
pub trait BatchStrategy: Send + Sync + std::fmt::Debug {
    /// Begins an empty batch. One that is not executed, since it is to grow, is dropped and begun
    /// again when the queue is looked at next.
    fn begin(&self) -> Box<dyn PendingBatch + '_>;
}

/// A batch that is being formed.
pub trait PendingBatch {
    /// Whether `request`, the next in the queue, joins. One that does not ends the batch, unless it
    /// is the first: that one is executed alone.
    fn include(&mut self, request: &InferRequest) -> bool;
}

/// Infers within one snapshot of the repository: what an ensemble needs to run its steps.
pub trait Infer: Send + Sync + std::fmt::Debug {
    /// Passes `request` to `model`, in `version` or the latest one. Refusals are answered through
    /// the request's responder, like every other error.
    fn infer(&self, model: &str, version: Option<u64>, request: InferRequest);
}

/// What a backend asks of the server that it serves in. `core` answers.
pub trait Host: Infer {
    /// The present, for requests of the backend's own.
    fn now(&self) -> Timestamp;

    /// Whether `version` of `model`, or its latest one, serves.
    fn is_model_ready(&self, model: &str, version: Option<u64>) -> bool;

    /// Whether a request to `version` of `model`, or its latest one, may have any number of
    /// responses.
    ///
    /// # Errors
    /// If it does not serve.
    fn is_decoupled(&self, model: &str, version: Option<u64>) -> Result<bool, Error>;

    /// Loads or reloads a model and returns when it serves; with a configuration or files of its
    /// own where they are given. Blocks.
    ///
    /// # Errors
    /// Why it does not serve; UNAVAILABLE while the server loads or unloads, or where models are
    /// not controlled by calls.
    fn load(
        &self,
        model: &str,
        config: Option<String>,
        files: Vec<(String, Bytes)>,
    ) -> Result<(), Error>;

    /// Unloads a model; with `dependents`, also the members that nothing else needs.
    ///
    /// # Errors
    /// UNAVAILABLE as above.
    fn unload(&self, model: &str, dependents: bool) -> Result<(), Error>;
}
