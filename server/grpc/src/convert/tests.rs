use super::*;
use bytes::Bytes;
use hippocamp_config::ModelConfig;
use hippocamp_core::unary_reply;
use hippocamp_proto::inference::{
    self as proto, InferParameter, InferTensorContents, ModelInferRequest,
    infer_parameter::ParameterChoice,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
    model_version_policy::{Latest, PolicyChoice},
};
use hippocamp_shm::Regions;
use hippocamp_types::{
    CorrelationId, DataType, Error, ErrorCode, InferRequest, InferResponse, Parameter, Shape,
    Tensor, Timestamp,
};
use proptest::prelude::*;
use prost::Message as _;
use std::time::Duration;

/// One INT32 input and output.
fn config() -> ModelConfig {
    let raw = proto::ModelConfig {
        name: "m".into(),
        backend: "identity".into(),
        version_policy: Some(proto::ModelVersionPolicy {
            policy_choice: Some(PolicyChoice::Latest(Latest { num_versions: 1 })),
        }),
        input: vec![proto::ModelInput {
            name: "IN".into(),
            data_type: proto::DataType::TypeInt32.into(),
            dims: vec![-1],
            ..Default::default()
        }],
        output: vec![proto::ModelOutput {
            name: "OUT".into(),
            data_type: proto::DataType::TypeInt32.into(),
            dims: vec![-1],
            ..Default::default()
        }],
        instance_group: vec![proto::ModelInstanceGroup {
            name: "m".into(),
            count: 1,
            kind: proto::model_instance_group::Kind::Cpu.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    ModelConfig::new(raw).expect("the test's configuration is valid")
}

fn convert(message: ModelInferRequest) -> Result<(InferRequest, Asked), Error> {
    let (responder, _reply) = unary_reply();
    infer_request(message, &config(), &Regions::new(true), Timestamp::from_nanos(7), responder)
}

fn input(datatype: &str) -> InferInputTensor {
    InferInputTensor {
        name: "IN".into(),
        datatype: datatype.into(),
        shape: vec![2],
        ..Default::default()
    }
}

fn message(inputs: Vec<InferInputTensor>) -> ModelInferRequest {
    ModelInferRequest { model_name: "m".into(), inputs, ..Default::default() }
}

fn parameter(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

#[test]
fn raw_contents_are_moved_not_copied() {
    let raw = Bytes::from(vec![1; 8]);
    let at = raw.as_ptr();
    let message = ModelInferRequest {
        id: "x".into(),
        raw_input_contents: vec![raw, Bytes::from_static(b"superfluous")],
        ..message(vec![input("INT32")])
    };
    let (request, asked) = convert(message).unwrap();
    assert_eq!(request.id, "x");
    assert_eq!(request.received, Timestamp::from_nanos(7));
    let [tensor] = request.inputs.as_slice() else { panic!("{request:?}") };
    assert_eq!(tensor.data.as_ptr(), at);
    assert_eq!((tensor.datatype, &tensor.shape), (DataType::Int32, &Shape::new(&[2])));
    assert!(asked.classes.is_empty() && !asked.empty_final_response);
}

#[test]
fn a_raw_tensor_of_a_decoded_message_is_a_slice_of_it() {
    let message = ModelInferRequest {
        raw_input_contents: vec![Bytes::from(vec![1; 8])],
        ..message(vec![input("INT32")])
    };
    let body = Bytes::from(message.encode_to_vec());
    let (request, _) = convert(ModelInferRequest::decode(body.clone()).unwrap()).unwrap();
    assert!(body.as_ptr_range().contains(&request.inputs[0].data.as_ptr()));
}

#[test]
fn typed_contents_become_little_endian_bytes() {
    let check = |datatype: &str, contents: InferTensorContents, expect: &[u8]| {
        let input = InferInputTensor { contents: Some(contents), ..input(datatype) };
        let (request, _) = convert(message(vec![input])).unwrap();
        assert_eq!(request.inputs[0].data, expect, "{datatype}");
    };
    type C = InferTensorContents;
    check("BOOL", C { bool_contents: vec![true, false], ..C::default() }, &[1, 0]);
    check("INT8", C { int_contents: vec![-1, 127], ..C::default() }, &[255, 127]);
    check("INT16", C { int_contents: vec![-2, 1], ..C::default() }, &[254, 255, 1, 0]);
    check("INT32", C { int_contents: vec![1], ..C::default() }, &1i32.to_le_bytes());
    check("INT64", C { int64_contents: vec![-5], ..C::default() }, &(-5i64).to_le_bytes());
    check("UINT8", C { uint_contents: vec![255], ..C::default() }, &[255]);
    check("UINT16", C { uint_contents: vec![65535], ..C::default() }, &[255, 255]);
    check("UINT32", C { uint_contents: vec![u32::MAX], ..C::default() }, &[255; 4]);
    check("UINT64", C { uint64_contents: vec![u64::MAX], ..C::default() }, &[255; 8]);
    check("FP32", C { fp32_contents: vec![1.5], ..C::default() }, &1.5f32.to_le_bytes());
    check("FP64", C { fp64_contents: vec![-0.5], ..C::default() }, &(-0.5f64).to_le_bytes());
    check(
        "BYTES",
        C { bytes_contents: vec![Bytes::from_static(b"a"), Bytes::new()], ..C::default() },
        &[1, 0, 0, 0, b'a', 0, 0, 0, 0],
    );
    check("FP16", C::default(), &[]);
}

#[test]
fn contents_that_do_not_fit_are_refused() {
    let check = |datatype: &str, contents: InferTensorContents, expect: &str| {
        let input = InferInputTensor { contents: Some(contents), ..input(datatype) };
        let error = convert(message(vec![input])).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::InvalidArgument, expect));
    };
    type C = InferTensorContents;
    check(
        "FP16",
        C { fp32_contents: vec![1.0], ..C::default() },
        "unexpected explicit tensor data for input tensor 'IN' for model 'm' of type 'FP32', expected datatype 'FP16'",
    );
    check(
        "INT33",
        C { int_contents: vec![1], ..C::default() },
        "unexpected explicit tensor data for input tensor 'IN' for model 'm' of type 'INT32', expected datatype '<invalid>'",
    );
    check(
        "INT32",
        C { int_contents: vec![1], fp32_contents: vec![1.0], ..C::default() },
        "unexpected explicit tensor data for input tensor 'IN' for model 'm', binary data was already supplied.",
    );
    check(
        "INT8",
        C { int_contents: vec![1, 128], ..C::default() },
        "unexpected value 128 in explicit tensor data for input tensor 'IN' for model 'm', expected values that datatype 'INT8' can hold",
    );
    check(
        "UINT16",
        C { uint_contents: vec![65536], ..C::default() },
        "unexpected value 65536 in explicit tensor data for input tensor 'IN' for model 'm', expected values that datatype 'UINT16' can hold",
    );
}

#[test]
fn tensors_that_contradict_their_request_are_refused() {
    let check = |message: ModelInferRequest, code, expect: &str| {
        let error = convert(message).unwrap_err();
        assert_eq!((error.code(), error.message()), (code, expect));
    };
    let invalid = ErrorCode::InvalidArgument;
    let raw = || vec![Bytes::from(vec![0; 8])];
    let with_contents =
        || InferInputTensor { contents: Some(InferTensorContents::default()), ..input("INT32") };
    check(
        message(vec![input("INT32")]),
        invalid,
        "unable to find data for input tensor 'IN' for model 'm' in request.",
    );
    check(
        ModelInferRequest { raw_input_contents: raw(), ..message(vec![with_contents()]) },
        invalid,
        "contents field must not be specified when using raw_input_contents for 'IN' for model 'm'",
    );
    check(
        ModelInferRequest { raw_input_contents: raw(), ..message(vec![input("INT33")]) },
        invalid,
        "[request id: <id_unknown>] inference input 'IN' data-type is '<invalid>', but model 'm' expects 'INT32'",
    );
    let unknown = InferInputTensor { name: "NOPE".into(), ..input("") };
    check(
        ModelInferRequest { raw_input_contents: raw(), ..message(vec![unknown]) },
        invalid,
        "unexpected inference input 'NOPE' for model 'm'",
    );
    let region = [
        ("shared_memory_region".to_owned(), parameter(ParameterChoice::StringParam("r".into()))),
        ("shared_memory_byte_size".to_owned(), parameter(ParameterChoice::Int64Param(8))),
    ];
    check(
        message(vec![InferInputTensor { parameters: region.clone().into(), ..input("INT32") }]),
        ErrorCode::NotFound,
        "Unable to find shared memory region: 'r'",
    );
    check(
        message(vec![InferInputTensor { parameters: region.clone().into(), ..with_contents() }]),
        invalid,
        "unexpected 'content' provided when using shared memory for input tensor 'IN' for model 'm'",
    );
    let output = InferRequestedOutputTensor { name: "OUT".into(), parameters: region.into() };
    check(
        ModelInferRequest { outputs: vec![output], ..message(Vec::new()) },
        ErrorCode::NotFound,
        "Unable to find shared memory region: 'r'",
    );
}

#[test]
fn classes_are_asked_for_by_parameter() {
    let check = |choice: ParameterChoice, expect: Result<u32, &str>| {
        let output = InferRequestedOutputTensor {
            name: "OUT".into(),
            parameters: [("classification".to_owned(), parameter(choice))].into(),
        };
        let converted = convert(ModelInferRequest { outputs: vec![output], ..message(Vec::new()) });
        match (converted, expect) {
            (Ok((request, asked)), Ok(count)) => {
                assert_eq!(request.outputs, ["OUT"]);
                assert_eq!(asked.classes, [("OUT".to_owned(), count)]);
            }
            (Err(error), Err(expect)) => assert_eq!(error.message(), expect),
            (converted, expect) => panic!("{converted:?}, expected {expect:?}"),
        }
    };
    check(ParameterChoice::Int64Param(2), Ok(2));
    check(ParameterChoice::Int64Param(i64::MAX), Ok(u32::MAX));
    check(
        ParameterChoice::Int64Param(0),
        Err("invalid value for 'classification' parameter, expected >= 0"),
    );
    check(
        ParameterChoice::StringParam("2".into()),
        Err("invalid value type for 'classification' parameter, expected int64_param"),
    );
}

#[test]
fn parameters_of_the_server_are_taken_and_others_passed_on() {
    use ParameterChoice::{BoolParam, DoubleParam, Int64Param, StringParam, Uint64Param};
    let pairs = [
        ("sequence_id", StringParam("s".into())),
        ("sequence_start", BoolParam(true)),
        ("sequence_end", BoolParam(false)),
        ("priority", Uint64Param(3)),
        ("timeout", Int64Param(1500)),
        ("triton_enable_empty_final_response", BoolParam(true)),
        ("a", DoubleParam(0.5)),
        ("b", Int64Param(-1)),
    ];
    let parameters =
        pairs.into_iter().map(|(name, choice)| (name.to_owned(), parameter(choice))).collect();
    let (request, asked) =
        convert(ModelInferRequest { parameters, ..message(Vec::new()) }).unwrap();
    assert_eq!(request.correlation_id, CorrelationId::String("s".into()));
    assert!(request.sequence.start && !request.sequence.end);
    assert_eq!((request.priority, request.timeout), (3, Some(Duration::from_micros(1500))));
    assert!(asked.empty_final_response);
    let rest = [("a".to_owned(), Parameter::Double(0.5)), ("b".to_owned(), Parameter::Int(-1))];
    assert_eq!(request.parameters, rest);
}

#[test]
fn wrong_parameters_are_refused_in_tritons_words() {
    use ParameterChoice::{BoolParam, Int64Param, StringParam, Uint64Param};
    let check = |name: &str, choice: Option<ParameterChoice>, expect: &str| {
        let parameter = InferParameter { parameter_choice: choice };
        let message = ModelInferRequest {
            parameters: [(name.to_owned(), parameter)].into(),
            ..message(Vec::new())
        };
        assert_eq!(convert(message).unwrap_err().message(), expect);
    };
    let wrong = |name: &str, expected: &str| {
        format!("invalid value type for '{name}' parameter, expected {expected}.")
    };
    check(
        "sequence_id",
        Some(BoolParam(true)),
        &wrong("sequence_id", "int64_param or string_param"),
    );
    check("sequence_start", Some(Int64Param(1)), &wrong("sequence_start", "bool_param"));
    check("sequence_end", None, &wrong("sequence_end", "bool_param"));
    check("priority", Some(Int64Param(-1)), "invalid value for 'priority', expected value >= 0.");
    check(
        "priority",
        Some(StringParam("1".into())),
        &wrong("priority", "int64_param or uint64_param"),
    );
    check("timeout", Some(Uint64Param(1)), &wrong("timeout", "int64_param"));
    check("timeout", Some(Int64Param(-1)), "invalid value for 'timeout', expected value >= 0.");
    check(
        "other",
        Some(Uint64Param(1)),
        &wrong("other", "int64_param, bool_param, or string_param"),
    );
    check("other", None, &wrong("other", "int64_param, bool_param, or string_param"));
    check(
        "triton_other",
        Some(BoolParam(true)),
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
    );
}

#[test]
fn responses_leave_as_raw_contents() {
    let data = Bytes::from(vec![1, 0, 0, 0]);
    let at = data.as_ptr();
    let response = InferResponse {
        model_name: "m".into(),
        model_version: 3,
        id: "x".into(),
        parameters: vec![
            ("k".into(), Parameter::Uint(9)),
            ("s".into(), Parameter::String("v".into())),
        ],
        outputs: vec![Tensor {
            name: "OUT".into(),
            datatype: DataType::Int32,
            shape: Shape::new(&[1]),
            data,
        }],
    };
    let message = infer_response(response, &Asked::default()).unwrap();
    assert_eq!((message.model_name.as_str(), message.model_version.as_str()), ("m", "3"));
    assert_eq!(message.id, "x");
    assert_eq!(message.parameters["k"], parameter(ParameterChoice::Uint64Param(9)));
    let [output] = message.outputs.as_slice() else { panic!("{message:?}") };
    assert_eq!((output.datatype.as_str(), output.shape.as_slice()), ("INT32", &[1][..]));
    assert!(output.contents.is_none());
    assert_eq!(message.raw_output_contents[0].as_ptr(), at);
}

/// Any choice of a parameter.
fn any_parameter() -> impl Strategy<Value = InferParameter> {
    use ParameterChoice::{BoolParam, DoubleParam, Int64Param, StringParam, Uint64Param};
    proptest::option::of(prop_oneof![
        any::<bool>().prop_map(BoolParam),
        any::<i64>().prop_map(Int64Param),
        any::<u64>().prop_map(Uint64Param),
        any::<f64>().prop_map(DoubleParam),
        "[a-z]{0,3}".prop_map(StringParam),
    ])
    .prop_map(|parameter_choice| InferParameter { parameter_choice })
}

fn any_parameters(
    names: &'static str,
) -> impl Strategy<Value = std::collections::BTreeMap<String, InferParameter>> {
    proptest::collection::btree_map(names, any_parameter(), 0..3)
}

fn any_contents() -> impl Strategy<Value = InferTensorContents> {
    let few = 0..2usize;
    (
        proptest::collection::vec(any::<bool>(), few.clone()),
        proptest::collection::vec(any::<i32>(), few.clone()),
        proptest::collection::vec(any::<u32>(), few.clone()),
        proptest::collection::vec(any::<f32>(), few.clone()),
        proptest::collection::vec(any::<Vec<u8>>(), few),
    )
        .prop_map(|(bools, ints, uints, floats, elements)| InferTensorContents {
            bool_contents: bools,
            int_contents: ints,
            uint_contents: uints,
            fp32_contents: floats,
            bytes_contents: elements.into_iter().map(Bytes::from).collect(),
            ..InferTensorContents::default()
        })
}

fn any_input() -> impl Strategy<Value = InferInputTensor> {
    let datatype = "(BOOL|U?INT(8|16|32|64)|FP(16|32|64)|BF16|BYTES|[a-z]{0,4})";
    let parameters = any_parameters("(shared_memory_(region|offset|byte_size)|[a-z]{1,3})");
    (
        "(IN|[A-Z]{0,2})",
        datatype,
        proptest::collection::vec(any::<i64>(), 0..4),
        parameters,
        proptest::option::of(any_contents()),
    )
        .prop_map(|(name, datatype, shape, parameters, contents)| InferInputTensor {
            name,
            datatype,
            shape,
            parameters,
            contents,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_panics(
        inputs in proptest::collection::vec(any_input(), 0..3),
        raw in proptest::collection::vec(any::<Vec<u8>>(), 0..3),
        parameters in any_parameters("(sequence_(id|start|end)|priority|timeout|triton_[a-z]{0,2}|[a-z]{0,3})"),
        output_parameters in any_parameters("(classification|shared_memory_(region|offset|byte_size))"),
    ) {
        let output = InferRequestedOutputTensor { name: "OUT".into(), parameters: output_parameters };
        // Whether it is taken or refused is told by the tables above.
        drop(convert(ModelInferRequest {
            inputs,
            raw_input_contents: raw.into_iter().map(Bytes::from).collect(),
            parameters,
            outputs: vec![output],
            ..message(Vec::new())
        }));
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(message) = ModelInferRequest::decode(Bytes::from(bytes)) {
            drop(convert(message));
        }
    }
}
