//! Request parameters: those that mean something to the server, and those for the backend.

use hippocamp_proto::inference::{InferParameter, infer_parameter::ParameterChoice};
use hippocamp_types::{CorrelationId, Error, InferRequest, Parameter};
use std::{collections::BTreeMap, time::Duration};

const EMPTY_FINAL_RESPONSE: &str = "triton_enable_empty_final_response";

/// Puts `parameters` into `request`; whether the client wants an empty final response.
///
/// # Errors
/// If a parameter has the wrong type, or its name is reserved; in Triton's words.
pub(super) fn apply(
    parameters: BTreeMap<String, InferParameter>,
    request: &mut InferRequest,
) -> Result<bool, Error> {
    let mut empty_final_response = false;
    for (name, parameter) in parameters {
        let choice = parameter.parameter_choice;
        match name.as_str() {
            "sequence_id" => {
                request.correlation_id = match choice {
                    Some(ParameterChoice::Int64Param(0)) => CorrelationId::None,
                    Some(ParameterChoice::Int64Param(id)) => {
                        CorrelationId::Number(id.cast_unsigned())
                    }
                    Some(ParameterChoice::StringParam(id)) if id.is_empty() => CorrelationId::None,
                    Some(ParameterChoice::StringParam(id)) => CorrelationId::String(id),
                    _ => return Err(wrong_type(&name, "int64_param or string_param")),
                }
            }
            "sequence_start" => request.sequence.start = boolean(&name, choice)?,
            "sequence_end" => request.sequence.end = boolean(&name, choice)?,
            "priority" => {
                request.priority = match choice {
                    Some(ParameterChoice::Int64Param(priority)) => u64::try_from(priority)
                        .map_err(|_negative| {
                            Error::invalid("invalid value for 'priority', expected value >= 0.")
                        })?,
                    Some(ParameterChoice::Uint64Param(priority)) => priority,
                    _ => return Err(wrong_type(&name, "int64_param or uint64_param")),
                }
            }
            "timeout" => {
                let Some(ParameterChoice::Int64Param(timeout_us)) = choice else {
                    return Err(wrong_type(&name, "int64_param"));
                };
                let timeout_us = u64::try_from(timeout_us).map_err(|_negative| {
                    Error::invalid("invalid value for 'timeout', expected value >= 0.")
                })?;
                request.timeout = (timeout_us > 0).then(|| Duration::from_micros(timeout_us));
            }
            EMPTY_FINAL_RESPONSE => empty_final_response = boolean(&name, choice)?,
            reserved if reserved.starts_with("triton_") => {
                return Err(Error::invalid(format!(
                    "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: {EMPTY_FINAL_RESPONSE}"
                )));
            }
            _ => {
                let value = match choice {
                    Some(ParameterChoice::BoolParam(value)) => Parameter::Bool(value),
                    Some(ParameterChoice::Int64Param(value)) => Parameter::Int(value),
                    Some(ParameterChoice::StringParam(value)) => Parameter::String(value),
                    Some(ParameterChoice::DoubleParam(value)) => Parameter::Double(value),
                    // The backend C API has no such parameter.
                    Some(ParameterChoice::Uint64Param(_)) | None => {
                        return Err(wrong_type(&name, "int64_param, bool_param, or string_param"));
                    }
                };
                request.parameters.push((name, value));
            }
        }
    }
    Ok(empty_final_response)
}

fn boolean(name: &str, choice: Option<ParameterChoice>) -> Result<bool, Error> {
    match choice {
        Some(ParameterChoice::BoolParam(value)) => Ok(value),
        _ => Err(wrong_type(name, "bool_param")),
    }
}

fn wrong_type(name: &str, expected: &str) -> Error {
    Error::invalid(format!("invalid value type for '{name}' parameter, expected {expected}."))
}
