use super::*;
use hippocamp_types::{DataType, Parameter, Shape};
use proptest::prelude::*;

const TARGET: Target<'static> = Target { model: "simple", max_input_size: 1 << 20 };

fn decode(json: &str) -> Result<DecodedRequest, Error> {
    decode_request(&Bytes::copy_from_slice(json.as_bytes()), None, TARGET)
}

/// Decodes `json` with `tail` behind it.
fn decode_binary(json: &str, tail: &[u8]) -> Result<DecodedRequest, Error> {
    let body = Bytes::from([json.as_bytes(), tail].concat());
    decode_request(&body, Some(json.len()), TARGET)
}

fn int32(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn json_tensors_are_read_in_any_order_of_keys() {
    for json in [
        r#"{"inputs":[{"name":"A","shape":[1,2],"datatype":"INT32","data":[1,-2]}]}"#,
        r#"{"inputs":[{"data":[[1],[-2]],"datatype":"INT32","shape":[1,2],"name":"A"}]}"#,
        r#" { "foo" : {"a":[1,{}]} , "inputs" : [ { "data" : [ 1 , [ -2 ] ] , "name" : "A" , "x":null,
            "datatype" : "INT32" , "parameters" : {"y":[]} , "shape" : [ 1 , 2 ] } ] } "#,
        r#"{"inputs":[{"n\u0061me":"\u0041","shape":[1,2],"datatype":"INT32","data":[1,-2]}],"outputs":[]}"#,
    ] {
        let request = decode(json).unwrap();
        let expect = Tensor {
            name: "A".into(),
            datatype: DataType::Int32,
            shape: Shape::new(&[1, 2]),
            data: int32(&[1, -2]).into(),
        };
        assert_eq!(
            request,
            DecodedRequest { inputs: vec![expect], ..DecodedRequest::default() },
            "{json}"
        );
    }
}

#[test]
fn binary_tensors_are_slices_of_the_body() {
    let json = r#"{"inputs":[{"name":"A","shape":[2],"datatype":"INT32","parameters":{"binary_data_size":8}},{"name":"J","shape":[1],"datatype":"UINT8","data":[7]},{"name":"B","shape":[0],"datatype":"FP16","parameters":{"binary_data_size":0}},{"name":"C","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}]}"#;
    let body = Bytes::from([json.as_bytes(), &int32(&[1, 2]), &[1, 0, 1]].concat());
    let request = decode_request(&body, Some(json.len()), TARGET).unwrap();
    let data: Vec<&[u8]> = request.inputs.iter().map(|input| &input.data[..]).collect();
    assert_eq!(data, [&int32(&[1, 2])[..], &[7], &[], &[1, 0, 1]]);
    assert_eq!(request.inputs[0].data.as_ptr(), body[json.len()..].as_ptr());
    assert_eq!(request.inputs[3].data.as_ptr(), body[json.len() + 8..].as_ptr());
}

#[test]
fn parameters_and_outputs_have_their_meaning() {
    let request = decode(
        r#"{"id":"é\n1","inputs":[],"parameters":{"sequence_id":5,"sequence_start":true,"priority":3,"timeout":1500,
            "binary_data_output":true,"my":1,"s":"x","b":true,"f":1.5,"u":18446744073709551615},
            "outputs":[{"name":"A"},{"name":"B","parameters":{"binary_data":false,"classification":3}}]}"#,
    )
    .unwrap();
    assert_eq!(request.id, "é\n1");
    assert_eq!(request.correlation_id, CorrelationId::Number(5));
    assert_eq!(request.sequence, SequenceFlags { start: true, end: false });
    assert_eq!((request.priority, request.timeout), (3, Some(Duration::from_micros(1500))));
    assert_eq!(
        request.parameters,
        [
            ("my".to_owned(), Parameter::Int(1)),
            ("s".to_owned(), Parameter::String("x".into())),
            ("b".to_owned(), Parameter::Bool(true)),
            ("f".to_owned(), Parameter::Double(1.5)),
            ("u".to_owned(), Parameter::Uint(u64::MAX)),
        ]
    );
    let output = |name: &str, binary, classes| RequestedOutput {
        name: name.into(),
        binary,
        classes,
        shared: None,
    };
    assert_eq!(request.plan.requested, [output("A", None, 0), output("B", Some(false), 3)]);
    assert!(request.plan.binary_default);

    let sequence = |id: &str| {
        decode(&format!(r#"{{"inputs":[],"parameters":{{"sequence_id":{id}}}}}"#))
            .unwrap()
            .correlation_id
    };
    assert_eq!(sequence("0"), CorrelationId::None);
    assert_eq!(sequence("\"\""), CorrelationId::None);
    assert_eq!(sequence("\"s\""), CorrelationId::String("s".into()));
}

#[test]
fn shared_memory_is_told_and_left_alone() {
    let request = decode(
        r#"{"inputs":[
            {"name":"A","shape":[1],"datatype":"INT8","data":[1]},
            {"name":"B","shape":[2],"datatype":"INT8","parameters":
                {"shared_memory_region":"r","shared_memory_offset":8,"shared_memory_byte_size":2}}],
            "outputs":[{"name":"O","parameters":{"shared_memory_region":"s","binary_data":false}}]}"#,
    )
    .unwrap();
    let shared = |region: &str, offset, byte_size| SharedTensor {
        region: region.to_owned(),
        offset,
        byte_size,
    };
    assert_eq!(request.shared, [(1, shared("r", 8, 2))]);
    assert_eq!(request.inputs[1].data, "");
    assert_eq!(request.plan.requested[0].shared, Some(shared("s", 0, 0)));
}

