use super::*;
use crate::{finish, parse_pbtxt, prepare};
use serde_json::json;
use std::path::Path;

const SIMPLE: &str = r#"
    name: "simple"
    backend: "python"
    default_model_filename: "model.py"
    max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }, { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] }, { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
"#;

fn served(text: &str, name: &str) -> Value {
    let config = parse_pbtxt(text, "config.pbtxt").unwrap();
    let config = finish(prepare(config, name, Path::new("/nonexistent")).unwrap(), &[]);
    serde_json::from_str(&to_json(&config)).unwrap()
}

fn input(name: &str) -> Value {
    json!({"name": name, "data_type": "TYPE_INT32", "format": "FORMAT_NONE", "dims": [16], "is_shape_tensor": false,
           "allow_ragged_batch": false, "optional": false, "is_non_linear_format_io": false})
}

fn output(name: &str) -> Value {
    json!({"name": name, "data_type": "TYPE_INT32", "dims": [16], "label_filename": "", "is_shape_tensor": false,
           "is_non_linear_format_io": false})
}

/// What tritonserver 2.51 answers for these configurations; compared as text, so the order counts.
#[test]
fn reads_as_triton_writes_it() {
    let group = |name: &str| {
        json!([{"name": name, "kind": "KIND_CPU", "count": 1, "gpus": [], "secondary_devices": [], "profile": [],
                "passive": false, "host_policy": ""}])
    };
    let optimization = json!({"priority": "PRIORITY_DEFAULT", "input_pinned_memory": {"enable": true},
        "output_pinned_memory": {"enable": true}, "gather_kernel_buffer_threshold": 0, "eager_batching": false});
    let simple = json!({"name": "simple", "platform": "", "backend": "python", "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}}, "max_batch_size": 8,
        "input": [input("INPUT0"), input("INPUT1")], "output": [output("OUTPUT0"), output("OUTPUT1")],
        "batch_input": [], "batch_output": [], "optimization": optimization, "instance_group": group("simple_0"),
        "default_model_filename": "model.py", "cc_model_filenames": {}, "metric_tags": {}, "parameters": {},
        "model_warmup": []});
    let text = format!("{SIMPLE} instance_group [ {{ count: 1 kind: KIND_CPU }} ]");
    assert_eq!(served(&text, "simple").to_string(), simple.to_string());

    let mut overridden = simple.clone();
    overridden["instance_group"] = group("simple");
    assert_eq!(served(SIMPLE, "simple").to_string(), overridden.to_string());

    let batching = served(&format!("{SIMPLE} dynamic_batching {{ }}"), "simple");
    let expect = json!({"preferred_batch_size": [8], "max_queue_delay_microseconds": 0, "preserve_ordering": false,
        "priority_levels": 0, "default_priority_level": 0, "priority_queue_policy": {}});
    assert_eq!(batching["dynamic_batching"].to_string(), expect.to_string());
    let keys: Vec<&str> = batching.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[10..13], ["optimization", "dynamic_batching", "instance_group"]);
}

#[test]
fn ensembles_read_as_triton_writes_them() {
    let text = r#"
        name: "ensemble_simple" platform: "ensemble" max_batch_size: 8
        input { name: "INPUT0" data_type: TYPE_INT32 dims: 16 }
        output { name: "OUTPUT0" data_type: TYPE_INT32 dims: 16 }
        ensemble_scheduling { step { model_name: "simple" model_version: -1
            input_map { key: "INPUT1" value: "INPUT0" } input_map { key: "INPUT0" value: "INPUT0" }
            output_map { key: "OUTPUT0" value: "OUTPUT0" } } }
    "#;
    let expect = json!({"name": "ensemble_simple", "platform": "ensemble", "backend": "", "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}}, "max_batch_size": 8, "input": [input("INPUT0")],
        "output": [output("OUTPUT0")], "batch_input": [], "batch_output": [],
        "ensemble_scheduling": {"step": [{"model_name": "simple", "model_version": -1,
            "input_map": {"INPUT0": "INPUT0", "INPUT1": "INPUT0"}, "output_map": {"OUTPUT0": "OUTPUT0"},
            "model_namespace": ""}]},
        "instance_group": [], "default_model_filename": "", "cc_model_filenames": {}, "metric_tags": {},
        "parameters": {}, "model_warmup": [], "model_transaction_policy": {"decoupled": false}});
    assert_eq!(served(text, "ensemble_simple").to_string(), expect.to_string());
}

/// One of everything that has a form of its own.
const EVERYTHING: &str = r#"
    name: "m" version_policy { specific { versions: [ 1, 9007199254740993 ] } }
    input { name: "I" data_type: TYPE_STRING format: FORMAT_NCHW dims: [ 1, 2, -1 ] reshape { shape: [ ] } }
    batch_input { kind: BATCH_ITEM_SHAPE target_name: "T" data_type: TYPE_FP32 source_input: "I" }
    optimization { graph { level: -1 } cuda { graph_spec { input { key: "I" value { dim: [ 3 ] } } } }
        execution_accelerators { cpu_execution_accelerator { name: "openvino" parameters { key: "a" value: "b" } } } }
    sequence_batching { direct { minimum_slot_utilization: 0.1 }
        state { initial_state { data_type: TYPE_BF16 dims: 5 zero_data: false } } }
    instance_group { rate_limiter { resources { name: "R" global: true count: 2 } } secondary_devices { device_id: 7 } }
    parameters { key: "b" value { string_value: "2" } } parameters { key: "a" value {} }
    model_warmup { name: "w" inputs { key: "I" value { dims: 4 random_data: true } } }
    model_metrics { metric_control { histogram_options { buckets: [ 0.1, 5 ] } } }
"#;

