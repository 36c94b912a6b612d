//! Checks a request against its model's configuration and brings it into the one form that
//! schedulers and backends see. Touches no tensor data, except to count the elements of BYTES.

use hippocamp_config::{InputConfig, ModelConfig};
use hippocamp_types::{BytesElements, DataType, ElementError, Error, InferRequest, Shape, Tensor};

/// What Triton tells those who forget the batch dimension.
const BATCH_NOTE: &str = "NOTE: Setting a non-zero max_batch_size in the model config requires a \
    batch dimension to be prepended to each input shape. If you want to specify the full shape \
    including the batch dim in your input dims config, try setting max_batch_size to zero. See the \
    model configuration docs for more info on max_batch_size.";

/// Checks names, datatypes, shapes and byte sizes; sets the batch size, orders the inputs as the
/// configuration does, applies its reshapes, and removes outputs that are asked for twice.
///
/// # Errors
/// INVALID_ARG in Triton's words.
pub(crate) fn normalise(request: &mut InferRequest, config: &ModelConfig) -> Result<(), Error> {
    outputs(request, config)?;
    inputs(request, config)?;
    request.batch_size = batch_size(request, config)?;
    let fail = |text: String| Error::invalid(format!("{}{text}", request.log_id()));
    let mut reshaped = Vec::new();
    for (index, tensor) in request.inputs.iter().enumerate() {
        let input = config
            .inputs
            .iter()
            .find(|input| input.name == tensor.name)
            .expect("unknown inputs were refused above");
        if tensor.datatype != input.datatype {
            return Err(fail(format!(
                "inference input '{}' data-type is '{}', but model '{}' expects '{}'",
                tensor.name, tensor.datatype, config.name, input.datatype
            )));
        }
        shape(tensor, input, config).map_err(fail)?;
        byte_size(tensor, &config.name).map_err(|error| match error {
            SizeError::Anonymous(text) => Error::invalid(text),
            SizeError::Request(text) => fail(text),
        })?;
        if let Some(to) = &input.reshape {
            reshaped
                .push((index, reshape(&tensor.shape, &input.dims, to, config.max_batch_size > 0)));
        }
    }
    for (index, shape) in reshaped {
        request.inputs[index].shape = shape;
    }
    Ok(())
}

fn outputs(request: &mut InferRequest, config: &ModelConfig) -> Result<(), Error> {
    for name in &request.outputs {
        if !config.outputs.iter().any(|output| output.name == *name) {
            return Err(Error::invalid(format!(
                "unexpected inference output '{name}' for model '{}'",
                config.name
            )));
        }
    }
    if request.outputs.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(request.outputs.len());
        let mut outputs = std::mem::take(&mut request.outputs);
        outputs.retain(|name| seen.insert(name.clone()));
        request.outputs = outputs;
    }
    Ok(())
}

fn inputs(request: &mut InferRequest, config: &ModelConfig) -> Result<(), Error> {
    let position = |name: &str| config.inputs.iter().position(|input| input.name == name);
    let given = request.inputs.len();
    let required = config.inputs.iter().filter(|input| !input.optional).count();
    if given < required || given > config.inputs.len() {
        let quoted = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",")
        };
        let got = quoted(&mut request.inputs.iter().map(|tensor| tensor.name.as_str()));
        let missing = quoted(
            &mut config
                .inputs
                .iter()
                .filter(|input| !input.optional)
                .map(|input| input.name.as_str())
                .filter(|name| !request.inputs.iter().any(|tensor| tensor.name == *name)),
        );
        let expected = if required == config.inputs.len() {
            format!("expected {required} inputs")
        } else {
            format!("expected number of inputs between {required} and {}", config.inputs.len())
        };
        return Err(Error::invalid(format!(
            "{}{expected} but got {given} inputs for model '{}'. Got input(s) [{got}], but missing \
             required input(s) [{missing}]. Please provide all required input(s).",
            request.log_id(),
            config.name
        )));
    }
    for tensor in &request.inputs {
        if position(&tensor.name).is_none() {
            return Err(Error::invalid(format!(
                "unexpected inference input '{}' for model '{}'",
                tensor.name, config.name
            )));
        }
    }
    request.inputs.sort_by_key(|tensor| position(&tensor.name));
    for pair in request.inputs.windows(2) {
        if pair[0].name == pair[1].name {
            return Err(Error::invalid(format!(
                "input '{}' already exists in request",
                pair[0].name
            )));
        }
    }
    for input in config.inputs.iter().filter(|input| !input.optional) {
        if !request.inputs.iter().any(|tensor| tensor.name == input.name) {
            return Err(Error::invalid(format!(
                "{}missing required input '{}' for model '{}'",
                request.log_id(),
                input.name,
                config.name
            )));
        }
    }
    Ok(())
}

