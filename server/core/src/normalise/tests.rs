use super::*;
use hippocamp_proto::inference as proto;
use hippocamp_types::Clock as _;
use hippocamp_types::{MonotonicClock, Reply, Responder, ResponseSink};

struct Nowhere;

impl ResponseSink for Nowhere {
    fn accept(&self, _reply: Reply) {}
}

/// Two INT32[16] inputs and outputs, as the golden `simple`.
fn simple(max_batch_size: i32) -> ModelConfig {
    config(
        max_batch_size,
        &[
            ("INPUT0", proto::DataType::TypeInt32, &[16]),
            ("INPUT1", proto::DataType::TypeInt32, &[16]),
        ],
    )
}

fn config(max_batch_size: i32, inputs: &[(&str, proto::DataType, &[i64])]) -> ModelConfig {
    let raw = proto::ModelConfig {
        name: "simple".to_owned(),
        backend: "tract".to_owned(),
        max_batch_size,
        input: inputs
            .iter()
            .map(|(name, datatype, dims)| proto::ModelInput {
                name: (*name).to_owned(),
                data_type: i32::from(*datatype),
                dims: dims.to_vec(),
                ..Default::default()
            })
            .collect(),
        output: vec![proto::ModelOutput {
            name: "OUTPUT0".to_owned(),
            data_type: i32::from(proto::DataType::TypeInt32),
            dims: vec![16],
            ..Default::default()
        }],
        version_policy: Some(proto::ModelVersionPolicy {
            policy_choice: Some(proto::model_version_policy::PolicyChoice::Latest(
                proto::model_version_policy::Latest { num_versions: 1 },
            )),
        }),
        ..Default::default()
    };
    ModelConfig::new(hippocamp_config::finish(raw, &[])).expect("the test's configuration is valid")
}

fn request(inputs: &[(&str, DataType, &[i64], usize)]) -> InferRequest {
    let mut request = InferRequest::new(MonotonicClock.now(), Responder::new(Nowhere));
    request.inputs = inputs
        .iter()
        .map(|(name, datatype, shape, bytes)| Tensor {
            name: (*name).to_owned(),
            datatype: *datatype,
            shape: Shape::new(shape),
            data: vec![0; *bytes].into(),
        })
        .collect();
    request
}

fn refused(config: &ModelConfig, request: &mut InferRequest) -> String {
    normalise(request, config).expect_err("the request is wrong").message().to_owned()
}

const I: DataType = DataType::Int32;

#[test]
fn a_good_request_is_ordered_and_counted() {
    let mut request = request(&[("INPUT1", I, &[2, 16], 128), ("INPUT0", I, &[2, 16], 128)]);
    request.outputs = vec!["OUTPUT0".to_owned(), "OUTPUT0".to_owned()];
    normalise(&mut request, &simple(8)).unwrap();
    assert_eq!(request.batch_size, 2);
    assert_eq!(request.inputs[0].name, "INPUT0");
    assert_eq!(request.outputs, ["OUTPUT0"]);
}

#[test]
fn wrong_requests_are_refused_in_tritons_words() {
    let good = ("INPUT1", I, [1, 16].as_slice(), 64);
    let check = |inputs: &[(&str, DataType, &[i64], usize)], text: &str| {
        let got = refused(&simple(8), &mut request(inputs));
        assert!(got.starts_with(text), "expected {text}\n     got {got}");
    };
    check(
        &[],
        "[request id: <id_unknown>] expected 2 inputs but got 0 inputs for model 'simple'. Got input(s) [], but missing required input(s) ['INPUT0','INPUT1']. Please provide all required input(s).",
    );
    check(&[("", I, &[1, 16], 64), good], "unexpected inference input '' for model 'simple'");
    check(&[good, good], "input 'INPUT1' already exists in request");
    check(
        &[("INPUT0", DataType::Fp32, &[1, 16], 64), good],
        "[request id: <id_unknown>] inference input 'INPUT0' data-type is 'FP32', but model 'simple' expects 'INT32'",
    );
    check(
        &[("INPUT0", I, &[], 64), good],
        "[request id: <id_unknown>] input 'INPUT0' has no shape but model requires batch dimension for 'simple'",
    );
    check(
        &[("INPUT0", I, &[2, 16], 128), good],
        "[request id: <id_unknown>] input 'INPUT1' batch size does not match other inputs for 'simple'",
    );
    check(
        &[("INPUT0", I, &[9, 16], 64), ("INPUT1", I, &[9, 16], 64)],
        "[request id: <id_unknown>] inference request batch-size must be <= 8 for 'simple'",
    );
    check(
        &[("INPUT0", I, &[0, 16], 0), ("INPUT1", I, &[0, 16], 0)],
        "[request id: <id_unknown>] inference request batch-size must be at least 1",
    );
    check(
        &[("INPUT0", I, &[1, 8], 32), good],
        "[request id: <id_unknown>] unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,8]. NOTE: Setting a non-zero",
    );
    check(
        &[("INPUT0", I, &[1, -16], 64), good],
        "[request id: <id_unknown>] unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,-16].",
    );
    check(
        &[("INPUT0", I, &[1, 16], 60), good],
        "[request id: <id_unknown>] input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 64, got 60",
    );
}

#[test]
fn an_output_the_model_lacks_is_refused() {
    let mut request = request(&[("INPUT0", I, &[1, 16], 64), ("INPUT1", I, &[1, 16], 64)]);
    request.outputs = vec!["NOPE".to_owned()];
    assert_eq!(
        refused(&simple(8), &mut request),
        "unexpected inference output 'NOPE' for model 'simple'"
    );
}

#[test]
fn huge_shapes_do_not_overflow() {
    let config = config(0, &[("X", proto::DataType::TypeInt32, &[-1, -1])]);
    let mut request = request(&[("X", I, &[i64::MAX, i64::MAX], 0)]);
    assert!(refused(&config, &mut request).contains("overflows"));
}

#[test]
fn string_elements_are_counted() {
    let config = config(0, &[("X", proto::DataType::TypeString, &[-1])]);
    let check = |data: &[u8], shape: &[i64], text: &str| {
        let mut request = request(&[("X", DataType::Bytes, shape, 0)]);
        request.inputs[0].data = data.to_vec().into();
        assert_eq!(refused(&config, &mut request), text);
    };
    check(
        b"\x01\0\0\0a",
        &[2],
        "[request id: <id_unknown>] expected 2 string elements for inference input 'X' for model 'simple', got 1",
    );
    check(
        b"\x01\0\0\0a\0\0\0\0",
        &[1],
        "[request id: <id_unknown>] unexpected number of string elements 2 for inference input 'X' for model 'simple', expecting 1",
    );
    check(
        b"\xff\0\0\0hi",
        &[1],
        "incomplete string data for inference input 'X', expecting string of length 255 but only 2 bytes available",
    );
    check(
        b"\xff\0",
        &[1],
        "incomplete string length indicator for inference input 'X', expecting 4 bytes but only 2 bytes available",
    );
}

#[test]
fn reshape_carries_the_variable_dimensions_over() {
    let got = reshape(
        &Shape::new(&[4, 7, 3, 9]),
        &Shape::new(&[-1, 3, -1]),
        &Shape::new(&[1, -1, 3, -1]),
        true,
    );
    assert_eq!(got, Shape::new(&[4, 1, 7, 3, 9]));
}
