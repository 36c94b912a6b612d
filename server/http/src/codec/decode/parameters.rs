//! The parameters of a request: those with a meaning to the server, and those for the backend.

use super::{
    DecodedRequest,
    error::{DecodeError, field},
    set,
};
use crate::codec::json::{JsonError, Kind, Reader};
use hippocamp_types::{CorrelationId, Parameter, SequenceFlags};
use std::time::Duration;

/// Parameters in one request.
pub(in crate::codec) const MAX_PARAMETERS: usize = 256;

/// Reads `parameters` into `request`.
pub(super) fn read_parameters(
    reader: &mut Reader<'_>,
    request: &mut DecodedRequest,
) -> Result<(), DecodeError> {
    if reader.kind()? != Kind::Object {
        return Err(field("parameters")(reader.wrong("object")));
    }
    let (mut sequence_id, mut start, mut end) = (None, None, None);
    let (mut priority, mut timeout, mut binary) = (None, None, None);
    reader.object(|reader, key| match &*key {
        "sequence_id" => {
            let id = match reader.kind()? {
                Kind::String => CorrelationId::String(reader.string()?.into_owned()),
                _ => CorrelationId::Number(reader.unsigned().map_err(field("sequence_id"))?),
            };
            set(&mut sequence_id, &key, id)
        }
        "sequence_start" => {
            set(&mut start, &key, reader.boolean().map_err(field("sequence_start"))?)
        }
        "sequence_end" => set(&mut end, &key, reader.boolean().map_err(field("sequence_end"))?),
        "priority" => set(&mut priority, &key, reader.unsigned().map_err(field("priority"))?),
        "timeout" => set(&mut timeout, &key, reader.unsigned().map_err(field("timeout"))?),
        "binary_data_output" => {
            set(&mut binary, &key, reader.boolean().map_err(field("binary_data_output"))?)
        }
        key if key.starts_with("triton_") => Err(DecodeError::Reserved),
        key => {
            if request.parameters.len() == MAX_PARAMETERS {
                return Err(DecodeError::TooMany { what: "parameters", limit: MAX_PARAMETERS });
            }
            if request.parameters.iter().any(|(name, _)| name == key) {
                return Err(DecodeError::Duplicate(key.to_owned()));
            }
            let value = read_parameter(reader)?
                .ok_or_else(|| DecodeError::ParameterType(key.to_owned()))?;
            request.parameters.push((key.to_owned(), value));
            Ok(())
        }
    })?;
    request.correlation_id = match sequence_id {
        None | Some(CorrelationId::Number(0)) => CorrelationId::None,
        Some(CorrelationId::String(id)) if id.is_empty() => CorrelationId::None,
        Some(id) => id,
    };
    request.sequence = SequenceFlags { start: start.unwrap_or(false), end: end.unwrap_or(false) };
    request.priority = priority.unwrap_or(0);
    request.timeout = timeout.filter(|&timeout| timeout > 0).map(Duration::from_micros);
    request.plan.binary_default = binary.unwrap_or(false);
    Ok(())
}

/// The value of a parameter; `None` if it is null, an array or an object.
pub(in crate::codec) fn read_parameter(
    reader: &mut Reader<'_>,
) -> Result<Option<Parameter>, JsonError> {
    Ok(Some(match reader.kind()? {
        Kind::Bool => Parameter::Bool(reader.boolean()?),
        Kind::String => Parameter::String(reader.string()?.into_owned()),
        Kind::Number => {
            let text = reader.number()?;
            if let Ok(value) = text.parse::<i64>() {
                Parameter::Int(value)
            } else if let Ok(value) = text.parse::<u64>() {
                Parameter::Uint(value)
            } else {
                Parameter::Double(text.parse().unwrap_or(f64::NAN))
            }
        }
        Kind::Null | Kind::Array | Kind::Object => return Ok(None),
    }))
}
