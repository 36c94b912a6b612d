//! The files that a version is loaded from: whether they are there, and are what they should be.

use super::Context;
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Engine, FileState, ModelView, model_file, state_of},
};
use std::path::{Path, PathBuf};

const MISSING: Rule = Rule {
    id: "model-file-missing",
    severity: Severity::Error,
    summary: "a version lacks the file that its backend loads",
    help: "Put the file there, or name another with default_model_filename. The parameter made_by, where a model has it, says what makes the file.",
};

const EMPTY: Rule = Rule {
    id: "model-file-empty",
    severity: Severity::Error,
    summary: "a model's file has no bytes",
    help: "A copy or download was broken off. Copy it again.",
};

const FOREIGN: Rule = Rule {
    id: "model-file-foreign",
    severity: Severity::Error,
    summary: "a model's file is a Git LFS pointer or a web page",
    help: "The real file was not fetched: `git lfs pull`, or download it again from an address that gives the file itself.",
};

const DIRECTORY: Rule = Rule {
    id: "model-file-directory",
    severity: Severity::Error,
    summary: "a directory stands where a model's file is expected",
    help: "Only an ONNX model may be a directory, which then holds model.onnx beside its external data.",
};

pub(super) const RULES: [&Rule; 4] = [&MISSING, &EMPTY, &FOREIGN, &DIRECTORY];

/// Backends whose model is, or may be, a directory.
const DIRECTORIES: [&str; 2] = ["tensorflow", "onnxruntime"];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(config), false) = (&view.prepared, context.options.strictness.config_only) else {
        return;
    };
    for version in &view.versions {
        let directory = view.version_directory(version.number);
        let files: Vec<PathBuf> = if view.engine.is("usearch") {
            ["index.usearch", "items.parquet"].map(|name| directory.join(name)).into()
        } else {
            model_file(config, &view.engine, &directory).into_iter().collect()
        };
        for file in files {
            look(view, &file, &config.backend, findings);
        }
    }
}

fn look(view: &ModelView, file: &Path, backend: &str, findings: &mut Findings) {
    let remedy = view.remedy();
    match state_of(file) {
        FileState::File => {}
        // A link that leads to nothing is told as such.
        FileState::Absent if file.is_symlink() => {}
        FileState::Absent => {
            let message =
                format!("there is no such file, which the backend '{backend}' loads{remedy}");
            view.report_file(findings, &MISSING, file, message);
        }
        FileState::Unreadable => {
            let message = format!("the file cannot be read, or is no regular file{remedy}");
            view.report_file(findings, &MISSING, file, message);
        }
        FileState::Empty => {
            let message = format!("the file is empty, expected a model{remedy}");
            view.report_file(findings, &EMPTY, file, message);
        }
        FileState::LfsPointer => {
            let message = "this is a pointer that Git LFS left, not the model: run git lfs pull";
            view.report_file(findings, &FOREIGN, file, message);
        }
        FileState::Html => {
            let message =
                "this is a web page, not the model: the download led to a page that shows it";
            view.report_file(findings, &FOREIGN, file, message);
        }
        FileState::Directory if view.engine.is("tract") => {
            look(view, &file.join("model.onnx"), backend, findings);
        }
        FileState::Directory => {
            let may = DIRECTORIES.contains(&backend) || !matches!(view.engine, Engine::Linked(_));
            if !may {
                let message =
                    format!("expected a file for the backend '{backend}', this is a directory");
                view.report_file(findings, &DIRECTORY, file, message);
            }
        }
    }
}