#[test]
fn every_form_of_value() {
    let config = parse_pbtxt(EVERYTHING, "config.pbtxt").unwrap();
    let value: Value = serde_json::from_str(&to_json(&config)).unwrap();
    let check = |pointer: &str, expect: Value| {
        assert_eq!(value.pointer(pointer), Some(&expect), "{pointer}")
    };
    check("/version_policy", json!({"specific": {"versions": [1, 9_007_199_254_740_993_i64]}}));
    check("/input/0/reshape", json!({"shape": []}));
    check("/input/0/format", json!("FORMAT_NCHW"));
    check("/batch_input/0/kind", json!("BATCH_ITEM_SHAPE"));
    check("/optimization/graph", json!({"level": -1}));
    check("/optimization/cuda/graph_spec/0/input/I/dim", json!([3]));
    check(
        "/optimization/execution_accelerators/cpu_execution_accelerator/0/parameters",
        json!({"a": "b"}),
    );
    check("/sequence_batching/direct/minimum_slot_utilization", json!(0.1));
    // Members of a oneof are written when set, even to false, and only then.
    check(
        "/sequence_batching/state/0/initial_state/0",
        json!({"data_type": "TYPE_BF16", "dims": [5], "zero_data": false, "name": ""}),
    );
    check(
        "/instance_group/0/rate_limiter/resources/0",
        json!({"name": "R", "global": true, "count": 2}),
    );
    check("/instance_group/0/secondary_devices/0", json!({"kind": "KIND_NVDLA", "device_id": 7}));
    check("/parameters", json!({"a": {"string_value": ""}, "b": {"string_value": "2"}}));
    check(
        "/model_warmup/0/inputs/I",
        json!({"data_type": "TYPE_INVALID", "dims": [4], "random_data": true}),
    );
    check("/model_metrics/metric_control/0/histogram_options/buckets", json!([0.1, 5.0]));
    assert_eq!(from_json(&to_json(&config)).unwrap(), config);
}

#[test]
fn fields_younger_than_the_recorded_answers_appear_when_set() {
    let with = parse_pbtxt("ensemble_scheduling { max_inflight_requests: 3 }", "f").unwrap();
    assert!(
        to_json(&with).contains(r#""ensemble_scheduling":{"step":[],"max_inflight_requests":3}"#)
    );
    let unnamed = parse_pbtxt("input { data_type: 99 }", "f").unwrap();
    assert!(to_json(&unnamed).contains(r#""data_type":99"#));
}

#[test]
fn both_spellings_and_both_forms_of_integers() {
    let expect = parse_pbtxt(
        "max_batch_size: 4 input { name: 'I' data_type: TYPE_INT32 dims: [ -1, 16 ] }",
        "f",
    )
    .unwrap();
    for text in [
        r#"{"max_batch_size": 4, "input": [{"name": "I", "data_type": "TYPE_INT32", "dims": [-1, 16]}]}"#,
        r#"{"maxBatchSize": "4", "input": [{"name": "I", "dataType": "type_int32", "dims": ["-1", "16"]}]}"#,
        r#"{"maxBatchSize": 4.0, "input": [{"name": "I", "dataType": 8, "dims": [-1, 16]}], "output": null}"#,
    ] {
        assert_eq!(from_json(text).unwrap(), expect, "{text}");
    }
    assert_eq!(from_json("{}").unwrap(), proto::ModelConfig::default());
    let overridden = from_json(
        r#"{"dynamic_batching": {"priority_queue_policy": {"1": {"max_queue_size": 2}}}}"#,
    )
    .unwrap();
    let expect =
        "dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 2 } } }";
    assert_eq!(overridden, parse_pbtxt(expect, "f").unwrap());
}

#[test]
fn errors_name_the_field() {
    let check = |text: &str, expect: &str| {
        let error = from_json(text).expect_err(text).to_string();
        assert_eq!(error, expect, "{text}");
    };
    check(
        r#"{"max_batchsize": 4}"#,
        "max_batchsize: unknown field: ModelConfig has no field 'max_batchsize', did you mean 'max_batch_size'?",
    );
    check(
        r#"{"input": [{"name": "a"}, {"dimz": [1]}]}"#,
        "input[1].dimz: unknown field: ModelInput has no field 'dimz', did you mean 'dims'?",
    );
    check(
        r#"{"parameters": {"k": {"value": "v"}}}"#,
        "parameters: unrecognized field name 'value'",
    );
    check(
        r#"{"input": [{"data_type": "FP32"}]}"#,
        "input[0].data_type: unrecognized enum value 'FP32'",
    );
    check(
        r#"{"input": [{"dims": "16"}]}"#,
        "input[0].dims: invalid type: string \"16\", expected a list",
    );
    check(r#"{"input": {"name": "a"}}"#, "input: expected an array, but found an object");
    check(r#"{"input": ["a"]}"#, "input[0]: expected an object, but found a string");
    check(r#"{"name": 4}"#, "name: invalid type: integer `4`, expected a string");
    check(r#"{"max_batch_size": 4.5}"#, "max_batch_size: expected integer value");
    check(
        r#"{"max_batch_size": 4, "maxBatchSize": 4}"#,
        "maxBatchSize: 'max_batch_size' is already set, at most one of them may be",
    );
    check(
        r#"{"dynamic_batching": {}, "sequence_batching": {}}"#,
        "sequence_batching: 'dynamic_batching' is already set, at most one of them may be",
    );
    check("[]", "expected an object, but found an array");
    check("{", "EOF while parsing an object at line 1 column 1");
    check(&"[".repeat(1000), "recursion limit exceeded at line 1 column 128");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(MAX_CONFIG_BYTES));
    check(&large, "the configuration has 1048588 bytes, expected at most 1048576");
}
