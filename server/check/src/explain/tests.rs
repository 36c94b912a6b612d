use super::*;
use crate::Strictness;
use hippocamp_config::parse_pbtxt;
use std::{fs, path::Path};

fn options() -> CheckOptions {
    CheckOptions {
        models: Vec::new(),
        config_name: None,
        cores: 8,
        backends: vec!["tract".to_owned(), "identity".to_owned(), "usearch".to_owned()],
        aliases: vec![("onnxruntime".to_owned(), "tract".to_owned())],
        backend_directory: "none".into(),
        namespaces: false,
        external_links: false,
        strictness: Strictness::default(),
    }
}

fn explained(root: &Path, model: &str) -> Explained {
    explain(&[root.to_owned()], model, &options()).unwrap()
}

fn line<'t>(text: &'t str, start: &str) -> &'t str {
    let found = text.lines().find(|line| line.trim_start().starts_with(start));
    found.unwrap_or_else(|| panic!("no line {start} in\n{text}"))
}

#[test]
fn every_line_says_where_it_comes_from() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("m");
    fs::create_dir_all(model.join("1")).unwrap();
    fs::write(
        model.join("config.pbtxt"),
        "backend: \"identity\"\nmax_batch_size: 8\ninput [ {\n  name: \"x\"\n  data_type: TYPE_FP32\n  dims: [ 4, -1 ]\n} ]\n\
         output [ { name: \"y\", data_type: TYPE_FP32,\n dims: [ 4 ] reshape { shape: [ 2, 2 ] } } ]\n\
         instance_group { kind: KIND_AUTO count: 2 }\ndynamic_batching { }\n\
         parameters { key: \"a\\\"b\" value { string_value: \"line\\nbreak\" } }\n",
    )
    .unwrap();
    let found = explained(root.path(), "m");
    let text = found.to_pbtxt();
    for (start, origin) in [
        ("name: \"m\"", "# from the directory's name"),
        ("backend:", "# config.pbtxt:1"),
        ("max_batch_size: 8", "# config.pbtxt:2"),
        ("data_type: TYPE_FP32", "# config.pbtxt:5"),
        ("dims: [ 4, -1 ]", "# config.pbtxt:6"),
        ("shape: [ 2, 2 ]", "# config.pbtxt:9"),
        ("num_versions: 1", "# default"),
        ("count: 2", "# config.pbtxt:10"),
        ("kind: KIND_CPU", "# from the backend"),
        ("preferred_batch_size: [ 8 ]", "# from max_batch_size"),
        ("enable: true", "# default"),
        ("string_value: \"line\\nbreak\"", "# config.pbtxt:12"),
    ] {
        assert!(line(&text, start).ends_with(origin), "{start}: {}", line(&text, start));
    }
    assert_eq!(parse_pbtxt(&text, "explained").unwrap(), found.config, "{text}");
    assert!(!text.contains("would not load"), "{text}");
    let json = found.to_json();
    assert_eq!(json["origins"]["input[0].dims"], "config.pbtxt:6");
    assert_eq!(json["config"]["max_batch_size"], 8);
}

#[test]
fn what_the_model_file_tells_is_told() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model_repository");
    let root = tempfile::tempdir().unwrap();
    let version = root.path().join("iris/1");
    fs::create_dir_all(&version).unwrap();
    fs::copy(source.join("iris/1/model.onnx"), version.join("model.onnx")).unwrap();
    let text = explained(root.path(), "iris").to_pbtxt();
    for (start, origin) in [
        ("backend: \"onnxruntime\"", "# from the model file's name"),
        ("max_batch_size: 4", "# from the model file (auto-completed)"),
        ("dims: [ 4 ]", "# from the model file (auto-completed)"),
    ] {
        assert!(line(&text, start).ends_with(origin), "{start}: {}", line(&text, start));
    }
}

#[test]
fn what_only_a_load_tells_is_said() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("m/1")).unwrap();
    fs::write(root.path().join("m/config.pbtxt"), "backend: \"python\"").unwrap();
    let text = explained(root.path(), "m").to_pbtxt();
    assert!(text.contains("# input: (completed at load by backend 'python')"), "{text}");
    assert!(text.contains("# would not load as it stands: 2 errors (hippocamp check "), "{text}");
    let error = explain(&[root.path().to_owned()], "n", &options()).unwrap_err().to_string();
    assert!(error.contains("there is no model 'n'"), "{error}");
    fs::write(root.path().join("m/config.pbtxt"), "backnd: \"python\"").unwrap();
    let error = explain(&[root.path().to_owned()], "m", &options()).unwrap_err().to_string();
    assert!(error.contains("did you mean 'backend'?"), "{error}");
}