fn batch_size(request: &InferRequest, config: &ModelConfig) -> Result<usize, Error> {
    if config.max_batch_size == 0 {
        return Ok(1);
    }
    let fail = |text: String| Error::invalid(format!("{}{text}", request.log_id()));
    let mut batch: Option<i64> = None;
    for tensor in &request.inputs {
        let Some(&rows) = tensor.shape.dims().first() else {
            return Err(fail(format!(
                "input '{}' has no shape but model requires batch dimension for '{}'",
                tensor.name, config.name
            )));
        };
        if *batch.get_or_insert(rows) != rows {
            return Err(fail(format!(
                "input '{}' batch size does not match other inputs for '{}'",
                tensor.name, config.name
            )));
        }
    }
    let rows = batch.unwrap_or(1);
    match usize::try_from(rows) {
        Ok(0) => Err(fail(format!(
            "inference request batch-size must be at least 1 for '{}', got a batch dimension of 0",
            config.name
        ))),
        Ok(rows) if rows <= config.max_batch_size => Ok(rows),
        _ => Err(fail(format!(
            "inference request batch-size must be <= {} for '{}'",
            config.max_batch_size, config.name
        ))),
    }
}

fn shape(tensor: &Tensor, input: &InputConfig, config: &ModelConfig) -> Result<(), String> {
    let batched = usize::from(config.max_batch_size > 0);
    let dims = &tensor.shape.dims()[batched.min(tensor.shape.rank())..];
    if dims.contains(&-1) && dims.len() == input.dims.rank() {
        return Err(format!(
            "All input dimensions should be specified for input '{}' for model '{}', got {}",
            tensor.name, config.name, tensor.shape
        ));
    }
    let fits = dims.len() == input.dims.rank()
        && dims
            .iter()
            .zip(input.dims.dims())
            .all(|(&dim, &wanted)| dim >= 0 && (wanted == -1 || dim == wanted));
    if fits {
        return Ok(());
    }
    let batch = (config.max_batch_size > 0).then_some(-1);
    let expected: Shape = batch.into_iter().chain(input.dims.dims().iter().copied()).collect();
    let note = if config.max_batch_size > 0 { BATCH_NOTE } else { "" };
    Err(format!(
        "unexpected shape for input '{}' for model '{}'. Expected {expected}, got {}. {note}",
        tensor.name, config.name, tensor.shape
    ))
}

/// Triton's texts about the bytes of a string do not name the request.
enum SizeError {
    Anonymous(String),
    Request(String),
}

fn byte_size(tensor: &Tensor, model: &str) -> Result<(), SizeError> {
    let name = &tensor.name;
    let count = tensor.shape.element_count().map_err(|error| {
        SizeError::Request(format!(
            "shape {} of input '{name}' for model '{model}': {error}",
            tensor.shape
        ))
    })?;
    let Some(size) = tensor.datatype.byte_size() else {
        return elements(tensor, count, model);
    };
    let expected = count.checked_mul(size);
    if expected == Some(tensor.data.len()) {
        return Ok(());
    }
    let expected =
        expected.map_or_else(|| "more than can be addressed".to_owned(), |bytes| bytes.to_string());
    Err(SizeError::Request(format!(
        "input byte size mismatch for input '{name}' for model '{model}'. Expected {expected}, got {}",
        tensor.data.len()
    )))
}

fn elements(tensor: &Tensor, expected: usize, model: &str) -> Result<(), SizeError> {
    debug_assert_eq!(tensor.datatype, DataType::Bytes);
    let name = &tensor.name;
    let mut count: usize = 0;
    for element in BytesElements::new(&tensor.data) {
        element.map_err(|error| {
            SizeError::Anonymous(match error {
                ElementError::Data { expected, available } => format!(
                    "incomplete string data for inference input '{name}', expecting string of length \
                     {expected} but only {available} bytes available"
                ),
                ElementError::Length { available } => format!(
                    "incomplete string length indicator for inference input '{name}', expecting 4 \
                     bytes but only {available} bytes available"
                ),
            })
        })?;
        count += 1;
        if count > expected {
            break;
        }
    }
    if count > expected {
        let count = BytesElements::new(&tensor.data).count();
        return Err(SizeError::Request(format!(
            "unexpected number of string elements {count} for inference input '{name}' for model \
             '{model}', expecting {expected}"
        )));
    }
    if count < expected {
        return Err(SizeError::Request(format!(
            "expected {expected} string elements for inference input '{name}' for model '{model}', got {count}"
        )));
    }
    Ok(())
}

/// The shape the backend sees: `to`, whose -1 take the sizes of the -1 in `from`, in order.
pub(crate) fn reshape(shape: &Shape, from: &Shape, to: &Shape, batched: bool) -> Shape {
    let (batch, dims) = shape.dims().split_at(usize::from(batched));
    let mut variable =
        from.dims().iter().zip(dims).filter(|(wanted, _)| **wanted == -1).map(|(_, &dim)| dim);
    let to = to.dims().iter().map(|&dim| match dim {
        -1 => variable.next().expect("the configuration pairs the variable dimensions"),
        dim => dim,
    });
    batch.iter().copied().chain(to).collect()
}

#[cfg(test)]
mod tests;
