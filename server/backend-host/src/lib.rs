//! The host side of Triton's backend C API: finds backends, loads them, and drives their models and
//! instances. `core` is the caller; backends call back through the functions in `api`, which the
//! executable exports under Triton's names (see [`exported_symbols`]).
//!
//! Above this crate a backend is a [`LoadedModel`] and its instances
//! ([`ModelInstance`](hippocamp_types::ModelInstance)); nothing of C is seen there.
#![allow(unsafe_code, reason = "the host side of a C API")]

mod allocator;
mod api;
mod attributes;
mod backend;
mod buffer;
mod entry;
mod error;
mod exports;
mod found;
mod handles;
mod host;
mod in_flight;
mod inference_request;
mod inference_response;
mod instance;
mod library;
mod memory;
mod message;
mod metrics;
mod model;
mod request;
mod response;
mod response_statistics;
mod server;
mod settings;
mod strategy;
#[cfg(test)]
mod tests;
mod trace;
mod turns;

pub use error::HostError;
pub use exports::exported_symbols;
pub use hippocamp_backend_abi::BackendTable;
pub use host::{BackendHost, HostOptions};
pub use memory::give_back_memory;
pub use model::{LoadedModel, ModelSpec};