#[test]
fn faults_are_named() {
    let input = |members: &str| format!(r#"{{"inputs":[{{{members}}}]}}"#);
    let good = r#""name":"A","shape":[1],"datatype":"INT32""#;
    let only_one = "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But";
    let invalid = |json: &str, expect: &str| {
        let error = decode(json).unwrap_err();
        assert_eq!(error.code().http_status(), 400, "{json}: {error}");
        assert!(error.message().contains(expect), "{json}: {error}");
    };
    invalid("hello", "failed to parse the request JSON buffer: Invalid value. at 0");
    invalid("[]", "attempt to access JSON non-object as object, got an array at byte 0");
    invalid(
        "{}",
        "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'",
    );
    invalid(r#"{"inputs":[]}xx"#, "The document root must not be followed by other values. at 13");
    invalid(
        r#"{"inputs":{}}"#,
        "Unable to parse 'inputs': attempt to access JSON non-array as array, got an object",
    );
    invalid(
        r#"{"inputs":[1,2]}"#,
        "Unable to parse 'inputs': attempt to access JSON non-object as object, got 1 at byte 11",
    );
    invalid(r#"{"inputs":[],"inputs":[]}"#, "duplicate key 'inputs'");
    invalid(
        r#"{"inputs":[],"id":5}"#,
        "Unable to parse 'id': attempt to access JSON non-string as string, got 5",
    );
    invalid(
        r#"{"inputs":[],"outputs":{"name":"A"}}"#,
        "Unable to parse 'outputs': attempt to access JSON non-array",
    );
    invalid(
        r#"{"inputs":[],"outputs":[{}]}"#,
        "Unable to parse 'name': attempt to access non-existing object member",
    );
    invalid(r#"{"inputs":[],"outputs":["A"]}"#, "Unable to parse 'outputs'");
    invalid(
        r#"{"inputs":[],"outputs":[{"name":"A","parameters":{"classification":"x"}}]}"#,
        "'classification': attempt to access JSON non-unsigned-integer as unsigned-integer, got \"x\"",
    );
    invalid(
        r#"{"inputs":[],"parameters":{"a":{"b":1}}}"#,
        "parameter 'a' has invalid type. It should be either 'int', 'bool', or 'string'.",
    );
    invalid(r#"{"inputs":[],"parameters":{"a":null}}"#, "parameter 'a' has invalid type");
    invalid(r#"{"inputs":[],"parameters":{"a":1,"a":2}}"#, "duplicate key 'a'");
    invalid(
        r#"{"inputs":[],"parameters":{"triton_x":1}}"#,
        "parameter keys starting with 'triton_' are reserved",
    );
    invalid(r#"{"inputs":[],"parameters":{"priority":-1}}"#, "Unable to parse 'priority'");
    invalid(r#"{"inputs":[],"parameters":{"sequence_id":1.5}}"#, "Unable to parse 'sequence_id'");
    invalid(r#"{"inputs":[],"parameters":[]}"#, "Unable to parse 'parameters'");
    invalid(&input(good), &format!("{only_one} no field is set"));
    invalid(
        &input(&format!(r#"{good},"data":[1],"parameters":{{"binary_data_size":4}}"#)),
        &format!("{only_one} set 'data' 'binary_data_size'"),
    );
    invalid(
        &input(&format!(r#"{good},"data":[1],"parameters":{{"shared_memory_region":"r"}}"#)),
        &format!("{only_one} set 'data' 'shared_memory_region'"),
    );
    invalid(
        &input(&format!(
            r#"{good},"parameters":{{"shared_memory_region":"r","shared_memory_offset":-1}}"#
        )),
        "Unable to parse 'shared_memory_offset'",
    );
    invalid(
        r#"{"inputs":[],"outputs":[{"name":"A","parameters":{"shared_memory_region":"r","classification":1}}]}"#,
        "Output can't set both 'shared_memory_region' and 'classification'",
    );
    invalid(
        r#"{"inputs":[],"outputs":[{"name":"A","parameters":{"shared_memory_region":"r","binary_data":true}}]}"#,
        "Output can't set both 'shared_memory_region' and 'binary_data'",
    );
    invalid(
        &input(r#""shape":[1],"datatype":"INT32","data":[1]"#),
        "Unable to parse 'name': attempt to access non-existing",
    );
    invalid(
        &input(r#""name":5,"shape":[1],"datatype":"INT32","data":[1]"#),
        "Unable to parse 'name': attempt to access JSON non-string",
    );
    invalid(
        &input(r#""name":"A","shape":[1],"data":[1]"#),
        "Unable to parse 'datatype': attempt to access non-existing",
    );
    invalid(
        &input(r#""name":"A","datatype":"INT32","data":[1]"#),
        "Unable to parse 'shape': attempt to access non-existing",
    );
    invalid(
        &input(r#""name":"A","shape":[1],"datatype":"INT33","data":[1]"#),
        "invalid datatype for input A",
    );
    invalid(
        &input(r#""name":"A","shape":[1],"datatype":"int32","data":[1]"#),
        "invalid datatype for input A",
    );
    invalid(
        &input(r#""name":"A","shape":[-1],"datatype":"INT32","data":[1]"#),
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer, got -1 at byte",
    );
    invalid(
        &input(r#""name":"A","shape":[1.0],"datatype":"INT32","data":[1]"#),
        "'shape': attempt to access JSON non-unsigned-integer as unsigned-integer, got 1.0",
    );
    invalid(
        &input(r#""name":"A","shape":[18446744073709551615],"datatype":"INT32","data":[1]"#),
        "Unable to parse 'shape'",
    );
    invalid(
        &input(r#""name":"A","shape":[4611686018427387904,16],"datatype":"INT32","data":[1]"#),
        "invalid shape for input 'A': shape [4611686018427387904,16] causes total element count to exceed maximum size",
    );
    invalid(
        &input(r#""name":"A","shape":[1073741824],"datatype":"INT32","data":[1]"#),
        "JSON input 'A' has a byte_size (4294967296 bytes) that exceeds the maximum",
    );
    invalid(
        &input(r#""name":"A","shape":[1],"datatype":"FP16","data":[1]"#),
        "receiving FP16 data via JSON is not supported. Please use the binary data format for input A",
    );
    invalid(
        &input(&format!(r#"{good},"data":[1,2]"#)),
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
    );
    invalid(
        &input(&format!(r#"{good},"data":5"#)),
        "Unable to parse 'data': attempt to access JSON non-array as array",
    );
    invalid(&input(&format!(r#"{good},"data":[1],"data":[1]"#)), "duplicate key 'data'");
    invalid(
        &input(r#""name":"A","shape":[1],"datatype":"BYTES","data":[5]"#),
        "Unable to parse JSON bytes array: attempt to access JSON non-string as string, got 5",
    );
    invalid(
        &input(&format!(r#"{good},"data":[1099511627776]"#)),
        "value 1099511627776 at byte 62 is out of range for datatype INT32",
    );
}

#[test]
fn the_binary_tail_has_to_fit() {
    let header = |size: &str| {
        format!(
            r#"{{"inputs":[{{"name":"A","shape":[1,16],"datatype":"INT32","parameters":{{"binary_data_size":{size}}}}}]}}"#
        )
    };
    let check = |size: &str, tail: usize, expect: &str| {
        let error = decode_binary(&header(size), &vec![0; tail]).unwrap_err();
        assert_eq!(error.message(), expect);
    };
    check(
        "64",
        60,
        "unexpected size for input 'A', expecting 4 additional bytes for model 'simple'",
    );
    check(
        "4611686018427387904",
        64,
        "unexpected size for input 'A', expecting 4611686018427387840 additional bytes for model 'simple'",
    );
    check("64", 69, "unexpected additional input data for model 'simple'");
    assert!(
        decode_binary(&header("-1"), &[0; 64])
            .unwrap_err()
            .message()
            .starts_with("Unable to parse 'binary_data_size': ")
    );
    assert!(
        decode_binary(&header("\"64\""), &[0; 64]).unwrap_err().message().contains("got \"64\"")
    );
    // A size that does not fit the shape is for the core to see: it knows the model.
    assert!(decode_binary(&header("60"), &[0; 60]).is_ok());

    let body = Bytes::from([header("4").as_bytes(), &[0xff; 4]].concat());
    let error = decode_request(&body, None, TARGET).unwrap_err();
    assert!(error.message().contains("Inference-Header-Content-Length"), "{error}");
}

/// Number of generated inputs, for a long run: `HIPPOCAMP_FUZZ_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("HIPPOCAMP_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(512);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text made of pieces of requests: gets further than any random bytes.
fn request_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u12",
            "\\ud83d",
            " ",
            "\n",
            "-",
            "0",
            "1",
            "1.5",
            "1e9",
            "NaN",
            "Infinity",
            "true",
            "false",
            "null",
            "\"inputs\":",
            "\"outputs\":",
            "\"parameters\":",
            "\"name\":",
            "\"A\"",
            "\"datatype\":",
            "\"INT32\"",
            "\"FP32\"",
            "\"BYTES\"",
            "\"shape\":",
            "\"data\":",
            "\"id\":",
            "\"binary_data_size\":",
            "\"classification\":",
            "\"shared_memory_region\":",
            "{\"inputs\":[{\"name\":\"A\",\"shape\":[1],\"datatype\":\"INT8\",",
            "{\"inputs\":[{\"name\":\"A\",\"shape\":[4],\"datatype\":\"BYTES\",\"data\":[",
            "18446744073709551616",
            "9223372036854775807",
            "[[[[",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Those that JSON can carry and serde prints exactly.
fn datatypes() -> impl Strategy<Value = DataType> {
    let exact = |datatype: &DataType| {
        use DataType::{Bf16, Fp16, Fp32, Fp64};
        !matches!(datatype, Fp16 | Bf16 | Fp32 | Fp64)
    };
    prop::sample::select(DataType::ALL.into_iter().filter(exact).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn arbitrary_bodies_never_panic(body in request_like(), header in prop::option::of(0usize..400)) {
        let body = Bytes::from(body);
        if let Ok(request) = decode_request(&body, header, TARGET) {
            for input in &request.inputs {
                prop_assert!(input.data.len() <= TARGET.max_input_size.max(body.len()));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), header in 0usize..220) {
        drop(decode_request(&Bytes::from(body), Some(header), TARGET));
    }

    #[test]
    fn arbitrary_binary_tails_never_panic(
        sizes in prop::collection::vec(prop_oneof![0u64..100, any::<u64>()], 0..5),
        tail in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let inputs: Vec<String> = sizes
            .iter()
            .map(|size| format!(r#"{{"name":"A","datatype":"BYTES","shape":[1],"parameters":{{"binary_data_size":{size}}}}}"#))
            .collect();
        let json = format!(r#"{{"inputs":[{}]}}"#, inputs.join(","));
        let fits = sizes.iter().try_fold(0u64, |sum, &size| sum.checked_add(size)) == Some(tail.len() as u64);
        prop_assert_eq!(decode_binary(&json, &tail).is_ok(), fits);
    }

    #[test]
    fn what_serde_writes_is_read(datatype in datatypes(), seed in prop::collection::vec(any::<[u8; 8]>(), 0..20)) {
        // Every element as its datatype's bytes, and as serde's JSON.
        let mut data = Vec::new();
        let mut json = Vec::new();
        for bytes in &seed {
            macro_rules! push {
                ($type:ty) => {{
                    let value = <$type>::from_le_bytes(*bytes.first_chunk().unwrap());
                    data.extend_from_slice(&value.to_le_bytes());
                    json.push(serde_json::json!(value));
                }};
            }
            match datatype {
                DataType::Bool => { data.push(bytes[0] & 1); json.push((bytes[0] & 1 == 1).into()); }
                DataType::Uint8 => push!(u8),
                DataType::Uint16 => push!(u16),
                DataType::Uint32 => push!(u32),
                DataType::Uint64 => push!(u64),
                DataType::Int8 => push!(i8),
                DataType::Int16 => push!(i16),
                DataType::Int32 => push!(i32),
                DataType::Int64 => push!(i64),
                DataType::Bytes => {
                    let text: String = bytes.iter().copied().map(char::from).collect();
                    hippocamp_types::push_bytes_element(&mut data, text.as_bytes());
                    json.push(text.into());
                }
                other => unreachable!("{other} is not generated"),
            }
        }
        let body = serde_json::json!({
            "inputs": [{ "name": "A", "shape": [json.len()], "datatype": datatype.name(), "data": json }],
        });
        let request = decode(&body.to_string()).unwrap();
        prop_assert_eq!(&request.inputs[0].data[..], &data[..]);
    }
}
