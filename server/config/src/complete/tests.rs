use super::*;
use crate::parse_pbtxt;
use std::{fs, path::PathBuf};

fn config(text: &str) -> proto::ModelConfig {
    parse_pbtxt(text, "config.pbtxt").unwrap()
}

/// A model directory with these files in it.
fn model(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let path = directory.path().to_owned();
    (directory, path)
}

#[test]
fn the_backend_is_found() {
    let check = |name: &str, text: &str, files: &[&str], expect: [&str; 3]| {
        let (_directory, path) = model(files);
        let config = prepare(config(text), name, &path).unwrap();
        let found = [&config.platform, &config.backend, &config.default_model_filename];
        assert_eq!(found.map(String::as_str), expect, "{text} {files:?}");
        assert_eq!(
            prepare(config.clone(), name, &path).unwrap(),
            config,
            "preparing twice changes nothing"
        );
        assert_eq!(config.name, name);
    };
    let onnx = ["onnxruntime_onnx", "onnxruntime", "model.onnx"];
    check("m", "", &["1/model.onnx"], onnx);
    check("m", "", &["1/other", "3/model.onnx", "x/model.py"], onnx);
    check("m", "", &["1/model.onnx/model.onnx"], onnx);
    check("m", "platform: 'onnxruntime_onnx'", &[], onnx);
    check("m", "backend: 'onnxruntime'", &[], onnx);
    check("m", "backend: 'onnxruntime'", &["1/model.py"], onnx);
    check("m", "default_model_filename: 'model.onnx'", &[], onnx);
    check(
        "m",
        "backend: 'onnxruntime' default_model_filename: 'a.onnx'",
        &[],
        ["onnxruntime_onnx", "onnxruntime", "a.onnx"],
    );
    check("m", "", &["1/model.py"], ["", "python", "model.py"]);
    check("m", "", &["1/model.plan"], ["tensorrt_plan", "tensorrt", "model.plan"]);
    check("m", "", &["1/model.xml"], ["", "openvino", "model.xml"]);
    check("m", "", &["1/model.pt"], ["pytorch_libtorch", "pytorch", "model.pt"]);
    check("m", "", &["1/model.pt2"], ["torch_aoti", "pytorch", "model.pt2"]);
    check(
        "m",
        "",
        &["1/model.savedmodel/x"],
        ["tensorflow_savedmodel", "tensorflow", "model.savedmodel"],
    );
    check("m", "backend: 'pytorch'", &[], ["pytorch_libtorch", "pytorch", "model.pt"]);
    check("m", "backend: 'pytorch'", &["1/model.pt2"], ["torch_aoti", "pytorch", "model.pt2"]);
    check("m", "platform: 'libtorch'", &[], ["libtorch", "pytorch", "model.pt"]);
    check("m", "backend: 'identity'", &["1/model.onnx"], ["", "identity", ""]);
    check("m", "platform: 'ensemble'", &[], ["ensemble", "", ""]);
    check("m", "ensemble_scheduling {}", &[], ["ensemble", "", ""]);
    check("m.identity", "", &[], ["", "identity", "model.identity"]);
    check("m.identity", "", &["1/model.onnx"], onnx);
    check("m.a.b", "", &[], ["", "a.b", "model.a.b"]);
    // Left for validation to refuse.
    check("m", "platform: 'caffe2_netdef'", &[], ["caffe2_netdef", "", ""]);
    check(
        "m",
        "platform: 'onnxruntime_onnx' backend: 'pytorch'",
        &[],
        ["onnxruntime_onnx", "pytorch", ""],
    );
    check("m", "default_model_filename: 'weights.bin'", &[], ["", "", "weights.bin"]);
}

#[test]
fn what_cannot_be_prepared() {
    let check = |name: &str, text: &str, files: &[&str], expect: &str| {
        let (_directory, path) = model(files);
        assert_eq!(prepare(config(text), name, &path).unwrap_err().to_string(), expect);
    };
    let no_backend = |model| {
        format!(
            "Invalid model name: Could not determine backend for model '{model}' with no backend in model \
             configuration. Expected model name of the form 'model.<backend_name>'."
        )
    };
    check("m", "", &["1/weights.bin", "02/model.onnx", "0/model.onnx"], &no_backend("m"));
    check("m.", "", &[], &no_backend("m."));
    check(
        "m",
        "name: 'other' backend: 'identity'",
        &[],
        "unexpected directory name 'm' for model 'other', directory name must equal model name",
    );
    let missing = Path::new("/nonexistent/m");
    let error = prepare(proto::ModelConfig::default(), "m", missing).unwrap_err();
    assert!(error.to_string().starts_with("failed to read '/nonexistent/m': "), "{error}");
}

