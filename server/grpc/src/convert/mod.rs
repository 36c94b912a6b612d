//! `ModelInferRequest` to [`InferRequest`] and [`InferResponse`] to `ModelInferResponse`. Tensor
//! data is moved both ways: a raw tensor stays a slice of the message it arrived in.

mod contents;
mod parameters;
mod request;
mod response;

pub(crate) use request::{Asked, Labels, infer_request};
pub(crate) use response::{bool_parameter, infer_response};

/// Parameter of a response on a stream: no other one follows for its request.
pub(crate) const FINAL_RESPONSE: &str = "triton_final_response";

#[cfg(test)]
mod tests;
