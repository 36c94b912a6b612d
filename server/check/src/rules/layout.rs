//! What stands where: at the top of a repository, and beside a configuration.

use super::Context;
use crate::{
    CheckOptions, Rule, Severity,
    finding::Findings,
    view::{Entry, Found, ModelView, is_of_a_model},
};
use std::{collections::BTreeMap, fs};

const DUPLICATE: Rule = Rule {
    id: "duplicate-model",
    severity: Severity::Error,
    summary: "two repositories hold a model of the same name",
    help: "The server cannot tell which is meant and refuses both. Rename or remove one, or serve both with --model-namespacing.",
};

const STRAY_FILE: Rule = Rule {
    id: "stray-file",
    severity: Severity::Note,
    summary: "a file of a model (`config.pbtxt`, weights) stands where a model's directory is expected",
    help: "A model is a directory: <model>/<version>/model.onnx. Files at the top are not looked at.",
};

const MODEL_NAME: Rule = Rule {
    id: "model-name",
    severity: Severity::Warning,
    summary: "a model's name that is awkward in paths of requests, metrics and logs",
    help: "Clients must escape it in URLs. Use letters, digits, '_', '-' and '.'.",
};

const MISNAMED: Rule = Rule {
    id: "config-misnamed",
    severity: Severity::Warning,
    summary: "a file that looks like config.pbtxt under another name, or in a version's directory",
    help: "Only config.pbtxt is read, and configs/<name>.pbtxt with --model-config-name. Rename or remove the file.",
};

pub(super) const RULES: [&Rule; 4] = [&DUPLICATE, &STRAY_FILE, &MODEL_NAME, &MISNAMED];

/// Names that are taken for the configuration's; config.json is a file of the model in many a download.
const NEARLY_CONFIG: [&str; 8] = [
    "config.pbtx",
    "config.txt",
    "config.prototxt",
    "config.textproto",
    "config.pb.txt",
    "configuration.pbtxt",
    "model.pbtxt",
    "config_pbtxt",
];

pub(super) fn repository(found: &Found, options: &CheckOptions, findings: &mut Findings) {
    let mut first: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in found.roots.iter().flat_map(|root| &root.entries) {
        let shown = entry.path.display();
        match (&entry.name, entry.model()) {
            (None, _) => {
                let message = format!("'{shown}' is skipped: a model's name must be UTF-8");
                findings.add(&MODEL_NAME, None, entry.path.clone().into(), message);
            }
            (Some(_), Some(name)) => {
                if let Some(first) = first.get(name) {
                    if options.namespaces {
                        continue;
                    }
                    let message = format!(
                        "model '{name}' is also in '{}': the server loads neither; rename or remove one, or serve both with --model-namespacing",
                        first.path.display()
                    );
                    findings.add(&DUPLICATE, Some(name), entry.path.clone().into(), message);
                } else {
                    first.insert(name, entry);
                }
            }
            (Some(name), None) if !entry.is_dir && is_of_a_model(name) => {
                let message = format!(
                    "'{name}' is a file at the top of the repository and is not looked at: a model is a directory, \
                     such as {0}/config.pbtxt and {0}/1/{name}",
                    name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or("my_model")
                );
                findings.add(&STRAY_FILE, None, entry.path.clone().into(), message);
            }
            _ => {}
        }
    }
}

pub(super) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(odd) = view.name.chars().find(|c| !plain(*c)) {
        let message = format!(
            "the model's name '{}' contains {odd:?}, which clients must escape: use letters, digits, '_', '-' and '.'",
            view.name
        );
        view.report_file(findings, &MODEL_NAME, &view.directory, message);
    }
    let there = view.directory.join("config.pbtxt").exists();
    for number in &view.numbers {
        let file = view.version_directory(*number).join("config.pbtxt");
        if file.is_file() {
            let message = format!(
                "a configuration in a version's directory is not read: it belongs into '{}'",
                view.directory.display()
            );
            view.report_file(findings, &MISNAMED, file, message);
        }
    }
    for entry in fs::read_dir(&view.directory).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_nearly_config(&name) || !entry.path().is_file() {
            continue;
        }
        let message = if there {
            format!(
                "'{name}' is not read, config.pbtxt beside it is: remove it, or make it configs/<name>.pbtxt"
            )
        } else {
            format!("'{name}' is not read: the configuration must be named config.pbtxt")
        };
        view.report_file(findings, &MISNAMED, entry.path(), message);
    }
}

fn is_nearly_config(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name != "config.pbtxt"
        && (lower == "config.pbtxt"
            || lower.starts_with("config.pbtxt.")
            || NEARLY_CONFIG.contains(&lower.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_right() {
        for name in [
            "Config.pbtxt",
            "config.pbtxt.txt",
            "config.pbtxt.bak",
            "config.prototxt",
            "config.pbtx",
        ] {
            assert!(is_nearly_config(name), "{name}");
        }
        for name in ["config.pbtxt", "labels.txt", "config.json", "my.pbtxt"] {
            assert!(!is_nearly_config(name), "{name}");
        }
    }
}
