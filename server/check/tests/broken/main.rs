//! Broken repositories, each with the findings that are expected of it and no others. A fixture is a
//! text of `tests/check/broken/`; `fixture.rs` says how it is written.
#![forbid(unsafe_code)]

mod fixture;
mod onnx;

use fixture::Fixture;
use hippocamp_check::{Report, check, rules};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn fixtures() -> Vec<(String, Fixture)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/check/broken");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let fixture = Fixture::parse(&fs::read_to_string(file).unwrap());
            (name, fixture)
        })
        .collect()
}

/// `error batch-dimension m config.pbtxt:5`, and the message.
fn found(report: &Report, root: &Path) -> Vec<(String, String)> {
    report
        .findings
        .iter()
        .map(|finding| {
            let model = finding.model.as_deref().unwrap_or("-");
            let file = finding.file.strip_prefix(root).unwrap();
            let inner = file.strip_prefix(model).unwrap_or(file).display().to_string();
            let file = if inner.is_empty() { ".".to_owned() } else { inner };
            let line = finding.position.map_or_else(String::new, |p| format!(":{}", p.line));
            let shown = format!("{} {} {model} {file}{line}", finding.severity, finding.rule.id);
            (shown, finding.message.clone())
        })
        .collect()
}

#[test]
fn the_findings_are_those_that_are_expected() {
    let mut faults = Vec::new();
    let fixtures = fixtures();
    assert!(fixtures.len() >= 40, "there are {} fixtures", fixtures.len());
    for (name, fixture) in fixtures {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("repository");
        fixture.materialise(&root);
        let report = check(&fixture.roots(&root), &fixture.options()).unwrap();
        let mut left = found(&report, &root);
        for (expected, says) in &fixture.expected {
            let same = left.iter().position(|(shown, message)| {
                shown == expected
                    && says.as_ref().is_none_or(|says| message.contains(says.as_str()))
            });
            match same {
                Some(index) => drop(left.remove(index)),
                None => faults.push(format!("{name}: missing  {expected} | {says:?}")),
            }
        }
        faults.extend(
            left.iter().map(|(shown, message)| format!("{name}: surplus  {shown} | {message}")),
        );
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_rule_has_a_fixture() {
    let expected: BTreeSet<String> = fixtures()
        .iter()
        .flat_map(|(_, fixture)| &fixture.expected)
        .filter_map(|(shown, _)| shown.split(' ').nth(1).map(str::to_owned))
        .collect();
    // What the rules of their own would have to overlook first.
    let backstops = ["onnx-mismatch"];
    let without: Vec<&str> = rules()
        .map(|rule| rule.id)
        .filter(|id| !expected.contains(*id) && !backstops.contains(id))
        .collect();
    assert!(without.is_empty(), "rules without a fixture: {without:?}");
}

#[test]
fn models_that_are_asked_for_come_with_their_members() {
    let (_, fixture) =
        fixtures().into_iter().find(|(name, _)| name == "ensemble_map_keys").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = [scratch.path().join("repository")];
    fixture.materialise(&root[0]);
    let mut options = fixture.options();
    options.models = vec!["a".to_owned()];
    let report = check(&root, &options).unwrap();
    assert_eq!((report.models, report.findings.len()), (1, 0));
    options.models = vec!["e".to_owned()];
    let report = check(&root, &options).unwrap();
    assert!(report.models > 1 && report.findings.len() > 1, "{report:?}");
    options.models = vec!["f".to_owned()];
    let error = check(&root, &options).unwrap_err().to_string();
    assert!(error.contains("there is no model 'f'"), "{error}");
}

/// An ensemble of an ensemble of a model that misspells a field, beside one that misspells another.
#[test]
fn members_of_members_are_checked_too() {
    let ensemble = |member: &str| {
        format!(
            "platform: \"ensemble\"\ninput {{ name: \"x\" data_type: TYPE_FP32 dims: [ 1 ] }}\n\
             output {{ name: \"y\" data_type: TYPE_FP32 dims: [ 1 ] }}\n\
             ensemble_scheduling {{ step {{ model_name: \"{member}\" model_version: -1\n\
             input_map {{ key: \"x\" value: \"x\" }} output_map {{ key: \"y\" value: \"y\" }} }} }}\n"
        )
    };
    let model = "backend: \"identity\"\ncolour: 1\ninput { name: \"x\" data_type: TYPE_FP32 dims: [ 1 ] }\n\
                 output { name: \"y\" data_type: TYPE_FP32 dims: [ 1 ] }\n";
    let scratch = tempfile::tempdir().unwrap();
    let texts = [
        ("outer", ensemble("inner")),
        ("inner", ensemble("m")),
        ("m", model.to_owned()),
        ("beside", model.to_owned()),
    ];
    for (name, text) in &texts {
        fs::create_dir_all(scratch.path().join(name).join("1")).unwrap();
        fs::write(scratch.path().join(name).join("config.pbtxt"), text).unwrap();
    }
    let mut options = Fixture::default().options();
    let roots = [scratch.path().to_owned()];
    for (asked, models) in [("outer", 3), ("inner", 2), ("m", 1)] {
        options.models = vec![asked.to_owned()];
        let report = check(&roots, &options).unwrap();
        let found: Vec<_> =
            report.findings.iter().map(|f| (f.model.as_deref(), f.rule.id)).collect();
        assert_eq!((report.models, found), (models, vec![(Some("m"), "unknown-field")]), "{asked}");
    }
}

#[test]
fn a_url_is_no_directory() {
    let options = Fixture::default().options();
    for url in ["s3://bucket/models", "hf://org/model", "as://account/models"] {
        let error = check(&[url.into()], &options).unwrap_err().to_string();
        assert!(error.contains(url) && error.contains("download the repository first"), "{error}");
    }
}
