use super::*;
use crate::codec::decode_raw_request;
use bytes::Bytes;
use hippocamp_types::{ErrorCode, Parameter, push_bytes_element};

/// A model that takes `inputs`: name, datatype, dimensions.
fn config(max_batch_size: i32, inputs: &[(&str, &str, &[i64])]) -> ModelConfig {
    let tensors: Vec<_> = inputs
        .iter()
        .map(|(name, datatype, dims)| serde_json::json!({ "name": name, "data_type": datatype, "dims": dims }))
        .collect();
    let text = serde_json::json!({
        "name": "m", "backend": "identity", "max_batch_size": max_batch_size,
        "version_policy": { "latest": { "num_versions": 1 } }, "input": tensors, "output": tensors,
        "instance_group": [{ "name": "m_0", "count": 1, "kind": "KIND_CPU" }],
    });
    ModelConfig::new(hippocamp_config::from_json(&text.to_string()).unwrap()).unwrap()
}

fn decode(body: &str, config: &ModelConfig) -> Result<DecodedRequest, Error> {
    decode_generate(body.as_bytes(), config, Target { model: "m", max_input_size: 1 << 20 })
}

#[test]
fn keys_are_inputs_or_parameters() {
    let config = config(8, &[("TEXT", "TYPE_STRING", &[1]), ("IDS", "TYPE_INT32", &[-1])]);
    let body =
        r#"{"id":"7","TEXT":"hi","parameters":{"stream":false,"IDS":[1,2,3]},"temperature":0.5}"#;
    let request = decode(body, &config).unwrap();
    assert_eq!(request.id, "7");
    let mut text = Vec::new();
    push_bytes_element(&mut text, b"hi");
    assert_eq!(
        (&request.inputs[0].shape, &request.inputs[0].data[..]),
        (&Shape::new(&[1, 1]), &text[..])
    );
    assert_eq!(
        (&request.inputs[1].shape, request.inputs[1].data.len()),
        (&Shape::new(&[1, 3]), 12)
    );
    assert_eq!(
        request.parameters,
        [
            ("stream".to_owned(), Parameter::Bool(false)),
            ("temperature".to_owned(), Parameter::Double(0.5))
        ]
    );
}

#[test]
fn elements_fill_the_innermost_variable_dimension() {
    let check = |dims: &[i64], count, expect: Option<&[i64]>| {
        assert_eq!(fit(dims, count), expect.map(Shape::new), "{dims:?} {count}");
    };
    check(&[-1, 16], 16, Some(&[1, 16]));
    check(&[-1, 16], 32, Some(&[2, 16]));
    check(&[-1, 16], 17, None);
    check(&[-1, -1], 5, Some(&[1, 5]));
    check(&[-1, -1, 2], 6, Some(&[1, 3, 2]));
    check(&[4], 4, Some(&[4]));
    check(&[4], 8, None);
    check(&[4], 0, None);
    check(&[-1], 0, Some(&[0]));
    check(&[-1, 0], 0, Some(&[0, 0]));
    check(&[0], 1, None);
    check(&[], 1, Some(&[]));
}

#[test]
fn faults_are_named() {
    let config = config(
        0,
        &[("TEXT", "TYPE_STRING", &[1]), ("HALF", "TYPE_FP16", &[1]), ("N", "TYPE_INT8", &[2])],
    );
    let check = |body: &str, expect: &str| {
        let error = decode(body, &config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{body}");
        assert!(error.message().contains(expect), "{body}: {error}");
    };
    check("{", "Missing a name for object member. at 1");
    check("[]", "got an array");
    check("{}x", "must not be followed");
    check(
        r#"{"TEXT":1}"#,
        "Unable to parse JSON bytes array: attempt to access JSON non-string as string, got 1",
    );
    check(r#"{"TEXT":"a","TEXT":"b"}"#, "duplicate key 'TEXT'");
    check(r#"{"x":1,"x":2}"#, "duplicate key 'x'");
    check(r#"{"HALF":1}"#, "receiving FP16 data via JSON is not supported");
    check(
        r#"{"N":[1]}"#,
        "The schema can not convert input 'N' to tensor with proper shape: expected [2], got 1 elements",
    );
    check(r#"{"N":[1,300]}"#, "value 300 at byte 8 is out of range for datatype INT8");
    check(r#"{"N":[1,{}]}"#, "got an object");
    check(r#"{"other":{"a":1}}"#, "parameter 'other' has invalid type");
    check(r#"{"parameters":5}"#, "Expected JSON object for keyword: 'parameters'");
    check(r#"{"id":5}"#, "Unable to parse 'id'");
}

#[test]
fn responses_are_flat_and_ordered() {
    let output = |name: &str, datatype, dims: &[i64], data: &[u8]| Tensor {
        name: name.into(),
        datatype,
        shape: Shape::new(dims),
        data: Bytes::copy_from_slice(data),
    };
    let response = InferResponse {
        model_name: "m".into(),
        model_version: 1,
        id: "7".into(),
        parameters: vec![("n".into(), Parameter::Int(3)), ("id".into(), Parameter::Int(9))],
        outputs: vec![
            output("text", DataType::Bytes, &[1, 1], b"\x02\0\0\0hi"),
            output("OUT", DataType::Uint8, &[1, 2], &[1, 2]),
        ],
    };
    assert_eq!(
        std::str::from_utf8(&encode_generate(&response).unwrap()).unwrap(),
        r#"{"OUT":[1,2],"id":"7","model_name":"m","model_version":"1","n":3,"text":"hi"}"#
    );
}

#[test]
fn raw_requests_are_deduced_from_the_configuration() {
    let raw = |max_batch_size, inputs: &[(&str, &str, &[i64])], body: &'static [u8]| {
        decode_raw_request(&Bytes::from_static(body), &config(max_batch_size, inputs))
            .map(|request| (request.inputs[0].shape.clone(), request.inputs[0].data.to_vec()))
            .map_err(|error| error.message().to_owned())
    };
    assert_eq!(
        raw(8, &[("A", "TYPE_UINT16", &[-1])], b"abcd"),
        Ok((Shape::new(&[1, 2]), b"abcd".to_vec()))
    );
    assert_eq!(
        raw(0, &[("A", "TYPE_UINT8", &[2, -1])], b"abcdef"),
        Ok((Shape::new(&[2, 3]), b"abcdef".to_vec()))
    );
    assert_eq!(
        raw(8, &[("A", "TYPE_UINT8", &[2])], b"ab"),
        Ok((Shape::new(&[1, 2]), b"ab".to_vec()))
    );
    assert_eq!(
        raw(8, &[("A", "TYPE_STRING", &[1])], b"ab"),
        Ok((Shape::new(&[1, 1]), b"\x02\0\0\0ab".to_vec()))
    );
    let unknown = "[request id: <id_unknown>]";
    assert_eq!(
        raw(8, &[("A", "TYPE_UINT8", &[2]), ("B", "TYPE_UINT8", &[2])], b""),
        Err(format!(
            "{unknown} Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'm' model configuration"
        ))
    );
    assert_eq!(
        raw(8, &[("A", "TYPE_UINT8", &[-1, -1])], b""),
        Err(format!(
            "{unknown} The shape of the raw input 'A' can not be deduced because there are more than one variable-sized dimension"
        ))
    );
    assert_eq!(
        raw(8, &[("A", "TYPE_STRING", &[-1])], b""),
        Err(format!(
            "{unknown} For BYTE datatype raw input 'A', the model must have input shape [1]"
        ))
    );
}
