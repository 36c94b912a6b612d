//! `ModelInferRequest` to [`InferRequest`].

use super::{contents, parameters};
use crate::shared_memory::{self, copying};
use bytes::Bytes;
use hippocamp_config::ModelConfig;
use hippocamp_proto::inference::{
    InferParameter, InferTensorContents, ModelInferRequest, infer_parameter::ParameterChoice,
};
use hippocamp_shm::{Regions, SharedOutputs};
use hippocamp_types::{DataType, Error, InferRequest, Responder, Shape, Tensor, Timestamp};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What a client asked of its responses, which the server need not know.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Outputs to be answered as classes, with the number of classes; empty is the rule.
    pub(crate) classes: Vec<(String, u32)>,
    /// What names the classes; set where there are any.
    pub(crate) labels: Option<Labels>,
    /// Outputs that go into shared memory.
    pub(crate) shared: SharedOutputs,
    /// A decoupled request whose end comes without a response is told of it by an empty one.
    pub(crate) empty_final_response: bool,
}

/// What a model names classes by.
#[derive(Debug)]
pub(crate) struct Labels {
    /// Output name -> labels by class index.
    pub(crate) labels: Arc<HashMap<String, Vec<String>>>,
    /// Tensors have a batch dimension.
    pub(crate) batched: bool,
}

/// The request that `message` holds, for the model of `config`. Names, shapes and sizes are checked by
/// `core::normalise`, the same for every protocol.
///
/// # Errors
/// If a tensor has no data or too much, or a parameter is wrong; in Triton's words.
pub(crate) fn infer_request(
    message: ModelInferRequest,
    config: &ModelConfig,
    regions: &Regions,
    received: Timestamp,
    responder: Responder,
) -> Result<(InferRequest, Asked), Error> {
    let mut request = InferRequest::new(received, responder);
    request.id = message.id;
    let empty_final_response = parameters::apply(message.parameters, &mut request)?;

    let mut data = Data {
        raw_given: !message.raw_input_contents.is_empty(),
        raw: message.raw_input_contents.into_iter(),
        regions,
    };
    request.inputs.reserve_exact(message.inputs.len());
    let mut unknown_datatype = None;
    for input in message.inputs {
        let datatype = DataType::from_name(&input.datatype);
        let target = contents::Target { input: &input.name, model: &message.model_name, datatype };
        let bytes = data.of_input(target, &input.parameters, input.contents.as_ref())?;
        match datatype {
            Some(datatype) => request.inputs.push(Tensor {
                name: input.name,
                datatype,
                shape: Shape::from(input.shape.as_slice()),
                data: bytes,
            }),
            None => _ = unknown_datatype.get_or_insert(input.name),
        }
    }

    let (mut classes, mut shared) = (Vec::new(), SharedOutputs::default());
    request.outputs.reserve_exact(message.outputs.len());
    for output in message.outputs {
        let slice = shared_memory::slice(&output.parameters, &output.name)?;
        match (class_count(&output.parameters)?, slice) {
            (None, None) => {}
            (Some(count), None) => classes.push((output.name.clone(), count)),
            (None, Some(slice)) => shared.add(output.name.clone(), regions.slice(&slice)?),
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "output can't set both 'shared_memory_region' and 'classification'",
                ));
            }
        }
        request.outputs.push(output.name);
    }

    if let Some(input) = unknown_datatype {
        return Err(wrong_datatype(&input, config, &request));
    }
    Ok((request, Asked { classes, labels: None, shared, empty_final_response }))
}

/// The raw contents of a request, handed out to the inputs that bring none of their own.
struct Data<'a> {
    raw_given: bool,
    raw: std::vec::IntoIter<Bytes>,
    regions: &'a Regions,
}

impl Data<'_> {
    fn of_input(
        &mut self,
        target: contents::Target<'_>,
        parameters: &BTreeMap<String, InferParameter>,
        contents: Option<&InferTensorContents>,
    ) -> Result<Bytes, Error> {
        let contents::Target { input, model, .. } = target;
        if let Some(slice) = shared_memory::slice(parameters, input)? {
            if contents.is_some() {
                return Err(Error::invalid(format!(
                    "unexpected 'content' provided when using shared memory for input tensor '{input}' for model '{model}'"
                )));
            }
            let slice = self.regions.slice(&slice)?;
            return Ok(copying(slice.byte_size(), || slice.read())?);
        }
        match contents {
            Some(_) if self.raw_given => Err(Error::invalid(format!(
                "contents field must not be specified when using raw_input_contents for '{input}' for model '{model}'"
            ))),
            Some(contents) => contents::to_bytes(contents, target),
            None => self.raw.next().ok_or_else(|| {
                Error::invalid(format!(
                    "unable to find data for input tensor '{input}' for model '{model}' in request."
                ))
            }),
        }
    }
}

/// How many classes the client wants of an output; `None`: it wants the tensor.
fn class_count(parameters: &BTreeMap<String, InferParameter>) -> Result<Option<u32>, Error> {
    match parameters.get("classification").map(|parameter| &parameter.parameter_choice) {
        None => Ok(None),
        Some(Some(ParameterChoice::Int64Param(count))) if *count > 0 => {
            // More classes than there can be are all of them.
            Ok(Some(u32::try_from(*count).unwrap_or(u32::MAX)))
        }
        Some(Some(ParameterChoice::Int64Param(_))) => {
            Err(Error::invalid("invalid value for 'classification' parameter, expected >= 0"))
        }
        Some(_other) => Err(Error::invalid(
            "invalid value type for 'classification' parameter, expected int64_param",
        )),
    }
}

/// The datatype of `input` does not exist: Triton finds out when it compares it with the model's.
fn wrong_datatype(input: &str, config: &ModelConfig, request: &InferRequest) -> Error {
    let name = &config.name;
    Error::invalid(match config.inputs.iter().find(|expected| expected.name == input) {
        Some(expected) => format!(
            "{}inference input '{input}' data-type is '<invalid>', but model '{name}' expects '{}'",
            request.log_id(),
            expected.datatype
        ),
        None => format!("unexpected inference input '{input}' for model '{name}'"),
    })
}
