use super::*;
use crate::{
    InputConfig, InstanceGroup, InstanceKind, QueuePolicy, TimeoutAction, finish, parse_pbtxt,
};
use hippocamp_types::{DataType, Error, ErrorCode, Shape};
use std::time::Duration;

/// A model that is complete but for what a test adds.
fn validate(text: &str) -> Result<ModelConfig, ConfigError> {
    let config =
        parse_pbtxt(text, "config.pbtxt").unwrap_or_else(|error| panic!("{text}: {error}"));
    ModelConfig::new(finish(config, &[]))
}

fn valid(text: &str) -> ModelConfig {
    validate(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str, expect: &str) {
    assert_eq!(validate(text).expect_err(text).to_string(), expect, "{text}");
}

const M: &str = "name: 'm' backend: 'identity' ";

#[test]
fn a_whole_model() {
    let config = valid(
        "name: 'm' platform: 'onnxruntime_onnx' backend: 'onnxruntime' max_batch_size: 8 \
         input { name: 'I' data_type: TYPE_STRING dims: [ -1, 2 ] optional: true } \
         input { name: 'J' data_type: TYPE_BF16 dims: 1 reshape { shape: [] } allow_ragged_batch: true } \
         output { name: 'I' data_type: TYPE_FP16 dims: 4 reshape { shape: [ 2, 2 ] } label_filename: 'labels.txt' } \
         dynamic_batching { preferred_batch_size: [ 8, 2, 8 ] max_queue_delay_microseconds: 100 priority_levels: 2 \
             default_priority_level: 1 default_queue_policy { max_queue_size: 3 } \
             priority_queue_policy { key: 2 value { timeout_action: DELAY default_timeout_microseconds: 5 allow_timeout_override: true } } } \
         instance_group [ { count: 2 }, { name: 'p' kind: KIND_MODEL passive: true } ] \
         model_transaction_policy { decoupled: true }",
    );
    assert_eq!(
        (&*config.name, config.backend.as_str(), config.max_batch_size),
        ("m", "onnxruntime", 8)
    );
    assert!(config.decoupled && config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(
        config.inputs[0],
        InputConfig {
            name: "I".into(),
            datatype: DataType::Bytes,
            dims: Shape::new(&[-1, 2]),
            reshape: None,
            optional: true,
            allow_ragged_batch: false,
        }
    );
    assert_eq!(
        (config.inputs[1].datatype, config.inputs[1].reshape.clone()),
        (DataType::Bf16, Some(Shape::default()))
    );
    assert_eq!(config.outputs[0].label_filename.as_deref(), Some("labels.txt"));
    let Scheduling::DynamicBatching(batching) = &config.scheduling else {
        panic!("{:?}", config.scheduling)
    };
    assert_eq!(batching.preferred_batch_sizes, [2, 8]);
    assert_eq!(batching.max_queue_delay, Duration::from_micros(100));
    assert_eq!(batching.default_queue_policy.max_queue_size, 3);
    assert_eq!(
        batching.priority_queue_policy[&2],
        QueuePolicy {
            timeout_action: TimeoutAction::Delay,
            default_timeout: Duration::from_micros(5),
            allow_timeout_override: true,
            max_queue_size: 0,
        }
    );
    let group = |name: &str, count, kind, passive| InstanceGroup {
        name: name.into(),
        count,
        kind,
        gpus: Vec::new(),
        passive,
        host_policy: String::new(),
    };
    let expect =
        [group("m_0", 2, InstanceKind::Cpu, false), group("p", 1, InstanceKind::Model, true)];
    assert_eq!(config.instance_groups, expect);
}

#[test]
fn every_datatype() {
    for datatype in DataType::ALL {
        let name = if datatype == DataType::Bytes { "STRING" } else { datatype.name() };
        let config = valid(&format!("{M} input {{ name: 'I' data_type: TYPE_{name} dims: 1 }}"));
        assert_eq!(config.inputs[0].datatype, datatype);
    }
}

#[test]
fn identities() {
    let check = |text: &str, expect: &str| refused(text, expect);
    check("backend: 'b'", "model configuration must specify 'name'");
    check("name: 'm'", "unexpected platform type '' for m");
    check("name: 'm' platform: 'caffe2'", "unexpected platform type 'caffe2' for m");
    check(
        "name: 'm' platform: 'ensemble' backend: 'b'",
        "Ensemble model 'm' must have platform type 'ensemble' and empty backend type",
    );
    check(
        "name: 'm' platform: 'tensorrt_plan' backend: 'onnxruntime'",
        "unexpected 'platform' and 'backend' pair, got:tensorrt_plan, onnxruntime",
    );
    check(
        "name: 'm' backend: '../b'",
        "'backend' of model 'm' must be a path inside the backend directory, got '../b'",
    );
    check(
        "name: 'm' backend: 'a/b'",
        "'backend' of model 'm' must be a path inside the backend directory, got 'a/b'",
    );
    check(
        "name: 'm' backend: 'b' runtime: '/x.so'",
        "'runtime' of model 'm' must be a path inside the backend directory, got '/x.so'",
    );
    check(
        "name: 'm' backend: 'b' default_model_filename: 'a/../../m.onnx'",
        "'default_model_filename' of model 'm' must be a path inside the model directory, got 'a/../../m.onnx'",
    );
    check(
        "name: '../m' backend: 'b'",
        "'name' of model '../m' must be a path inside the model repository directory, got '../m'",
    );
    check(&format!("{M} max_batch_size: -1"), "'max_batch_size' must be non-negative value for m");
    check(
        &format!("{M} version_policy {{ latest {{}} }}"),
        "version policy 'latest' for m selects no version: 'num_versions' must be at least 1",
    );
    check(
        &format!("{M} version_policy {{ specific {{ versions: 0 }} }}"),
        "version policy 'specific' for m selects no version: 'versions' must list versions >= 1",
    );
    let unfinished = parse_pbtxt(M, "f").unwrap();
    assert_eq!(
        ModelConfig::new(unfinished).unwrap_err().to_string(),
        "must specify 'version policy' for m"
    );
    for good in [
        "platform: 'libtorch' backend: 'pytorch'",
        "platform: 'onnxruntime_onnx' backend: 'tract'",
        "backend: 'onnxruntime'",
    ] {
        valid(&format!("name: 'm' {good}"));
    }
}

#[test]
fn tensors() {
    let check = |tensor: &str, expect: &str| {
        let expect = expect.replace('@', "model input 'I'");
        refused(&format!("{M} max_batch_size: 1 input {{ {tensor} }}"), &format!("{expect} for m"));
    };
    let i = "name: 'I' data_type: TYPE_FP32 ";
    let with = |rest: &str| format!("{i} {rest}");
    check("dims: 1", "model input must specify 'name'");
    check("name: 'I' dims: 1", "@ must specify 'data_type'");
    check("name: 'I' data_type: 99 dims: 1", "@ has unknown 'data_type' 99");
    check(i, "@ must specify 'dims'");
    let dimension = "dimension must be integer >= 1, or -1 to indicate a variable-size dimension";
    check(&with("dims: [ 1, 0 ]"), &format!("@ {dimension}"));
    check(&with("dims: -2"), &format!("@ {dimension}"));
    check(
        &with("dims: 1 reshape { shape: 0 }"),
        "@ reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension",
    );
    let size = "@ has different size for dims and reshape";
    check(&with("dims: 6 reshape { shape: [ 2, 2 ] }"), size);
    check(&with("dims: 2 reshape {}"), size);
    check(&with("dims: -1 reshape {}"), size);
    check(&with("dims: -1 reshape { shape: 4 }"), size);
    check(&with("dims: [ 2, -1, 6 ] reshape { shape: [ 4, -1, 3 ] }"), size);
    check(
        &with("dims: [ -1, -1, -1 ] reshape { shape: [ -1, -1 ] }"),
        "@ has different number of variable-size dimensions for dims and reshape",
    );
    check(&with("dims: [ 4294967296, 4294967296 ]"), "@ has more elements than can be addressed");
    check(
        &with("dims: 1 is_shape_tensor: true"),
        "@ is a shape tensor: shape tensors are only supported for TensorRT platform",
    );
    check(
        &with("dims: [ 1, 1, 1 ] is_non_linear_format_io: true"),
        "@: Non-linear IO format is only supported for the TensorRT platform",
    );
    check(&with("dims: [ 1, 1 ] format: FORMAT_NHWC"), "model input NHWC/NCHW require 3 dims");
    refused(
        &format!("{M} input {{ {i} dims: 1 format: 7 }}"),
        "field 'input.format' of model 'm' has no value 7",
    );
    refused(
        &format!("{M} input {{ {i} dims: 1 reshape {{}} }}"),
        "model input 'I' cannot have empty reshape for non-batching model as scalar tensors are not supported for m",
    );
    refused(
        &format!("{M} input {{ {i} dims: 1 }} input {{ {i} dims: 1 }}"),
        "model input 'I' is specified more than once for m",
    );
    refused(
        &format!("{M} output {{ {i} dims: 1 }} output {{ {i} dims: 1 }}"),
        "model output 'I' is specified more than once for m",
    );
    refused(
        &format!("{M} output {{ name: 'O' dims: 1 }}"),
        "model output 'O' must specify 'data_type' for m",
    );
    for path in ["/etc/passwd", "a/../../b"] {
        let error = validate(&format!("{M} output {{ {i} dims: 1 label_filename: '{path}' }}"))
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert_eq!(
            error.to_string(),
            format!(
                "label file path '{path}' for output 'I' in model 'm' is outside model directory"
            )
        );
    }
    for good in [
        "dims: [ 2, 4, -1, 6 ] reshape { shape: [ 8, -1, 1, 6 ] }",
        "dims: [ 1, 1 ] reshape {}",
        "dims: [ 3, 2, 2 ] format: FORMAT_NCHW",
    ] {
        valid(&format!("{M} max_batch_size: 1 input {{ {i} {good} }}"));
    }
}

#[test]
fn dynamic_batching() {
    let check = |batching: &str, expect: &str| {
        refused(&format!("{M} max_batch_size: 4 dynamic_batching {{ {batching} }}"), expect);
    };
    check(
        "preferred_batch_size: [ 2, 0 ]",
        "dynamic batching preferred size must be positive for m",
    );
    check("preferred_batch_size: -1", "dynamic batching preferred size must be positive for m");
    check(
        "preferred_batch_size: 5",
        "dynamic batching preferred size must be <= max batch size for m",
    );
    let range = "default priority level must be in range [1, 3] for m";
    check("priority_levels: 3", range);
    check("priority_levels: 3 default_priority_level: 4", range);
    let levels = "priority_levels: 3 default_priority_level: 1 priority_queue_policy";
    let policy = "priority queue policy must have priority level in range [1, 3] for m";
    check(&format!("{levels} {{ key: 0 value {{}} }}"), policy);
    check(&format!("{levels} {{ key: 4 value {{}} }}"), policy);
    check(
        "preserve_ordering: true priority_levels: 2 default_priority_level: 1",
        "Only one priority level is allowed when 'preserve_ordering' is true for m",
    );
    let delay = "{ timeout_action: DELAY default_timeout_microseconds: 1 }";
    let ordered =
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m";
    check(&format!("preserve_ordering: true default_queue_policy {delay}"), ordered);
    check(
        &format!(
            "preserve_ordering: true priority_levels: 1 default_priority_level: 1 priority_queue_policy {{ key: 1 value {delay} }}"
        ),
        ordered,
    );
    check(
        "default_queue_policy { timeout_action: 9 }",
        "field 'timeout_action' of model 'm' has no value 9",
    );
    valid(&format!(
        "{M} dynamic_batching {{ preserve_ordering: true default_queue_policy {{ timeout_action: DELAY }} }}"
    ));
}

#[test]
fn instance_groups() {
    let check =
        |groups: &str, expect: &str| refused(&format!("{M} instance_group {{ {groups} }}"), expect);
    check(
        "kind: KIND_GPU",
        "instance group m_0 of model m has kind KIND_GPU but server does not support GPUs",
    );
    check(
        "gpus: 0",
        "instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs",
    );
    check(
        "kind: KIND_MODEL gpus: 0",
        "instance group m_0 of model m has kind KIND_MODEL but specifies one or more GPUs",
    );
    check("kind: 9", "instance group m_0 of model m has unexpected kind 9");
    check(
        "profile: '1'",
        "instance group m_0 of model m specifies profile field which is only supported for TensorRT models",
    );
    check(
        "name: 'g' count: -1",
        "instance group g of model m specifies count -1, expected at least 1",
    );
    check("count: 1025", "model m asks for 1025 instances, expected at most 1024");
    let groups = "instance_group { count: 2147483647 }".repeat(3);
    refused(
        &format!("{M} {groups}"),
        "model m asks for 6442450941 instances, expected at most 1024",
    );
    let mut config = finish(parse_pbtxt(M, "f").unwrap(), &[]);
    config.instance_group.clear();
    assert_eq!(
        ModelConfig::new(config).unwrap_err().to_string(),
        "must specify one or more 'instance group's for m"
    );
}

#[test]
fn what_is_not_there_yet() {
    let refused = |text: &str, field: &str| {
        let error = Error::from(validate(&format!("{M} {text}")).expect_err(text));
        assert_eq!(error.code(), ErrorCode::Unsupported, "{text}");
        let start = format!("field '{field}' of model 'm' is not supported: ");
        assert!(error.message().starts_with(&start), "{error}");
    };
    refused("sequence_batching {}", "sequence_batching");
    refused("batch_input {}", "batch_input");
    refused("batch_output {}", "batch_output");
    refused("model_repository_agents { agents { name: 'checksum' } }", "model_repository_agents");

    let warned = |text: &str, field: &str| {
        let warnings = valid(&format!("{M} {text}")).warnings;
        let start = format!("field '{field}' of model 'm' has no effect: ");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&start), "{text}: {warnings:?}");
    };
    warned("response_cache { enable: true }", "response_cache");
    warned("cc_model_filenames { key: '7.5' value: 'b' }", "cc_model_filenames");
    warned(
        "model_operations { op_library_filename: 'x.so' }",
        "model_operations.op_library_filename",
    );
    warned(
        "parameters { key: 'TRITON_BATCH_STRATEGY_PATH' }",
        "parameters.TRITON_BATCH_STRATEGY_PATH",
    );
    warned("optimization { priority: PRIORITY_MAX }", "optimization.priority");
    warned("optimization { cuda { graphs: true } }", "optimization.cuda");
    warned("optimization { execution_accelerators {} }", "optimization.execution_accelerators");
    warned(
        "optimization { gather_kernel_buffer_threshold: 1 }",
        "optimization.gather_kernel_buffer_threshold",
    );
    warned("optimization { eager_batching: true }", "optimization.eager_batching");
    warned("instance_group { rate_limiter {} }", "instance_group.rate_limiter");
    warned("instance_group { secondary_devices {} }", "instance_group.secondary_devices");
    warned("instance_group { host_policy: 'h' }", "instance_group.host_policy");
    warned(
        "dynamic_batching { default_priority_level: 1 }",
        "dynamic_batching.default_priority_level",
    );
    warned(
        "dynamic_batching { priority_queue_policy { key: 1 value {} } }",
        "dynamic_batching.priority_queue_policy",
    );
    warned("model_metrics {}", "model_metrics");
    assert!(valid(&format!("{M} response_cache {{}} parameters {{ key: 'a' }} optimization {{ graph {{ level: 1 }} }}")).warnings.is_empty());
}

