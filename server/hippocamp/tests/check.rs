//! `hippocamp check` and `hippocamp explain` as they are called: exit codes and formats.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A repository beside nothing: `good`, and `bad`, which misspells a field and warns of another.
fn repository() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let tensors = "input { name: \"x\" data_type: TYPE_FP32 dims: [ 4 ] }\noutput { name: \"x\" data_type: TYPE_FP32 dims: [ 4 ] }\n";
    let write = |model: &str, text: &str| {
        let model = directory.path().join("models").join(model);
        fs::create_dir_all(model.join("1")).unwrap();
        fs::write(model.join("config.pbtxt"), format!("backend: \"identity\"\n{tensors}{text}"))
            .unwrap();
    };
    write("good", "");
    write("warned", "response_cache { enable: true }\n");
    write("bad", "  max_batchsize: 8\n");
    directory
}

fn hippocamp(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hippocamp"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn exit_codes() {
    let directory = repository();
    let check = |arguments: &[&str], expect| {
        let arguments = [&["check"], arguments].concat();
        let output = hippocamp(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(expect), "{arguments:?}: {output:?}");
        output
    };
    check(&["models", "--model", "good"], 0);
    check(&["models", "--model", "warned"], 0);
    check(&["models", "--model", "warned", "--strict"], 1);
    check(&["models", "--model", "good", "--strict"], 0);
    check(&["models"], 1);
    check(&["--list-rules"], 0);
    let output = check(&["nowhere"], 2);
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("cannot read the model repository 'nowhere'")
    );
    let output = check(&["models", "--model", "goood"], 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean 'good'?"));
    let output = check(&["s3://bucket/models"], 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("'s3://bucket/models' is a URL"));
    check(&["--model-namespacing", "models", "--model", "good"], 0);
    check(&["--allow-external-links=false", "models", "--model", "good"], 0);
    check(&[], 2);
    check(&["models", "--cores", "0"], 2);
}

#[test]
fn a_directory_without_models_is_told() {
    let directory = repository();
    fs::create_dir(directory.path().join("empty")).unwrap();
    let check = |repository: &str, rule: &str| {
        let run = |format| {
            hippocamp(directory.path(), &["check", repository, "--strict", "--format", format])
        };
        let json = run("json");
        assert_eq!(json.status.code(), Some(1), "{repository}");
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report["findings"][0]["rule"], rule);
        let log: Value = serde_json::from_slice(&run("sarif").stdout).unwrap();
        assert_eq!(log["runs"][0]["results"][0]["ruleId"], rule);
        assert!(text(&run("text")).contains("0 models checked: 0 errors, 1 warning"));
    };
    check("empty", "no-models");
    check("models/good", "repository-is-model");
}

#[test]
fn text_begins_with_the_place() {
    let directory = repository();
    let shown = text(&hippocamp(directory.path(), &["check", "models"]));
    let place = "models/bad/config.pbtxt:4:3: error[unknown-field]: ";
    assert!(shown.contains(&format!("model bad\n{place}")), "{shown}");
    assert!(shown.ends_with("3 models checked: 1 error, 1 warning, 0 notes\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn json_has_summary_and_findings() {
    let directory = repository();
    let output = hippocamp(directory.path(), &["check", "models", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["errors"], 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["rule"], "unknown-field");
    assert_eq!((&finding["line"], &finding["column"]), (&4.into(), &3.into()));
    assert_eq!(finding["file"], "models/bad/config.pbtxt");
}

#[test]
fn sarif_has_what_code_hosts_ask_for() {
    let directory = repository();
    let models = directory.path().join("models");
    let models = models.to_str().unwrap();
    for repository in ["models", models] {
        let output = hippocamp(directory.path(), &["check", repository, "--format", "sarif"]);
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(log["version"], "2.1.0");
        assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "hippocamp check");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for rule in rules {
            for text in [&rule["shortDescription"], &rule["fullDescription"], &rule["help"]] {
                assert!(text["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
            }
            let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
            assert!(["error", "warning", "note"].contains(&level));
        }
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(result["message"]["text"].is_string() && result["level"].is_string());
            assert!(result["partialFingerprints"].is_object());
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.starts_with("models/") && uri.ends_with("/config.pbtxt"), "{uri}");
            assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        }
    }
}

#[test]
fn the_default_repository_has_no_false_alarm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Files that `make models` makes may not be there.
    let arguments = ["check", "model_repository", "--config-only", "--strict", "--cores", "4"];
    let output = hippocamp(&root, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn a_configuration_is_explained() {
    let directory = repository();
    let arguments = ["explain", "good", "--model-repository", "models"];
    let output = hippocamp(directory.path(), &arguments);
    let shown = text(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(shown.contains("# from the directory's name"), "{shown}");
    assert!(shown.contains("# config.pbtxt:2"), "{shown}");
    let output = hippocamp(directory.path(), &[&arguments[..], &["--format", "json"]].concat());
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["origins"]["input[0].dims"], "config.pbtxt:2");
    assert_eq!(text(&hippocamp(directory.path(), &["explain", "good", "models"])), shown);
    for (arguments, code, says) in [
        (["bad", "models"], 1, "max_batchsize"),
        (["goood", "models"], 2, "did you mean 'good'?"),
        (["good", "nowhere"], 2, "cannot read"),
        (["good", "gs://bucket/models"], 2, "is a URL"),
    ] {
        let output = hippocamp(directory.path(), &[&["explain"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
    assert_eq!(hippocamp(directory.path(), &["explain", "good"]).status.code(), Some(2));
    fs::remove_dir(directory.path().join("models/good/1")).unwrap();
    let shown = text(&hippocamp(directory.path(), &["explain", "good", "models"]));
    let end = "# would not load as it stands: 1 error (hippocamp check models --model good)\n";
    assert!(shown.ends_with(end), "{shown}");
}
