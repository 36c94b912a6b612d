//! Who runs a model.

use super::{Context, hint};
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Engine, ModelView},
};
use hippocamp_config::ConfigError;

const NO_BACKEND: Rule = Rule {
    id: "no-backend",
    severity: Severity::Error,
    summary: "nothing tells which backend runs the model",
    help: "Write `backend`, or `platform`, or give the version a file of a known name (model.onnx, model.py).",
};

const MISSING: Rule = Rule {
    id: "backend-missing",
    severity: Severity::Error,
    summary: "the backend is neither linked in nor in the backend directory",
    help: "Name a backend that is there, or install <backend-directory>/<name>/libtriton_<name>.so and pass --backend-directory. With --any-backend this is a note.",
};

pub(super) const RULES: [&Rule; 2] = [&NO_BACKEND, &MISSING];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let unknown = view.faults.iter().any(|fault| matches!(fault, ConfigError::NoBackend { .. }));
    // Without anything in it, a directory lacks a version first.
    let is_bare = view.numbers.is_empty() && !view.config_path.exists();
    if unknown && !is_bare {
        let message = "nothing tells which backend runs the model: write backend: \"tract\" (or another), or put a \
                       model.onnx into the version's directory";
        view.report(findings, &NO_BACKEND, "backend", message);
    }
    let Engine::Missing(backend) = &view.engine else { return };
    let options = context.options;
    let aliases = options.aliases.iter().map(|(alias, _)| alias.as_str());
    let known: Vec<&str> = options.backends.iter().map(String::as_str).chain(aliases).collect();
    let severity = if options.strictness.any_backend { Severity::Note } else { MISSING.severity };
    let message = format!(
        "there is no backend '{backend}': it is not linked in and not in '{}'; {}",
        options.backend_directory.display(),
        hint(backend, known)
    );
    let stated = view.written.as_ref().is_some_and(|config| !config.backend.is_empty());
    let path = if stated { "backend" } else { "platform" };
    view.report_as(severity, findings, &MISSING, path, message);
}