#[test]
fn backends_complete_only_what_is_theirs() {
    let given = config(
        "name: 'm' backend: 'b' instance_group { count: 3 } \
         parameters { key: 'a' value { string_value: 'given' } }",
    );
    let found = config(
        "name: 'x' backend: 'c' max_batch_size: 4 input { name: 'I' } output { name: 'O' } \
         dynamic_batching {} model_transaction_policy { decoupled: true } \
         parameters { key: 'a' value { string_value: 'found' } } \
         parameters { key: 'b' value { string_value: 'found' } }",
    );
    let merged = merge_auto_completed(given.clone(), found.clone()).unwrap();
    let expect = proto::ModelConfig {
        name: given.name.clone(),
        backend: given.backend.clone(),
        instance_group: given.instance_group,
        parameters: config(
            "parameters { key: 'a' value { string_value: 'given' } } \
             parameters { key: 'b' value { string_value: 'found' } }",
        )
        .parameters,
        ..found.clone()
    };
    assert_eq!(merged, expect);

    let check = |from: &str, to: &str, expect: &str| {
        let error = merge_auto_completed(config(from), config(to)).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let batching = "dynamic_batching { max_queue_delay_microseconds: 5 }";
    assert_eq!(
        merge_auto_completed(config(batching), config("dynamic_batching {}")).unwrap(),
        config(batching)
    );
    check(
        "dynamic_batching {}",
        "sequence_batching {}",
        "Cannot update scheduling choice from dynamic_batching to sequence_batching when auto-completing.",
    );
    check(
        "dynamic_batching {}",
        "",
        "Cannot update scheduling choice from dynamic_batching to none when auto-completing.",
    );
}

#[test]
fn finishing_fills_in_the_defaults() {
    let preferred = |text: &str| config(text).instance_group;
    let check = |text: &str, groups: &str, expect: &str| {
        let finished = finish(config(text), &preferred(groups));
        assert_eq!(finished, config(expect), "{text} {groups}");
        assert_eq!(
            finish(finished.clone(), &preferred(groups)),
            finished,
            "finishing twice changes nothing"
        );
    };
    let common = "version_policy { latest { num_versions: 1 } } \
                  optimization { input_pinned_memory { enable: true } output_pinned_memory { enable: true } }";
    let cpu = |name: &str, count: i32| {
        format!(
            "{common} name: 'm' instance_group {{ name: '{name}' kind: KIND_CPU count: {count} }}"
        )
    };
    check("name: 'm'", "", &cpu("m", 1));
    check("name: 'm'", "instance_group { kind: KIND_CPU count: 2 }", &cpu("m", 2));
    check("name: 'm'", "instance_group { kind: KIND_GPU count: 2 }", &cpu("m", 1));
    check(
        "name: 'm' instance_group {}",
        "instance_group { kind: KIND_CPU count: 2 }",
        &cpu("m_0", 2),
    );
    check(
        "name: 'm' instance_group { count: 5 }",
        "instance_group { kind: KIND_CPU count: 2 }",
        &cpu("m_0", 5),
    );
    check("name: 'm' instance_group { name: 'g' }", "", &cpu("g", 1));
    check(
        "name: 'm' max_batch_size: 8 dynamic_batching {}",
        "",
        &format!(
            "{} max_batch_size: 8 dynamic_batching {{ preferred_batch_size: 8 }}",
            cpu("m", 1)
        ),
    );
    check(
        "name: 'm' max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 2, 4 ] }",
        "",
        &format!(
            "{} max_batch_size: 8 dynamic_batching {{ preferred_batch_size: [ 2, 4 ] }}",
            cpu("m", 1)
        ),
    );
    check("name: 'm' dynamic_batching {}", "", &format!("{} dynamic_batching {{}}", cpu("m", 1)));
    check(
        "name: 'm' version_policy { all {} } instance_group { kind: KIND_MODEL } \
         optimization { graph { level: 1 } input_pinned_memory { enable: false } }",
        "",
        "name: 'm' version_policy { all {} } instance_group { name: 'm_0' kind: KIND_MODEL count: 1 } \
         optimization { graph { level: 1 } input_pinned_memory { enable: false } output_pinned_memory { enable: true } }",
    );
    check(
        "name: 'e' platform: 'ensemble' ensemble_scheduling {}",
        "instance_group { kind: KIND_CPU count: 2 }",
        "name: 'e' platform: 'ensemble' ensemble_scheduling {} version_policy { latest { num_versions: 1 } } \
         model_transaction_policy {}",
    );
}
