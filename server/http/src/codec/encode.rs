//! A response -> the JSON header and, for outputs in binary, their own bytes behind it.

use super::{
    OutputPlan, RequestedOutput,
    text::{push_float, push_integer, push_parameter, push_string},
};
use bytes::Bytes;
use hippocamp_core::classify;
use hippocamp_types::{BytesElements, DataType, Error, InferResponse, Tensor};
use std::collections::HashMap;

/// What the classification extension needs to know of the model.
#[derive(Clone, Copy, Debug)]
pub struct Classes<'a> {
    /// Output name -> labels by class index.
    pub labels: &'a HashMap<String, Vec<String>>,
    /// The model's outputs have a batch dimension.
    pub batched: bool,
}

/// A response as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResponse {
    /// The JSON, alone or before the binary data.
    pub header: Bytes,
    /// Binary data of the outputs, in their order; none is empty.
    pub tail: Vec<Bytes>,
}

/// Encodes `response` as `plan` asks, outputs in the order the model gave them. Binary outputs are
/// the response's own bytes; of outputs that go into shared memory only the shape is told.
///
/// # Errors
/// INVALID_ARG if an output cannot be JSON and was not asked for in binary; INTERNAL if an output's
/// bytes do not fit its shape.
pub fn encode_response(
    response: &InferResponse,
    plan: &OutputPlan,
    classes: Classes<'_>,
) -> Result<EncodedResponse, Error> {
    let mut json = Vec::with_capacity(estimate(response));
    let mut tail = Vec::new();
    json.push(b'{');
    if !response.id.is_empty() {
        json.extend_from_slice(b"\"id\":");
        push_string(&mut json, &response.id);
        json.push(b',');
    }
    json.extend_from_slice(b"\"model_name\":");
    push_string(&mut json, &response.model_name);
    json.extend_from_slice(b",\"model_version\":\"");
    push_integer(&mut json, response.model_version);
    json.push(b'"');
    if !response.parameters.is_empty() {
        json.extend_from_slice(b",\"parameters\":");
        for (i, (name, value)) in response.parameters.iter().enumerate() {
            json.push(if i == 0 { b'{' } else { b',' });
            push_string(&mut json, name);
            json.push(b':');
            push_parameter(&mut json, value);
        }
        json.push(b'}');
    }
    json.extend_from_slice(b",\"outputs\":[");
    for (i, output) in response.outputs.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        let requested = plan.requested.iter().find(|requested| requested.name == output.name);
        let binary =
            requested.and_then(|requested| requested.binary).unwrap_or(plan.binary_default);
        match requested {
            Some(RequestedOutput { shared: Some(_), .. }) => {
                push_description(&mut json, output);
                json.push(b'}');
            }
            Some(&RequestedOutput { classes: count @ 1.., .. }) => {
                let labels = classes.labels.get(&output.name).map_or(&[][..], Vec::as_slice);
                let classified = classify(output, count, labels, classes.batched)?;
                push_output(&mut json, &mut tail, &classified, binary)?;
            }
            _ => push_output(&mut json, &mut tail, output, binary)?,
        }
    }
    json.extend_from_slice(b"]}");
    Ok(EncodedResponse { header: json.into(), tail })
}

fn push_output(
    json: &mut Vec<u8>,
    tail: &mut Vec<Bytes>,
    output: &Tensor,
    binary: bool,
) -> Result<(), Error> {
    push_description(json, output);
    if binary {
        json.extend_from_slice(b",\"parameters\":{\"binary_data_size\":");
        push_integer(json, output.data.len());
        json.extend_from_slice(b"}}");
        if !output.data.is_empty() {
            tail.push(output.data.clone());
        }
    } else {
        json.extend_from_slice(b",\"data\":");
        push_data(json, output)?;
        json.push(b'}');
    }
    Ok(())
}

/// Name, datatype and shape; the object stays open.
fn push_description(json: &mut Vec<u8>, output: &Tensor) {
    json.extend_from_slice(b"{\"name\":");
    push_string(json, &output.name);
    json.extend_from_slice(b",\"datatype\":\"");
    json.extend_from_slice(output.datatype.name().as_bytes());
    json.extend_from_slice(b"\",\"shape\":[");
    for (i, &dim) in output.shape.dims().iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        push_integer(json, dim);
    }
    json.push(b']');
}

