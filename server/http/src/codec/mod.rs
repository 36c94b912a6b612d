//! Bytes of the wire <-> the server's request and response. Pure: no socket, no clock, no server.
//!
//! [`decode_request`] and [`decode_raw_request`] read a body of `/infer`, [`encode_response`] writes
//! its answer; [`generate`] does both for the generate extension.

mod data;
mod decode;
mod encode;
pub(crate) mod generate;
mod json;
mod raw;
mod text;

pub use decode::{DecodedRequest, OutputPlan, RequestedOutput, Target, decode_request};
pub(crate) use encode::push_data;
pub use encode::{Classes, EncodedResponse, encode_response};
pub use raw::decode_raw_request;
pub(crate) use text::{push_float, push_integer, push_parameter, push_string};