#[test]
fn metrics_and_cache() {
    refused(
        &format!(
            "{M} response_cache {{ enable: true }} model_transaction_policy {{ decoupled: true }}"
        ),
        "Response Cache does not currently support model m with 'decoupled' transaction policy. Please disable the response cache.",
    );
    let check = |control: &str, expect: &str| {
        refused(&format!("{M} model_metrics {{ metric_control {{ {control} }} }}"), expect)
    };
    check("", "metric control must specify 'metric_identifier'");
    check("metric_identifier {}", "metric identifier must specify non-empty 'family'");
    check("metric_identifier { family: 'f' }", "metric control must specify 'histogram_options'");
    check(
        "metric_identifier { family: 'f' } histogram_options {}",
        "histogram options must specify non-empty 'buckets'",
    );
    valid(&format!(
        "{M} model_metrics {{ metric_control {{ metric_identifier {{ family: 'f' }} histogram_options {{ buckets: 1 }} }} }}"
    ));
}

/// Steps written as `inputs -> outputs`, tensors by single names, such as `a b -> c`.
fn ensemble(inputs: &str, outputs: &str, steps: &[&str]) -> String {
    let mut text = String::from("name: 'e' platform: 'ensemble' ");
    for name in inputs.split_whitespace() {
        text += &format!("input {{ name: '{name}' data_type: TYPE_FP32 dims: 1 }} ");
    }
    for name in outputs.split_whitespace() {
        text += &format!("output {{ name: '{name}' data_type: TYPE_FP32 dims: 1 }} ");
    }
    text += "ensemble_scheduling { ";
    for step in steps {
        let (from, to) = step.split_once("->").unwrap();
        let map = |field: &str, tensors: &str| {
            let entry = |(i, tensor)| format!("{field} {{ key: '{i}' value: '{tensor}' }} ");
            tensors.split_whitespace().enumerate().map(entry).collect::<String>()
        };
        text += &format!(
            "step {{ model_name: 'm' model_version: -1 {} {} }} ",
            map("input_map", from),
            map("output_map", to)
        );
    }
    text + "} "
}

