//! The image backend: JPEG, PNG and WebP bytes in, the tensor that an encoder wants out.
//!
//! A model is a configuration alone: one BYTES input, a picture an element, and any number of FP32 outputs
//! `[3, height, width]` or `[height, width, 3]`, each the whole batch of pictures in that size. Its
//! parameters say how pictures fill the tensors, how values are normalised, and what a picture may be;
//! docs/images.md lists them.
#![forbid(unsafe_code)]

mod backend;
mod config;
mod decode;
mod error;
mod header;
mod resample;
mod tensor;

pub use backend::{Image, ImageInstance, ImageModel};
pub use decode::{Limits, Picture, Turn, decode};
pub use error::Fault;
pub use header::{Format, Header, header};
pub use resample::Filter;
pub use tensor::{Layout, Preparation, Resize, Size};

// The server of the tests: without one the table has nothing to call.
#[cfg(test)]
use hippocamp_backend_host as _;
