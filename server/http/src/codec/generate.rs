//! The generate extension: a flat JSON object whose keys are inputs by name, or parameters; and a
//! flat JSON object back.

use super::{
    DecodedRequest, Target,
    data::{DataError, read_value_or_array},
    decode::{MAX_PARAMETERS, read_parameter},
    encode::push_data,
    json::{JsonError, Kind, Reader},
    push_parameter, push_string,
};
use hippocamp_config::ModelConfig;
use hippocamp_types::{DataType, Error, InferResponse, Shape, Tensor};
use std::fmt::Display;

/// Decodes the body of a generate request for a model of this configuration.
///
/// # Errors
/// INVALID_ARG: the request is at fault.
pub(crate) fn decode_generate(
    body: &[u8],
    config: &ModelConfig,
    target: Target<'_>,
) -> Result<DecodedRequest, Error> {
    let mut request = DecodedRequest::default();
    let mut reader = Reader::new(body).map_err(GenerateError::from)?;
    let mut seen_id = false;
    reader
        .object(|reader, key| -> Result<(), GenerateError> {
            match &*key {
                "id" if !is_input(config, "id") => {
                    if std::mem::replace(&mut seen_id, true) {
                        return Err(GenerateError::duplicate("id"));
                    }
                    request.id = reader.string().map_err(|e| GenerateError::field("id", e))?.into_owned();
                    Ok(())
                }
                "parameters" => {
                    if is_input(config, "parameters") {
                        return Err(GenerateError(Error::invalid(
                            "Keyword 'parameters' for nested schema also given as input tensor name",
                        )));
                    }
                    if reader.kind()? != Kind::Object {
                        return Err(GenerateError(Error::invalid(format!(
                            "Expected JSON object for keyword: 'parameters': {}",
                            reader.wrong("object")
                        ))));
                    }
                    reader.object(|reader, key| member(reader, &key, config, target, &mut request))
                }
                key => member(reader, key, config, target, &mut request),
            }
        })
        .map_err(|GenerateError(error)| error)?;
    reader.end().map_err(GenerateError::from)?;
    Ok(request)
}

/// Encodes one response: its outputs, parameters, model and id, ordered by name. An output of one
/// element is that element, without its array.
///
/// # Errors
/// As [`super::encode_response`].
pub(crate) fn encode_generate(response: &InferResponse) -> Result<Vec<u8>, Error> {
    let mut members: Vec<(&str, Member<'_>)> = Vec::with_capacity(response.outputs.len() + 3);
    if !response.id.is_empty() {
        members.push(("id", Member::Text(&response.id)));
    }
    let version = response.model_version.to_string();
    members.push(("model_name", Member::Text(&response.model_name)));
    members.push(("model_version", Member::Text(&version)));
    members.extend(
        response.parameters.iter().map(|(name, value)| (name.as_str(), Member::Parameter(value))),
    );
    members.extend(
        response.outputs.iter().map(|output| (output.name.as_str(), Member::Output(output))),
    );
    // Stable: of one name, what comes first above wins.
    members.sort_by_key(|(name, _)| *name);
    members.dedup_by_key(|(name, _)| *name);

    let mut json = vec![b'{'];
    for (i, (name, member)) in members.into_iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        push_string(&mut json, name);
        json.push(b':');
        match member {
            Member::Text(text) => push_string(&mut json, text),
            Member::Parameter(value) => push_parameter(&mut json, value),
            Member::Output(output) => {
                let start = json.len();
                push_data(&mut json, output)?;
                if output.shape.element_count() == Ok(1) {
                    json.pop();
                    json.remove(start);
                }
            }
        }
    }
    json.push(b'}');
    Ok(json)
}