#[test]
fn ensembles() {
    let config = valid(&ensemble("a b", "d", &["a b -> c", "c c b -> d"]));
    let Scheduling::Ensemble(valid_ensemble) = &config.scheduling else {
        panic!("{:?}", config.scheduling)
    };
    assert_eq!(valid_ensemble.steps.len(), 2);
    assert_eq!((&*valid_ensemble.steps[0].model, valid_ensemble.steps[0].version), ("m", None));
    assert_eq!(valid_ensemble.steps[1].input_map["1"], "c");
    assert!(config.instance_groups.is_empty() && config.backend.is_empty());

    let check = |inputs: &str, outputs: &str, steps: &[&str], expect: &str| {
        refused(&ensemble(inputs, outputs, steps), expect)
    };
    check("a", "b", &[], "must specify 'step' for ensemble 'e'");
    check("a", "b", &["-> b"], "must specify 'input_map' in step 0 of ensemble 'e'");
    check("a", "b", &["a ->"], "must specify 'output_map' in step 0 of ensemble 'e'");
    check("a x", "b", &["a -> b"], "ensemble input 'x' for ensemble e' is not used");
    check("a", "x", &["a -> b"], "ensemble output 'x' for ensemble e' is not used");
    check("a", "b", &["a -> b c"], "ensemble tensor 'c' is unused in ensemble 'e'");
    check(
        "a",
        "b",
        &["a -> b", "x -> y", "y -> x"],
        "ensemble tensor 'x' is unused in ensemble 'e'",
    );
    check(
        "a",
        "b",
        &["a -> b", "a -> b"],
        "ensemble tensor 'b' can appear in an output map only once for ensemble 'e' step 1",
    );
    check(
        "a",
        "b",
        &["a -> b", "b -> a"],
        "ensemble input 'a' can not appear in an output map for ensemble 'e' step 1",
    );
    check(
        "a",
        "b",
        &["a x -> b"],
        "output 'b' for ensemble 'e' is not written: at least one of its depending tensors, 'x', is not connected",
    );
    check(
        "a",
        "b",
        &["a c -> b", "d -> c", "c -> d"],
        "output 'b' for ensemble 'e' is not written: at least one of its depending tensors, 'd', is not connected",
    );
    check("a", "b", &["a b -> b"], "output 'b' for ensemble 'e' is not written");

    let good = ensemble("a", "b", &["a -> b"]);
    let with = |rest: &str| format!("{good} {rest}");
    refused(&with("instance_group {}"), "instance group should not be specified for ensemble 'e'");
    refused(&with("optimization {}"), "optimization should not be specified for ensemble 'e'");
    refused(&with("model_warmup {}"), "model_warmup can not be specified for ensemble 'e'");
    refused(
        &good
            .replace("platform: 'ensemble'", "platform: 'onnxruntime_onnx' backend: 'onnxruntime'"),
        "ensemble scheduling cannot be set for model 'e' whose platform is not ensemble",
    );
    refused(
        "name: 'e' platform: 'ensemble'",
        "ensemble scheduling must be set for ensemble e whose platform is ensemble",
    );
    refused(
        &good.replace("model_name: 'm'", ""),
        "must specify 'model_name' in step 0 of ensemble 'e'",
    );
    for version in ["0", "-2"] {
        refused(
            &good.replace("model_version: -1", &format!("model_version: {version}")),
            &format!(
                "'model_version' must be -1 (the latest) or at least 1, got {version} for ensemble 'e' step 0"
            ),
        );
    }
    let namespaced =
        validate(&good.replace("model_name: 'm'", "model_name: 'm' model_namespace: 'n'"))
            .unwrap_err();
    assert_eq!(namespaced.code(), ErrorCode::Unsupported);
}

#[test]
fn ensembles_of_many_steps_are_checked_in_time() {
    let steps: Vec<String> = (0..5000).map(|i| format!("t{i} -> t{}", i + 1)).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    valid(&ensemble("t0", "t5000", &steps));
}
