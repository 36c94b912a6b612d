//! Whether a directory is a repository at all: it holds models, and is not one itself.

use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Found, Root},
};

const NO_MODELS: Rule = Rule {
    id: "no-models",
    severity: Severity::Warning,
    summary: "a repository without any model",
    help: "A model is a directory: <repository>/<model>/<version>/model.onnx. Perhaps another directory is meant, or one that was not fetched.",
};

const IS_MODEL: Rule = Rule {
    id: "repository-is-model",
    severity: Severity::Warning,
    summary: "a repository that looks like a model itself",
    help: "A repository is the directory that models stand in. Give the parent, and --model to check one model.",
};

pub(super) const RULES: [&Rule; 2] = [&NO_MODELS, &IS_MODEL];

pub(super) fn repository(found: &Found, findings: &mut Findings) {
    for root in &found.roots {
        if root.is_model {
            let message =
                format!("this looks like a model; did you mean its parent, '{}'?", parent(root));
            findings.add(&IS_MODEL, None, root.path.clone().into(), message);
        } else if !root.entries.iter().any(|entry| entry.model().is_some()) {
            let message = format!(
                "there is no model in '{}': expected directories such as '{}'",
                root.path.display(),
                root.path.join("my_model/1").display()
            );
            findings.add(&NO_MODELS, None, root.path.clone().into(), message);
        }
    }
}

/// As it was given, where that has a parent.
fn parent(root: &Root) -> String {
    let given = root.path.parent().filter(|_| root.path.file_name().is_some());
    match given {
        Some(parent) if parent.as_os_str().is_empty() => ".".to_owned(),
        Some(parent) => parent.display().to_string(),
        None => root.canonical.parent().unwrap_or(&root.canonical).display().to_string(),
    }
}
