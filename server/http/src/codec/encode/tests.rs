use super::*;
use crate::codec::{Target, decode_request};
use hippocamp_shm::SharedTensor;
use hippocamp_types::{ErrorCode, Parameter, Shape, push_bytes_element};
use proptest::prelude::*;

fn tensor(name: &str, datatype: DataType, dims: &[i64], data: impl Into<Bytes>) -> Tensor {
    Tensor { name: name.into(), datatype, shape: Shape::new(dims), data: data.into() }
}

fn response(outputs: Vec<Tensor>) -> InferResponse {
    InferResponse {
        model_name: "simple".into(),
        model_version: 1,
        id: String::new(),
        parameters: Vec::new(),
        outputs,
    }
}

fn encode(response: &InferResponse, plan: &OutputPlan) -> Result<EncodedResponse, Error> {
    encode_response(response, plan, Classes { labels: &HashMap::new(), batched: true })
}

fn strings(elements: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    elements.iter().for_each(|element| push_bytes_element(&mut data, element));
    data
}

#[test]
fn json_and_binary_outputs_stand_side_by_side() {
    let int32: Vec<u8> = [1i32, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
    let response = InferResponse {
        id: "a\"1".into(),
        parameters: vec![("p".into(), Parameter::Double(0.5)), ("q".into(), Parameter::Bool(true))],
        ..response(vec![
            tensor("A", DataType::Int32, &[1, 2], int32.clone()),
            tensor("B", DataType::Int32, &[1, 2], int32.clone()),
            tensor("C", DataType::Fp16, &[0], Bytes::new()),
        ])
    };
    let requested = |name: &str, binary| RequestedOutput {
        name: name.into(),
        binary,
        classes: 0,
        shared: None,
    };
    let plan = OutputPlan { requested: vec![requested("A", Some(false))], binary_default: true };
    let encoded = encode(&response, &plan).unwrap();
    assert_eq!(
        std::str::from_utf8(&encoded.header).unwrap(),
        r#"{"id":"a\"1","model_name":"simple","model_version":"1","parameters":{"p":0.5,"q":true},"outputs":[{"name":"A","datatype":"INT32","shape":[1,2],"data":[1,-2]},{"name":"B","datatype":"INT32","shape":[1,2],"parameters":{"binary_data_size":8}},{"name":"C","datatype":"FP16","shape":[0],"parameters":{"binary_data_size":0}}]}"#
    );
    assert_eq!(encoded.tail, [int32]);
    assert_eq!(encoded.tail[0].as_ptr(), response.outputs[1].data.as_ptr());
}

#[test]
fn of_what_goes_into_shared_memory_the_shape_is_told() {
    let shared = SharedTensor { region: "r".to_owned(), offset: 0, byte_size: 8 };
    let requested =
        RequestedOutput { name: "A".into(), binary: None, classes: 0, shared: Some(shared) };
    let plan = OutputPlan { requested: vec![requested], binary_default: true };
    let response = response(vec![tensor("A", DataType::Fp32, &[2], vec![0; 8])]);
    let encoded = encode(&response, &plan).unwrap();
    assert_eq!(
        std::str::from_utf8(&encoded.header).unwrap(),
        r#"{"model_name":"simple","model_version":"1","outputs":[{"name":"A","datatype":"FP32","shape":[2]}]}"#
    );
    assert_eq!(encoded.tail, [""; 0]);
}

#[test]
fn every_datatype_has_its_text() {
    let check = |datatype, data: &[u8], count: i64, expect: &str| {
        let response = response(vec![tensor("A", datatype, &[count], data.to_vec())]);
        let json = encode(&response, &OutputPlan::default()).unwrap().header;
        let json = std::str::from_utf8(&json).unwrap();
        assert!(json.ends_with(&format!("\"data\":{expect}}}]}}")), "{json}");
    };
    check(DataType::Bool, &[0, 1, 2], 3, "[false,true,true]");
    check(DataType::Uint8, &[255], 1, "[255]");
    check(DataType::Int8, &[255], 1, "[-1]");
    check(DataType::Int64, &i64::MIN.to_le_bytes(), 1, "[-9223372036854775808]");
    check(DataType::Uint64, &u64::MAX.to_le_bytes(), 1, "[18446744073709551615]");
    check(DataType::Fp32, &1f32.to_le_bytes(), 1, "[1.0]");
    check(DataType::Fp32, &f32::NAN.to_le_bytes(), 1, "[NaN]");
    check(DataType::Fp64, &f64::NEG_INFINITY.to_le_bytes(), 1, "[-Infinity]");
    check(DataType::Bytes, &strings(&[b"a\n", b"", "é".as_bytes()]), 3, "[\"a\\n\",\"\",\"é\"]");
    check(DataType::Fp32, &[], 0, "[]");
}

#[test]
fn what_json_cannot_carry_is_an_error() {
    let check = |output: Tensor, code: ErrorCode, expect: &str| {
        let error = encode(&response(vec![output]), &OutputPlan::default()).unwrap_err();
        assert_eq!((error.code(), error.message()), (code, expect));
    };
    check(
        tensor("A", DataType::Fp16, &[1], vec![0, 60]),
        ErrorCode::InvalidArgument,
        "sending FP16 data via JSON is not supported. Please use the binary data format for output",
    );
    check(
        tensor("A", DataType::Bytes, &[2], strings(&[b"ok", b"a\xff"])),
        ErrorCode::InvalidArgument,
        "element 1 of output 'A' is not valid UTF-8 at byte 1 and cannot be sent as JSON. Please use the binary data format for output",
    );
    let mismatch =
        "Failed to write 'data' field: output tensor shape does not match size of output for 'A'";
    check(tensor("A", DataType::Int32, &[2], vec![0; 4]), ErrorCode::Internal, mismatch);
    check(tensor("A", DataType::Int32, &[-1], vec![0; 4]), ErrorCode::Internal, mismatch);
    check(
        tensor("A", DataType::Int64, &[i64::MAX, i64::MAX], vec![0; 8]),
        ErrorCode::Internal,
        mismatch,
    );
    check(tensor("A", DataType::Bytes, &[2], strings(&[b"one"])), ErrorCode::Internal, mismatch);
    check(tensor("A", DataType::Bytes, &[1], vec![9, 0, 0, 0, 1]), ErrorCode::Internal, mismatch);
}

fn outputs() -> impl Strategy<Value = Tensor> {
    let datatypes = DataType::ALL
        .into_iter()
        .filter(|datatype| !matches!(datatype, DataType::Fp16 | DataType::Bf16));
    (
        prop::sample::select(datatypes.collect::<Vec<_>>()),
        prop::collection::vec(any::<[u8; 8]>(), 0..9),
        "\\PC*",
    )
        .prop_map(|(datatype, elements, name)| {
            let data = match datatype.byte_size() {
                Some(1) if datatype == DataType::Bool => {
                    elements.iter().map(|bytes| bytes[0] & 1).collect()
                }
                // Payloads of NaN do not survive as text, as they should not.
                Some(4) if datatype == DataType::Fp32 => {
                    let value = |bytes: &[u8; 8]| f32::from_le_bytes(*bytes.first_chunk().unwrap());
                    let value =
                        |bytes| Some(value(bytes)).filter(|value| !value.is_nan()).unwrap_or(0.0);
                    elements.iter().flat_map(|bytes| value(bytes).to_le_bytes()).collect()
                }
                Some(8) if datatype == DataType::Fp64 => {
                    let value = |bytes: &[u8; 8]| {
                        Some(f64::from_le_bytes(*bytes)).filter(|value| !value.is_nan())
                    };
                    elements
                        .iter()
                        .flat_map(|bytes| value(bytes).unwrap_or(0.0).to_le_bytes())
                        .collect()
                }
                Some(size) => elements.iter().flat_map(|bytes| bytes[..size].to_vec()).collect(),
                None => {
                    let texts: Vec<String> = elements
                        .iter()
                        .map(|bytes| bytes.iter().copied().map(char::from).collect())
                        .collect();
                    strings(&texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>())
                }
            };
            tensor(&name, datatype, &[i64::try_from(elements.len()).unwrap()], data)
        })
}

proptest! {
    #[test]
    fn an_encoded_response_decodes_to_the_same_tensors(
        tensors in prop::collection::vec(outputs(), 0..4),
        binary in any::<bool>(),
    ) {
        let response = response(tensors.clone());
        let plan = OutputPlan { requested: Vec::new(), binary_default: binary };
        let encoded = encode(&response, &plan).unwrap();
        // A response is a request but for the name of its tensors' key.
        let header = std::str::from_utf8(&encoded.header).unwrap().replacen("\"outputs\":[", "\"inputs\":[", 1);
        let body = Bytes::from([header.as_bytes(), &encoded.tail.concat()].concat());
        let target = Target { model: "simple", max_input_size: 1 << 20 };
        let decoded = decode_request(&body, Some(header.len()), target).unwrap();
        prop_assert_eq!(decoded.inputs, tensors);
    }
}
