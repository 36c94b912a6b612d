//! Indexes of the usearch backend: the two files, and the configuration against them.

use super::Context;
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Look, ModelView, json_of},
};

const UNREADABLE: Rule = Rule {
    id: "index-unreadable",
    severity: Severity::Error,
    summary: "the index is damaged, or its two files are of different builds",
    help: "index.usearch and items.parquet are made together, and the table records the hash of the index. Build the index again.",
};

const MISMATCH: Rule = Rule {
    id: "index-mismatch",
    severity: Severity::Error,
    summary: "the configuration does not fit the index",
    help: "QUERY has as many elements as the index's vectors, outputs are columns of items.parquet, key or score. docs/retrieval.md has the parameters.",
};

pub(super) const RULES: [&Rule; 2] = [&UNREADABLE, &MISMATCH];

pub(super) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for version in &view.versions {
        match (&version.look, &version.completed) {
            (Look::Index(Err(fault)), _) => {
                let directory = view.version_directory(version.number);
                let message = format!("{fault}{}", view.remedy());
                view.report_file(findings, &UNREADABLE, directory, message);
            }
            (Look::Index(Ok(index)), Some(config)) => {
                let Err(error) = index.validate(&view.name, &json_of(config)) else { continue };
                // Which encoder made it is told by its own rule.
                if !error.message().contains("was made by encoder") {
                    view.report(
                        findings,
                        &MISMATCH,
                        &field_of(error.message(), view),
                        error.message(),
                    );
                }
            }
            (Look::Index(Ok(_)), None) => {
                let refusal = version.refusal.as_deref().unwrap_or_default();
                view.report(findings, &MISMATCH, "parameters", refusal);
            }
            _ => {}
        }
    }
}

/// The field that the backend's message is about: `input 'QUERY' has …`, `parameter 'max_k' …`.
fn field_of(message: &str, view: &ModelView) -> String {
    let named = |kind: &str| message.split(kind).nth(1)?.split('\'').next();
    let Some(config) = &view.completed else { return "input".to_owned() };
    if let Some(name) = named("parameter '") {
        return format!("parameters[\"{name}\"]");
    }
    if let Some(name) = named("output '") {
        let index = config.output.iter().position(|output| output.name == name);
        return format!("output[{}]", index.unwrap_or(0));
    }
    let index =
        named("input '").and_then(|name| config.input.iter().position(|input| input.name == name));
    format!("input[{}]", index.unwrap_or(0))
}
