//! The text of a configuration: whether it can be read at all, and names that nobody knows.

use super::Context;
use crate::{
    Rule, Severity,
    finding::{Findings, Place},
    view::ModelView,
};
use hippocamp_config::{ConfigError, Position, TextFault};

const UNREADABLE: Rule = Rule {
    id: "config-unreadable",
    severity: Severity::Error,
    summary: "the configuration cannot be read",
    help: "It must be a regular file that the server may read.",
};

const TOO_LARGE: Rule = Rule {
    id: "config-too-large",
    severity: Severity::Error,
    summary: "the configuration is longer than 1 MiB",
    help: "No configuration is that long; perhaps a model's file got its name.",
};

const NOT_UTF8: Rule = Rule {
    id: "config-encoding",
    severity: Severity::Error,
    summary: "the configuration is not UTF-8",
    help: "Protobuf's text format is UTF-8. Save the file in that encoding.",
};

const SYNTAX: Rule = Rule {
    id: "config-syntax",
    severity: Severity::Error,
    summary: "the configuration is not protobuf's text format",
    help: "Fields are `name: value` or `name { ... }`, lists `[ a, b ]`. What stands behind the place is not checked until it is right.",
};

const UNKNOWN_FIELD: Rule = Rule {
    id: "unknown-field",
    severity: Severity::Error,
    summary: "a field that model configurations do not have",
    help: "A field that is misspelt would be without effect, so the model is refused. docs/model_configuration.md lists all fields.",
};

const UNKNOWN_VALUE: Rule = Rule {
    id: "unknown-value",
    severity: Severity::Error,
    summary: "a value that the field's type does not have",
    help: "Datatypes are TYPE_FP32 and the like, kinds of instances KIND_CPU and the like.",
};

pub(super) const RULES: [&Rule; 6] =
    [&UNREADABLE, &TOO_LARGE, &NOT_UTF8, &SYNTAX, &UNKNOWN_FIELD, &UNKNOWN_VALUE];

pub(super) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let whole = || Place { file: view.config_path.clone(), position: None };
    for fault in &view.faults {
        let (rule, place, message) = match fault {
            ConfigError::Read { source, .. } => {
                (&UNREADABLE, whole(), format!("the configuration cannot be read: {source}"))
            }
            ConfigError::TooLarge { size, .. } => {
                let most = hippocamp_config::MAX_CONFIG_BYTES;
                let message = format!("the file has {size} bytes, a configuration at most {most}");
                (&TOO_LARGE, whole(), message)
            }
            ConfigError::NotUtf8 { offset, .. } => {
                (&NOT_UTF8, whole(), format!("expected UTF-8 text, byte {offset} is not"))
            }
            ConfigError::Text { line, column, fault, .. } => {
                let rule = match **fault {
                    TextFault::UnknownField { .. } => &UNKNOWN_FIELD,
                    TextFault::UnknownValue { .. } => &UNKNOWN_VALUE,
                    TextFault::Syntax { .. } | TextFault::TooDeep { .. } => &SYNTAX,
                };
                let position = Some(Position { line: *line, column: *column });
                (rule, Place { position, ..whole() }, fault.to_string())
            }
            // Of the directory, not of the text.
            _ => continue,
        };
        findings.add(rule, Some(&view.name), place, message);
    }
}