/// Appends the elements of `output` as one flat JSON array.
///
/// # Errors
/// As [`encode_response`].
pub(crate) fn push_data(json: &mut Vec<u8>, output: &Tensor) -> Result<(), Error> {
    let elements = output.shape.element_count().ok();
    let expected = elements.and_then(|elements| elements.checked_mul(output.datatype.byte_size()?));
    if output.datatype.byte_size().is_some() && expected != Some(output.data.len()) {
        return Err(size_mismatch(output));
    }
    json.push(b'[');
    match output.datatype {
        DataType::Bool => push_each(json, output, |json, [byte]| {
            json.extend_from_slice(if byte == 0 { b"false" } else { b"true" });
        }),
        DataType::Uint8 => push_each(json, output, |json, [byte]| push_integer(json, byte)),
        DataType::Int8 => {
            push_each(json, output, |json, bytes| push_integer(json, i8::from_le_bytes(bytes)))
        }
        DataType::Uint16 => {
            push_each(json, output, |json, bytes| push_integer(json, u16::from_le_bytes(bytes)))
        }
        DataType::Int16 => {
            push_each(json, output, |json, bytes| push_integer(json, i16::from_le_bytes(bytes)))
        }
        DataType::Uint32 => {
            push_each(json, output, |json, bytes| push_integer(json, u32::from_le_bytes(bytes)))
        }
        DataType::Int32 => {
            push_each(json, output, |json, bytes| push_integer(json, i32::from_le_bytes(bytes)))
        }
        DataType::Uint64 => {
            push_each(json, output, |json, bytes| push_integer(json, u64::from_le_bytes(bytes)))
        }
        DataType::Int64 => {
            push_each(json, output, |json, bytes| push_integer(json, i64::from_le_bytes(bytes)))
        }
        DataType::Fp32 => {
            push_each(json, output, |json, bytes| push_float(json, f32::from_le_bytes(bytes)))
        }
        DataType::Fp64 => {
            push_each(json, output, |json, bytes| push_float(json, f64::from_le_bytes(bytes)))
        }
        DataType::Bytes => push_strings(json, output, elements)?,
        DataType::Fp16 | DataType::Bf16 => {
            return Err(Error::invalid(format!(
                "sending {} data via JSON is not supported. Please use the binary data format for output",
                output.datatype
            )));
        }
    }
    json.push(b']');
    Ok(())
}

fn push_each<const N: usize>(
    json: &mut Vec<u8>,
    output: &Tensor,
    push: impl Fn(&mut Vec<u8>, [u8; N]),
) {
    let (elements, _rest) = output.data.as_chunks::<N>();
    for (i, &element) in elements.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        push(json, element);
    }
}

fn push_strings(json: &mut Vec<u8>, output: &Tensor, expected: Option<usize>) -> Result<(), Error> {
    let mut count = 0;
    for element in BytesElements::new(&output.data) {
        let element = element.map_err(|_cut| size_mismatch(output))?;
        let text = std::str::from_utf8(element).map_err(|error| {
            Error::invalid(format!(
                "element {count} of output '{}' is not valid UTF-8 at byte {} and cannot be sent as JSON. Please use the binary data format for output",
                output.name,
                error.valid_up_to()
            ))
        })?;
        if count > 0 {
            json.push(b',');
        }
        push_string(json, text);
        count += 1;
    }
    if expected == Some(count) { Ok(()) } else { Err(size_mismatch(output)) }
}

fn size_mismatch(output: &Tensor) -> Error {
    Error::internal(format!(
        "Failed to write 'data' field: output tensor shape does not match size of output for '{}'",
        output.name
    ))
}

/// Room that most responses fit in.
fn estimate(response: &InferResponse) -> usize {
    const FRAME: usize = 160;
    const OUTPUT: usize = 96;
    // Four bytes of data print as five characters or so; growing doubles from there.
    response
        .outputs
        .iter()
        .fold(FRAME + response.id.len(), |sum, output| sum + OUTPUT + output.data.len() * 5 / 4)
}

#[cfg(test)]
mod tests;
