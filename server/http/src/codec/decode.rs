//! The body of an infer request -> inputs, wanted outputs, parameters. Tensors that came in binary
//! are slices of the body; those that came as JSON are parsed straight into their bytes.
//!
//! Keys the protocol does not know are read past. A key it knows may come once: the second one is an
//! error, so that no two parsers on the way of a request can understand it differently.

mod error;
mod inputs;
mod outputs;
mod parameters;
#[cfg(test)]
mod tests;

pub(super) use parameters::{MAX_PARAMETERS, read_parameter};

use super::json::{Kind, Reader};
use bytes::Bytes;
use error::{DecodeError, field};
use hippocamp_shm::SharedTensor;
use hippocamp_types::{
    CorrelationId, Error, InferRequest, Parameters, Responder, SequenceFlags, Tensor, Timestamp,
};
use inputs::Inputs;
use outputs::read_outputs;
use parameters::read_parameters;
use std::time::Duration;

/// Inputs, or outputs, in one request.
const MAX_TENSORS: usize = 4096;

/// Whom a request is for, and how large it may become.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The model's name, for error texts.
    pub model: &'a str,
    /// Bytes that one tensor may take (`--http-max-input-size`).
    pub max_input_size: usize,
}

/// A request without its way back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodedRequest {
    /// The client's id; empty if it gave none.
    pub id: String,
    /// In the client's order.
    pub inputs: Vec<Tensor>,
    /// Inputs, by their place in `inputs`, whose data lie in shared memory and are yet to be read.
    pub shared: Vec<(usize, SharedTensor)>,
    /// How the outputs are to be sent.
    pub plan: OutputPlan,
    /// Parameters without a meaning to the server.
    pub parameters: Parameters,
    /// `sequence_id`.
    pub correlation_id: CorrelationId,
    /// `sequence_start`, `sequence_end`.
    pub sequence: SequenceFlags,
    /// `priority`.
    pub priority: u64,
    /// `timeout`; 0 is none.
    pub timeout: Option<Duration>,
}

/// Which outputs a client wants, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputPlan {
    /// Empty: all of them.
    pub requested: Vec<RequestedOutput>,
    /// `binary_data_output`: for outputs that say nothing themselves.
    pub binary_default: bool,
}

/// One output as a client wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// The output's name.
    pub name: String,
    /// `binary_data`, if given.
    pub binary: Option<bool>,
    /// `classification`: how many classes; 0 for the tensor itself.
    pub classes: u32,
    /// Where in shared memory it goes; the response then tells its shape alone.
    pub shared: Option<SharedTensor>,
}

impl DecodedRequest {
    /// The request with its way back, its shared inputs read by then; the plan stays with whoever encodes the response.
    pub fn into_request(
        self,
        received: Timestamp,
        responder: Responder,
    ) -> (InferRequest, OutputPlan) {
        let mut request = InferRequest::new(received, responder);
        request.id = self.id;
        request.inputs = self.inputs;
        request.outputs = self.plan.requested.iter().map(|output| output.name.clone()).collect();
        request.parameters = self.parameters;
        request.correlation_id = self.correlation_id;
        request.sequence = self.sequence;
        request.priority = self.priority;
        request.timeout = self.timeout;
        (request, self.plan)
    }
}

/// Decodes a body whose first `header_length` bytes are JSON and whose rest is binary tensor data;
/// without a `header_length` all of it is JSON.
///
/// # Errors
/// INVALID_ARG: the request is at fault, with the byte where it is not JSON.
pub fn decode_request(
    body: &Bytes,
    header_length: Option<usize>,
    target: Target<'_>,
) -> Result<DecodedRequest, Error> {
    let header = header_length.unwrap_or(body.len()).min(body.len());
    match read_request(body, header, target) {
        Ok(request) => Ok(request),
        Err(DecodeError::Json(source)) if header_length.is_none() && mentions_binary_data(body) => {
            Err(DecodeError::PerhapsBinary { source }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a body that is not JSON may be JSON with binary data behind it.
fn mentions_binary_data(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"binary_data_size\"";
    body.windows(KEY.len()).any(|window| window == KEY)
}

fn read_request(
    body: &Bytes,
    header: usize,
    target: Target<'_>,
) -> Result<DecodedRequest, DecodeError> {
    let mut request = DecodedRequest::default();
    let mut tensors = Inputs { body, tail: header, target, shared: Vec::new() };
    let mut reader = Reader::new(&body[..header])?;
    let (mut inputs, mut outputs, mut id, mut parameters) = (None, None, None, None);
    reader.object(|reader, key| -> Result<(), DecodeError> {
        match &*key {
            "id" => set(&mut id, &key, reader.string().map_err(field("id"))?.into_owned()),
            "inputs" => set(&mut inputs, &key, tensors.read(reader)?),
            "outputs" => set(&mut outputs, &key, read_outputs(reader)?),
            "parameters" => set(&mut parameters, &key, read_parameters(reader, &mut request)?),
            _ => Ok(reader.skip()?),
        }
    })?;
    reader.end()?;
    request.id = id.unwrap_or_default();
    let tail = tensors.tail;
    request.shared = tensors.shared;
    request.inputs = inputs.ok_or(DecodeError::Missing { field: "inputs" })?;
    request.plan.requested = outputs.unwrap_or_default();
    if tail != body.len() {
        return Err(DecodeError::TrailingData { model: target.model.to_owned() });
    }
    Ok(request)
}

/// Fills `slot`, once.
fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), DecodeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DecodeError::Duplicate(key.to_owned())),
    }
}

/// Reads the array called `name`.
fn array<'a>(
    reader: &mut Reader<'a>,
    name: &'static str,
    element: impl FnMut(&mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if reader.kind()? != Kind::Array {
        return Err(field(name)(reader.wrong("array")));
    }
    reader.array(element)
}
