//! An inference request on its way down.

use crate::{Account, Infer, RequestTrace, Responder, Tensor, Timestamp};
use std::{sync::Arc, time::Duration};

/// A request parameter's value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum Parameter {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
}

/// Named parameters, in the order they came.
pub type Parameters = Vec<(String, Parameter)>;

/// Which sequence a request belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CorrelationId {
    /// No sequence (`sequence_id` absent or 0).
    #[default]
    None,
    /// `sequence_id` as a number.
    Number(u64),
    /// `sequence_id` as a string.
    String(String),
}

/// Where in its sequence a request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceFlags {
    /// The first request of the sequence.
    pub start: bool,
    /// The last request of the sequence.
    pub end: bool,
}

/// One inference request. It is moved from hop to hop and never copied; whoever holds it owes an
/// answer through its [`Responder`], which answers INTERNAL by itself if it is dropped.
#[derive(Debug)]
pub struct InferRequest {
    /// The client's id for this request; empty if it gave none.
    pub id: String,
    /// Input tensors, in the client's order until `core::normalise`, in the configuration's after.
    pub inputs: Vec<Tensor>,
    /// Names of the outputs the client wants; empty means all until `core::normalise`, which
    /// removes duplicates and leaves empty for "all".
    pub outputs: Vec<String>,
    /// Parameters that have no meaning to the server and travel to the backend.
    pub parameters: Parameters,
    /// `sequence_id`.
    pub correlation_id: CorrelationId,
    /// `sequence_start`, `sequence_end`.
    pub sequence: SequenceFlags,
    /// 0 means the model's default; 1 is the highest.
    pub priority: u64,
    /// How long the request may wait in the queue, from parameter `timeout` (microseconds).
    pub timeout: Option<Duration>,
    /// Rows in this request; set by `core::normalise`. 1 where the model has no batch dimension.
    pub batch_size: usize,
    /// When the front-end had the whole request.
    pub received: Timestamp,
    /// When the request entered its scheduler's queue; set by the scheduler.
    pub queued: Timestamp,
    /// Runs the steps of an ensemble, over the same snapshot of the repository that this request
    /// was resolved in; set by `core`.
    pub steps: Option<Arc<dyn Infer>>,
    /// Where what the request cost is written down, if it is.
    pub account: Option<Arc<dyn Account>>,
    /// Learns what happens to the request, if it is traced; dropping it ends the request for it.
    pub trace: Option<RequestTrace>,
    /// Where the answer goes.
    pub responder: Responder,
}

impl InferRequest {
    /// A request without inputs or parameters.
    pub fn new(received: Timestamp, responder: Responder) -> Self {
        Self {
            id: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameters: Parameters::new(),
            correlation_id: CorrelationId::None,
            sequence: SequenceFlags::default(),
            priority: 0,
            timeout: None,
            batch_size: 1,
            received,
            queued: received,
            steps: None,
            account: None,
            trace: None,
            responder,
        }
    }

    /// Triton's prefix of an error about this request.
    pub fn log_id(&self) -> String {
        let id = if self.id.is_empty() { "<id_unknown>" } else { &self.id };
        format!("[request id: {id}] ")
    }
}
