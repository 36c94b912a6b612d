//! Files below `<model>/warmup/` that no sample uses. Those that end like expected answers are the
//! matter of `expected`.

use super::expected::END;
use crate::{Rule, Severity, finding::Findings, rules::Context, view::ModelView};
use hippocamp_proto::inference::model_warmup::input::InputDataType;
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

pub(super) const UNUSED: Rule = Rule {
    id: "warmup-unused",
    severity: Severity::Warning,
    summary: "a file in a model's directory warmup that no sample uses",
    help: "Data is named by input_data_file, an expected answer is <sample>.expected.json. What is not JSON is a note.",
};

/// Deeper directories are not searched.
const MAX_DEPTH: usize = 8;

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(written), false) = (&view.written, context.options.strictness.config_only) else {
        return;
    };
    let directory = view.directory.join("warmup");
    let samples = &written.model_warmup;
    let inputs = samples.iter().flat_map(|sample| sample.inputs.values());
    let used: BTreeSet<PathBuf> = inputs
        .filter_map(|input| match &input.input_data_type {
            Some(InputDataType::InputDataFile(name)) => Some(plain(Path::new(name))),
            _ => None,
        })
        .collect();
    let mut files = Vec::new();
    gather(&directory, MAX_DEPTH, &mut files);
    for file in files {
        let inner = file.strip_prefix(&directory).unwrap_or(&file);
        let name = inner.to_string_lossy();
        if used.contains(inner) || name.ends_with(END) {
            continue;
        }
        let (severity, message) = match name.strip_suffix(".json") {
            Some(stem) if samples.iter().any(|sample| sample.name == stem) => (
                Severity::Warning,
                format!(
                    "no sample uses '{name}': did you mean '{stem}{END}', the expected answer?"
                ),
            ),
            Some(_) => (
                Severity::Warning,
                format!("no sample uses '{name}': an expected answer is named <sample>{END}"),
            ),
            None => (Severity::Note, format!("no sample uses '{name}' as input_data_file")),
        };
        findings.add_as(severity, &UNUSED, Some(&view.name), file.clone().into(), message);
    }
}

/// Without `.`, as files are found.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// The files below `directory`, ordered; hidden ones and pages for people are left out.
fn gather(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name.ends_with(".md") {
            continue;
        }
        // Links are the matter of another rule.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => gather(&path, depth - 1, files),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}
