//! A raw binary request (`Inference-Header-Content-Length: 0`): the whole body is the one input, and
//! the model's configuration says what it is.

use super::{DecodedRequest, OutputPlan};
use bytes::Bytes;
use hippocamp_config::ModelConfig;
use hippocamp_types::{DataType, Error, Shape, Tensor, push_bytes_element};

/// Deduces the input from the configuration; the outputs are returned in binary.
///
/// # Errors
/// INVALID_ARG if the model has not exactly one input, or its shape cannot be deduced.
pub fn decode_raw_request(body: &Bytes, config: &ModelConfig) -> Result<DecodedRequest, Error> {
    const UNKNOWN_ID: &str = "[request id: <id_unknown>] ";
    let [input] = config.inputs.as_slice() else {
        return Err(Error::invalid(format!(
            "{UNKNOWN_ID}Raw request must only have 1 input (found 1) to be deduced but got {} inputs in '{}' model configuration",
            config.inputs.len(),
            config.name
        )));
    };
    let dims = input.dims.dims();
    let variable = dims.iter().filter(|&&dim| dim < 0).count();
    if variable > 1 {
        return Err(Error::invalid(format!(
            "{UNKNOWN_ID}The shape of the raw input '{}' can not be deduced because there are more than one variable-sized dimension",
            input.name
        )));
    }
    let fixed: Shape = dims.iter().copied().filter(|&dim| dim >= 0).collect();
    let fixed = fixed.element_count().map_err(|error| Error::invalid(error.to_string()))?;
    let (deduced, data) = match input.datatype.byte_size() {
        None if variable == 0 && fixed == 1 => {
            let mut data = Vec::with_capacity(body.len() + 4);
            push_bytes_element(&mut data, body);
            (1, Bytes::from(data))
        }
        None => {
            return Err(Error::invalid(format!(
                "{UNKNOWN_ID}For BYTE datatype raw input '{}', the model must have input shape [1]",
                input.name
            )));
        }
        // What does not divide leaves bytes over, and the size check of the core says so.
        Some(size) => (body.len() / fixed.max(1) / size, body.clone()),
    };
    let deduced = i64::try_from(deduced).expect("a body's length fits an i64");
    let batch = (config.max_batch_size > 0).then_some(1);
    let shape = batch
        .into_iter()
        .chain(dims.iter().map(|&dim| if dim < 0 { deduced } else { dim }))
        .collect();
    let tensor = Tensor { name: input.name.clone(), datatype: input.datatype, shape, data };
    debug_assert!(tensor.datatype != DataType::Bytes || variable == 0, "checked above");
    Ok(DecodedRequest {
        inputs: vec![tensor],
        plan: OutputPlan { requested: Vec::new(), binary_default: true },
        ..DecodedRequest::default()
    })
}
