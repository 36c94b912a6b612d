//! Fields that this server refuses, and fields that it accepts without doing anything.

use crate::{Rule, Severity};

pub(super) const REFUSED: Rule = Rule {
    id: "field-refused",
    severity: Severity::Error,
    summary: "a field that this server does not support, and whose absence would change answers",
    help: "The model does not load, rather than answer something else. docs/model_configuration.md says of each field what becomes of it.",
};

pub(super) const WITHOUT_EFFECT: Rule = Rule {
    id: "field-without-effect",
    severity: Severity::Warning,
    summary: "a field that is accepted and does nothing here",
    help: "Speed or an optional service is lost, answers are the same. docs/model_configuration.md says of each field what becomes of it.",
};

pub(super) const RULES: [&Rule; 2] = [&REFUSED, &WITHOUT_EFFECT];
