//! Label files: there, and with a line for each class.

use super::Context;
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{ModelView, read_text},
};
use std::path::{Component, Path};

pub(super) const FILE: Rule = Rule {
    id: "label-file",
    severity: Severity::Error,
    summary: "a label file is missing, unreadable, or outside the model's directory",
    help: "label_filename is relative to the model's directory (not the version's), UTF-8, one label a line.",
};

const COUNT: Rule = Rule {
    id: "label-count",
    severity: Severity::Warning,
    summary: "a label file has another number of lines than the output has elements",
    help: "Labels go by line, the first for element 0. With too few, classes come without a name; with too many, they may be shifted.",
};

pub(super) const RULES: [&Rule; 2] = [&FILE, &COUNT];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(config), false) = (&view.completed, context.options.strictness.config_only) else {
        return;
    };
    for (i, output) in config.output.iter().enumerate() {
        let name = &output.label_filename;
        let escapes = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
        // Validation tells of a path that leads elsewhere.
        if name.is_empty() || Path::new(name).components().any(escapes) {
            continue;
        }
        let path = format!("output[{i}].label_filename");
        let file = view.directory.join(name);
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(error) => {
                let message = format!(
                    "output '{}' has its labels in '{}', which cannot be read: {error}",
                    output.name,
                    file.display()
                );
                view.report(findings, &FILE, &path, message);
                continue;
            }
        };
        let elements = output
            .dims
            .iter()
            .try_fold(1_i64, |count, &dim| if dim < 1 { None } else { count.checked_mul(dim) });
        let lines = text.lines().count();
        let differs = |count: &i64| usize::try_from(*count).is_ok_and(|count| count != lines);
        if let Some(elements) = elements.filter(differs) {
            let message = format!(
                "output '{}' has {elements} elements, its label file '{name}' {lines} lines",
                output.name
            );
            view.report(findings, &COUNT, &path, message);
        }
    }
}