enum Member<'a> {
    Text(&'a str),
    Parameter(&'a hippocamp_types::Parameter),
    Output(&'a Tensor),
}

/// An error on its way out of the reader's closures.
struct GenerateError(Error);

impl GenerateError {
    fn field(name: &str, source: impl Display) -> Self {
        Self(Error::invalid(format!("Unable to parse '{name}': {source}")))
    }

    fn duplicate(name: &str) -> Self {
        Self(Error::invalid(format!("duplicate key '{name}': each key may be given once")))
    }
}

impl From<JsonError> for GenerateError {
    fn from(error: JsonError) -> Self {
        Self(Error::invalid(error.to_string()))
    }
}

impl From<GenerateError> for Error {
    fn from(GenerateError(error): GenerateError) -> Self {
        error
    }
}

fn is_input(config: &ModelConfig, name: &str) -> bool {
    config.inputs.iter().any(|input| input.name == name)
}

fn member(
    reader: &mut Reader<'_>,
    key: &str,
    config: &ModelConfig,
    target: Target<'_>,
    request: &mut DecodedRequest,
) -> Result<(), GenerateError> {
    let Some(input) = config.inputs.iter().find(|input| input.name == key) else {
        if request.parameters.iter().any(|(name, _)| name == key) {
            return Err(GenerateError::duplicate(key));
        }
        if request.parameters.len() == MAX_PARAMETERS {
            return Err(GenerateError(Error::invalid(format!(
                "too many parameters: at most {MAX_PARAMETERS} are accepted in one request"
            ))));
        }
        let Some(value) = read_parameter(reader)? else {
            return Err(GenerateError(Error::invalid(format!(
                "parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'."
            ))));
        };
        request.parameters.push((key.to_owned(), value));
        return Ok(());
    };
    if request.inputs.iter().any(|tensor| tensor.name == key) {
        return Err(GenerateError::duplicate(key));
    }
    let mut dims: Vec<i64> = input.dims.dims().to_vec();
    if config.max_batch_size > 0 {
        dims.insert(0, -1);
    }
    let count = count_elements(reader)?;
    let shape = fit(&dims, count).ok_or_else(|| {
        GenerateError(Error::invalid(format!(
            "The schema can not convert input '{key}' to tensor with proper shape: expected {}, got {count} elements",
            Shape::new(&dims)
        )))
    })?;
    let data = read_value_or_array(reader, input.datatype, &shape, target.max_input_size)
        .map_err(|error| data_error(error, key, input.datatype))?;
    request.inputs.push(Tensor { name: key.to_owned(), datatype: input.datatype, shape, data });
    Ok(())
}

fn data_error(source: DataError, key: &str, datatype: DataType) -> GenerateError {
    match source {
        DataError::Json(source @ JsonError::Type { .. }) if datatype == DataType::Bytes => {
            GenerateError(Error::invalid(format!(
                "Unable to parse JSON bytes array: {source}, input '{key}'"
            )))
        }
        DataError::Half(_) => GenerateError(Error::invalid(format!("{source} for input {key}"))),
        DataError::TooLarge { .. } => {
            GenerateError(Error::invalid(format!("JSON input '{key}' {source}")))
        }
        source => GenerateError::field(key, source),
    }
}

/// How many elements the next value has, without moving past it.
fn count_elements(reader: &mut Reader<'_>) -> Result<usize, JsonError> {
    if reader.kind()? != Kind::Array {
        return Ok(1);
    }
    let at = reader.position();
    let mut count = 0;
    reader.reread(at).leaves(|reader| {
        count += 1;
        reader.skip()
    })?;
    Ok(count)
}

/// The shape of `count` elements in `dims`: the innermost variable dimension takes all that the fixed
/// ones leave, further ones are 1. `None` if they do not fit.
fn fit(dims: &[i64], count: usize) -> Option<Shape> {
    let mut rest = count;
    for &dim in dims.iter().filter(|&&dim| dim >= 0) {
        let dim = usize::try_from(dim).ok()?;
        if dim == 0 {
            return (count == 0).then(|| dims.iter().map(|&dim| dim.max(0)).collect());
        }
        if !rest.is_multiple_of(dim) {
            return None;
        }
        rest /= dim;
    }
    let mut shape = dims.to_vec();
    for dim in shape.iter_mut().rev().filter(|dim| **dim < 0) {
        *dim = i64::try_from(std::mem::replace(&mut rest, 1)).ok()?;
    }
    (rest == 1).then(|| Shape::new(&shape))
}

#[cfg(test)]
mod tests;
