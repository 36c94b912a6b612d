//! [`InferResponse`] to `ModelInferResponse`; tensors always leave as `raw_output_contents`.

use super::request::{Asked, Labels};
use crate::{options::MAX_MESSAGE_BYTES, shared_memory::copying};
use hippocamp_core::classify;
use hippocamp_proto::inference::{
    InferParameter, ModelInferResponse, infer_parameter::ParameterChoice,
    model_infer_response::InferOutputTensor,
};
use hippocamp_types::{Error, InferResponse, Parameter, Tensor};

/// The message that tells of `response`, as the client `asked` for it.
/// Outputs that go into shared memory are written there.
///
/// # Errors
/// If an output cannot be classified or written, or the message would be larger than messages may be.
pub(crate) fn infer_response(
    response: InferResponse,
    asked: &Asked,
) -> Result<ModelInferResponse, Error> {
    let mut message = ModelInferResponse {
        model_name: response.model_name.as_ref().to_owned(),
        model_version: response.model_version.to_string(),
        id: response.id,
        parameters: response
            .parameters
            .into_iter()
            .map(|(name, value)| (name, parameter(value)))
            .collect(),
        outputs: Vec::with_capacity(response.outputs.len()),
        raw_output_contents: Vec::with_capacity(response.outputs.len()),
    };
    for output in response.outputs {
        let mut output = asked.classify(output)?;
        let bytes = output.data.len() as u64;
        if copying(bytes, || asked.shared.write(&output.name, &output.data))? {
            output.data.clear();
        }
        message.outputs.push(InferOutputTensor {
            name: output.name,
            datatype: output.datatype.name().to_owned(),
            shape: output.shape.dims().to_vec(),
            ..InferOutputTensor::default()
        });
        message.raw_output_contents.push(output.data);
    }
    let byte_size: usize = message.raw_output_contents.iter().map(bytes::Bytes::len).sum();
    if byte_size > MAX_MESSAGE_BYTES {
        return Err(Error::invalid(format!(
            "Response has byte size {byte_size} which exceeds gRPC's byte size limit {MAX_MESSAGE_BYTES}."
        )));
    }
    Ok(message)
}

/// A parameter that holds `value`.
pub(crate) fn bool_parameter(value: bool) -> InferParameter {
    InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(value)) }
}

fn parameter(value: Parameter) -> InferParameter {
    InferParameter {
        parameter_choice: Some(match value {
            Parameter::Bool(value) => ParameterChoice::BoolParam(value),
            Parameter::Int(value) => ParameterChoice::Int64Param(value),
            Parameter::Uint(value) => ParameterChoice::Uint64Param(value),
            Parameter::Double(value) => ParameterChoice::DoubleParam(value),
            Parameter::String(value) => ParameterChoice::StringParam(value),
        }),
    }
}

impl Asked {
    /// The classes of `output` if the client wants them, else the output.
    fn classify(&self, output: Tensor) -> Result<Tensor, Error> {
        let Some(Labels { labels, batched }) = &self.labels else { return Ok(output) };
        let Some((_, count)) = self.classes.iter().find(|(name, _)| *name == output.name) else {
            return Ok(output);
        };
        let labels = labels.get(&output.name).map_or(&[][..], Vec::as_slice);
        classify(&output, *count, labels, *batched)
    }
}
