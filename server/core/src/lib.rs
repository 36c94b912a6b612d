//! The inference server without its protocols: resolves a request's model, checks the request,
//! schedules it; loads and unloads models; knows whether it is ready and when it has drained.
//!
//! Front-ends call [`InferenceServer`] and nothing below it.
#![forbid(unsafe_code)]

mod admission;
mod classification;
mod dispatch;
mod forwarded;
mod host;
mod loader;
mod metadata;
mod normalise;
mod reply;
mod request_id;
mod server;
mod warm_up;

pub use classification::classify;
pub use forwarded::ForwardedHeaders;
pub use hippocamp_repository::{
    IndexEntry, LoadOverrides, ModelState, ModelVersion, RepositoryError, RepositoryOptions,
    RolledBack, Root,
};
pub use metadata::{ModelMetadata, ServerMetadata, TensorMetadata, model_metadata};
pub use reply::{ReplyStream, UnaryReply, stream_reply, unary_reply};
pub use request_id::{REQUEST_ID, generated_request_id};
pub use server::{InferenceServer, ModelControl, ServerOptions};
