//! The gRPC front-end: the inference service, health and reflection over [`InferenceServer`].
//! It decodes, makes one call, encodes; it knows nothing of models, queues or backends.
//! Built and served by the binary, with [`serve`] on a bound listener.
//!
//! [`InferenceServer`]: hippocamp_core::InferenceServer
#![forbid(unsafe_code)]

mod access;
mod access_log;
mod announced;
mod convert;
mod describe;
mod health;
mod infer;
mod infer_stream;
mod listener;
mod model_control;
mod options;
mod serve;
mod service;
mod services;
mod settings;
mod shared_memory;
mod status;
mod traced;
mod version;

pub use options::{GrpcOptions, Keepalive};
pub use serve::{ServeError, serve};
pub use services::Services;
