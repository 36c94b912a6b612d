//! The vocabulary of the server: tensors, requests, responses, errors, and the small traits that
//! sibling crates share. Everything above depends on this crate; it depends on nothing of ours and
//! knows no protocol, no configuration and no C.
#![forbid(unsafe_code)]

mod account;
mod clock;
mod datatype;
mod error;
mod model_store;
mod no_number;
pub mod pattern;
mod request;
mod request_trace;
mod responder;
mod response;
mod scheduling;
mod shape;
mod tensor;
mod trace;
mod trace_context;

pub use account::Account;
pub use clock::{Clock, MonotonicClock, Timestamp};
pub use datatype::DataType;
pub use error::{Error, ErrorCode};
pub use model_store::ModelStore;
pub use no_number::quote_names_of_no_number;
pub use request::{CorrelationId, InferRequest, Parameter, Parameters, SequenceFlags};
pub use request_trace::RequestTrace;
pub use responder::{AlreadyFinished, Outcome, Reply, RequestObserver, Responder, ResponseSink};
pub use response::InferResponse;
pub use scheduling::{
    BatchStrategy, Host, Infer, ModelInstance, PendingBatch, Rejected, Scheduler,
};
pub use shape::{Shape, ShapeError};
pub use tensor::{BytesElements, ElementError, Tensor, push_bytes_element};
pub use trace::{
    Activity, Mark, MarkName, TensorActivity, Trace, TraceId, TraceLevel, TraceRecord, TraceSink,
    TracedRequest,
};
pub use trace_context::TraceContext;
