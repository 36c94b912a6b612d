//! Inference requests and responses as HTTP bodies: JSON, with binary tensors behind it.

use super::elements;
use crate::{Encoding, Error, InferRequest, InferResult, Parameter, Tensor};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Length of the JSON in a body that has more behind it.
pub(super) const HEADER_LENGTH: &str = "inference-header-content-length";

/// The body of `request`, and the length of its JSON if there is more behind it.
///
/// # Errors
/// If a tensor cannot be sent as JSON that is to be.
pub(super) fn encode(request: &InferRequest) -> Result<(Bytes, Option<usize>), Error> {
    let mut tail = Vec::new();
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        let tensor = &input.tensor;
        let mut object =
            json!({"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype});
        let mut parameters = parameters(&input.parameters);
        match input.encoding {
            Encoding::Binary => {
                parameters.insert("binary_data_size".to_owned(), tensor.data.len().into());
                tail.extend_from_slice(&tensor.data);
            }
            Encoding::Json => object["data"] = elements::to_json(tensor)?.into(),
        }
        with_parameters(&mut object, parameters);
        inputs.push(object);
    }
    let outputs: Vec<Value> = request
        .outputs
        .iter()
        .map(|output| {
            let mut object = json!({"name": output.name});
            let mut parameters = parameters(&output.parameters);
            parameters
                .insert("binary_data".to_owned(), (output.encoding == Encoding::Binary).into());
            with_parameters(&mut object, parameters);
            object
        })
        .collect();
    let mut body = json!({"inputs": inputs});
    if !request.id.is_empty() {
        body["id"] = request.id.as_str().into();
    }
    let mut parameters = parameters(&request.parameters);
    if outputs.is_empty() {
        parameters.insert("binary_data_output".to_owned(), true.into());
    } else {
        body["outputs"] = outputs.into();
    }
    with_parameters(&mut body, parameters);
    let mut body = body.to_string().into_bytes();
    let length = body.len();
    body.append(&mut tail);
    let header = request.inputs.iter().any(|input| input.encoding == Encoding::Binary);
    Ok((body.into(), header.then_some(length)))
}

/// The result in `body`, whose first `json_length` bytes are JSON (all of them if `None`).
///
/// # Errors
/// If the body is not what the protocol asks for.
pub(super) fn decode(body: &Bytes, json_length: Option<usize>) -> Result<InferResult, Error> {
    let json_length = json_length.unwrap_or(body.len());
    if json_length > body.len() {
        return Err(Error::Decode(format!(
            "{HEADER_LENGTH} is {json_length}, but the body has {} bytes",
            body.len()
        )));
    }
    let json: Value = serde_json::from_slice(&body[..json_length]).map_err(Error::decode)?;
    let mut tail = body.slice(json_length..);
    let outputs = json["outputs"].as_array().map_or(&[][..], Vec::as_slice);
    let outputs =
        outputs.iter().map(|output| decode_output(output, &mut tail)).collect::<Result<_, _>>()?;
    if !tail.is_empty() {
        return Err(Error::Decode(format!("{} bytes are behind the last output", tail.len())));
    }
    Ok(InferResult {
        model_name: text(&json, "model_name"),
        model_version: text(&json, "model_version"),
        id: text(&json, "id"),
        parameters: decode_parameters(&json["parameters"]),
        outputs,
    })
}

fn decode_output(output: &Value, tail: &mut Bytes) -> Result<Tensor, Error> {
    let name = text(output, "name");
    let datatype = text(output, "datatype");
    let shape = serde_json::from_value(output["shape"].clone())
        .map_err(|error| Error::Decode(format!("the shape of '{name}': {error}")))?;
    let data = match output["parameters"]["binary_data_size"].as_u64() {
        Some(size) => {
            let size = usize::try_from(size).ok().filter(|&size| size <= tail.len());
            let size = size.ok_or_else(|| {
                Error::Decode(format!(
                    "'{name}' is longer than the {} bytes that are left",
                    tail.len()
                ))
            })?;
            tail.split_to(size)
        }
        None => elements::from_json(&output["data"], &datatype)
            .map_err(|error| Error::Decode(format!("the data of '{name}': {error}")))?
            .into(),
    };
    Ok(Tensor { name, datatype, shape, data })
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

fn with_parameters(object: &mut Value, parameters: Map<String, Value>) {
    if !parameters.is_empty() {
        object["parameters"] = parameters.into();
    }
}

fn parameters(parameters: &BTreeMap<String, Parameter>) -> Map<String, Value> {
    let value = |parameter: &Parameter| match parameter {
        Parameter::Bool(value) => Value::from(*value),
        Parameter::Int(value) => Value::from(*value),
        Parameter::Uint(value) => Value::from(*value),
        Parameter::Double(value) => Value::from(*value),
        Parameter::String(value) => Value::from(value.as_str()),
    };
    parameters.iter().map(|(name, parameter)| (name.clone(), value(parameter))).collect()
}

/// The parameters that have one of the protocol's types.
fn decode_parameters(parameters: &Value) -> BTreeMap<String, Parameter> {
    let parameter = |value: &Value| match value {
        Value::Bool(value) => Some(Parameter::Bool(*value)),
        Value::Number(number) => number
            .as_i64()
            .map(Parameter::Int)
            .or_else(|| number.as_u64().map(Parameter::Uint))
            .or_else(|| number.as_f64().map(Parameter::Double)),
        Value::String(value) => Some(Parameter::String(value.clone())),
        _ => None,
    };
    let entries = parameters.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), parameter(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InferInput, RequestedOutput};
    use proptest::prelude::*;

    #[test]
    fn requests() {
        let request = InferRequest::new("m")
            .id("x")
            .parameter("priority", 2u64)
            .input(InferInput::new("A", &[2], &[1i32, -1]))
            .input(InferInput::bytes("B", &[1], &["hi"]).json())
            .output(RequestedOutput::new("O").classification(3))
            .output(RequestedOutput::new("P").json());
        let (body, length) = encode(&request).unwrap();
        let (json, tail) = body.split_at(length.unwrap());
        assert_eq!(
            serde_json::from_slice::<Value>(json).unwrap(),
            json!({
                "id": "x",
                "parameters": {"priority": 2},
                "inputs": [
                    {"name": "A", "shape": [2], "datatype": "INT32", "parameters": {"binary_data_size": 8}},
                    {"name": "B", "shape": [1], "datatype": "BYTES", "data": ["hi"]},
                ],
                "outputs": [
                    {"name": "O", "parameters": {"classification": 3, "binary_data": true}},
                    {"name": "P", "parameters": {"binary_data": false}},
                ],
            })
        );
        assert_eq!(tail, [1, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn a_request_without_binary_tensors_is_plain_json() {
        let input = InferInput::new("A", &[2], &[0.5f32, f32::MAX]).json();
        let (body, length) = encode(&InferRequest::new("m").input(input)).unwrap();
        assert_eq!(length, None);
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["parameters"], json!({"binary_data_output": true}));
        let data = elements::from_json(&json["inputs"][0]["data"], "FP32").unwrap();
        assert_eq!(Tensor::raw("A", &[2], "FP32", data).as_f32().unwrap(), [0.5, f32::MAX]);
    }

    #[test]
    fn what_json_cannot_say_is_not_sent() {
        for input in [
            InferInput::new("A", &[1], &[f32::NAN]),
            InferInput::raw("A", &[1], "FP16", vec![0, 0]),
            InferInput::bytes("A", &[1], &[&[255u8][..]]),
        ] {
            let encoded = encode(&InferRequest::new("m").input(input.json()));
            assert!(matches!(encoded, Err(Error::Encode(_))), "{encoded:?}");
        }
    }

    #[test]
    fn responses() {
        let json = json!({
            "model_name": "m", "model_version": "3", "id": "x", "parameters": {"k": true},
            "outputs": [
                {"name": "A", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}},
                {"name": "B", "datatype": "BYTES", "shape": [1, 2], "data": [["a", ""]]},
                {"name": "C", "datatype": "UINT64", "shape": [1], "data": [u64::MAX]},
            ],
        });
        let json = json.to_string();
        let body = Bytes::from([json.as_bytes(), &[1, 0, 0, 0, 2, 0, 0, 0]].concat());
        let result = decode(&body, Some(json.len())).unwrap();
        assert_eq!((result.model_version.as_str(), result.id.as_str()), ("3", "x"));
        assert_eq!(result.parameters["k"], Parameter::Bool(true));
        assert_eq!(result.output("A").unwrap().as_i32().unwrap(), [1, 2]);
        assert_eq!(result.output("B").unwrap().strings().unwrap(), ["a", ""]);
        assert_eq!(result.output("C").unwrap().values::<u64>().unwrap(), [u64::MAX]);
        assert!(result.output("D").is_err());
        assert!(body.as_ptr_range().contains(&result.outputs[0].data.as_ptr()));
    }

    #[test]
    fn responses_that_do_not_hold_together_are_errors() {
        let output = |size: u64| {
            let output = json!({"name": "A", "datatype": "INT32", "shape": [1], "parameters": {"binary_data_size": size}});
            json!({"outputs": [output]}).to_string()
        };
        let check = |json: &str, tail: usize, length: Option<usize>| {
            let body = Bytes::from([json.as_bytes(), &vec![0; tail]].concat());
            let decoded = decode(&body, length);
            assert!(
                matches!(decoded, Err(Error::Decode(_))),
                "{json} and {tail} bytes: {decoded:?}"
            );
        };
        check("no json", 0, None);
        check("{}", 0, Some(usize::MAX));
        check(&output(8), 4, Some(output(8).len()));
        check(&output(u64::MAX), 4, Some(output(u64::MAX).len()));
        check(&output(4), 8, Some(output(4).len()));
        check(
            r#"{"outputs": [{"name": "A", "datatype": "INT32", "shape": [1], "data": ["x"]}]}"#,
            0,
            None,
        );
        check(
            r#"{"outputs": [{"name": "A", "datatype": "INT8", "shape": [1], "data": [128]}]}"#,
            0,
            None,
        );
        check(
            r#"{"outputs": [{"name": "A", "datatype": "INT8", "shape": "1", "data": [1]}]}"#,
            0,
            None,
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_body_panics(body in any::<Vec<u8>>(), length in any::<Option<usize>>()) {
            drop(decode(&body.into(), length));
        }

        #[test]
        fn numbers_survive_json(ints in any::<Vec<i64>>(), floats in any::<Vec<f32>>()) {
            let ints = Tensor::new("T", &[], &ints);
            let json = elements::to_json(&ints).unwrap();
            prop_assert_eq!(elements::from_json(&json.into(), "INT64").unwrap(), ints.data);
            let floats: Vec<_> = floats.into_iter().filter(|value| value.is_finite()).collect();
            let floats = Tensor::new("T", &[], &floats);
            let json = Value::from(elements::to_json(&floats).unwrap());
            let json = serde_json::from_str(&json.to_string()).unwrap();
            prop_assert_eq!(elements::from_json(&json, "FP32").unwrap(), floats.data);
        }
    }
}
