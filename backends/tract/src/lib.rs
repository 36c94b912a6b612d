//! The tract backend: ONNX models on CPU, in pure Rust.
//!
//! A model is `<model>/<version>/model.onnx`, or the file that `default_model_filename` names, or a
//! directory of that name that holds `model.onnx` beside its external data. Its configuration may
//! be left out: inputs, outputs and `max_batch_size` come from the file. Where the first dimension
//! of every input and output is open, `max_batch_size` becomes the backend's setting
//! `default-max-batch-size` (4 if it is not set) and above 1 the dynamic batcher is added.
//!
//! What tract cannot run is refused when the model is loaded, with the operator's name. Datatypes
//! are BOOL, the integers, FP16, FP32, FP64 and BYTES; ONNX strings are text, so that BYTES elements
//! must be UTF-8.
//!
//! One plan per version is shared by its instances and serves all shapes. Recurrent operators with
//! an open batch or sequence dimension are the exception: tract must know their sizes, so a plan is
//! built for each shape that comes, and the most recent ones are kept. An execution runs on its
//! instance's thread alone; more cores are used by more instances.
#![forbid(unsafe_code)]

mod backend;
mod build;
mod config;
mod datatype;
mod error;
#[cfg(test)]
mod fixtures;
mod inspect;
mod onnx;
mod plan;
mod tensor;

pub use backend::{Tract, TractInstance, TractModel};
pub use error::{LoadError, RunError, UnsupportedOperator};
pub use inspect::{Inspection, inspect};
pub use onnx::{External, TensorInfo};
pub use plan::{Plan, Runner};
pub use tensor::{bytes_of, from_parts};

// The server of the tests: without one the table has nothing to call.
#[cfg(test)]
use hippocamp_backend_host as _;

/// The backend's table, to link it into a server as `tract`.
pub const TABLE: hippocamp_backend::abi::BackendTable = hippocamp_backend::backend!(Tract);
