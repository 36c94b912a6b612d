//! Ensembles: the flow of tensors through the steps, and the steps against the models they name.

pub(super) mod backstop;
pub(super) mod flow;
pub(super) mod members;
mod tensors;

use crate::{Rule, Severity, finding::Findings};
use hippocamp_config::{ConfigError, StepFault};

pub(super) const INVALID: Rule = Rule {
    id: "invalid-ensemble",
    severity: Severity::Error,
    summary: "an ensemble that the server refuses for another reason",
    help: "The message is that of the server when it loads the ensemble.",
};

const UNWRITTEN: Rule = Rule {
    id: "ensemble-tensor-unwritten",
    severity: Severity::Error,
    summary: "a step reads a tensor, or the ensemble has an output, that nobody writes",
    help: "A tensor is an input of the ensemble or stands in the output_map of one step, under the same name.",
};

const UNREAD: Rule = Rule {
    id: "ensemble-tensor-unread",
    severity: Severity::Error,
    summary: "a tensor that a step writes, or an input of the ensemble, that nobody reads",
    help: "Leave it out of the output_map (a model's outputs need not all be mapped), or out of the inputs.",
};

const TWICE: Rule = Rule {
    id: "ensemble-tensor-written-twice",
    severity: Severity::Error,
    summary: "two steps write one tensor, or a step writes an input of the ensemble",
    help: "Give each its own name in the output_map.",
};

const CYCLE: Rule = Rule {
    id: "ensemble-cycle",
    severity: Severity::Error,
    summary: "steps wait for each other, or an ensemble contains itself",
    help: "The steps must lead from the inputs to the outputs without a way back.",
};

const MEMBER: Rule = Rule {
    id: "ensemble-member",
    severity: Severity::Error,
    summary: "a step names a model, or a version of it, that is not there",
    help: "All models of an ensemble stand in the repositories of one server, and the version is one that its policy serves.",
};

const MAP_KEY: Rule = Rule {
    id: "ensemble-map-key",
    severity: Severity::Error,
    summary: "a key of an input_map or output_map is no tensor of the model",
    help: "The key is the model's tensor, the value the ensemble's.",
};

const UNMAPPED: Rule = Rule {
    id: "ensemble-input-unmapped",
    severity: Severity::Error,
    summary: "a step leaves out an input that its model requires",
    help: "Map it to an input of the ensemble or to an output of another step, or make it optional in the model.",
};

const DATATYPE: Rule = Rule {
    id: "ensemble-datatype",
    severity: Severity::Error,
    summary: "who writes a tensor and who reads it have different datatypes",
    help: "Nothing is converted between steps.",
};

const SHAPE: Rule = Rule {
    id: "ensemble-shape",
    severity: Severity::Error,
    summary: "who writes a tensor and who reads it have different dims",
    help: "Sizes must be equal, or -1 on one side.",
};

const BATCH_SIZE: Rule = Rule {
    id: "ensemble-batch-size",
    severity: Severity::Error,
    summary: "the ensemble allows larger batches than one of its models",
    help: "max_batch_size of an ensemble is at most the smallest of its models (those without batches aside).",
};

const DECOUPLED: Rule = Rule {
    id: "ensemble-decoupled",
    severity: Severity::Error,
    summary: "a step is a decoupled model",
    help: "An ensemble answers each request once; a decoupled model may answer any number of times.",
};

pub(super) const RULES: [&Rule; 12] = [
    &MEMBER,
    &MAP_KEY,
    &UNMAPPED,
    &UNWRITTEN,
    &UNREAD,
    &TWICE,
    &CYCLE,
    &DATATYPE,
    &SHAPE,
    &BATCH_SIZE,
    &DECOUPLED,
    &INVALID,
];

/// Whether validation means the flow of tensors, which `flow` tells in its own way.
pub(super) fn is_flow(fault: &ConfigError) -> bool {
    use ConfigError as E;
    match fault {
        E::EnsembleTensorNotUsed { .. }
        | E::EnsembleOutputNotWritten { .. }
        | E::EnsembleTensorUnused { .. } => true,
        E::Step { fault, .. } => {
            matches!(fault, StepFault::WrittenTwice { .. } | StepFault::WritesInput { .. })
        }
        _ => false,
    }
}

/// Whether an ensemble has findings of these rules so far.
pub(super) fn has_findings(findings: &Findings, model: &str) -> bool {
    let of = |rule: &Rule| RULES.iter().any(|known| known.id == rule.id);
    findings.all.iter().any(|found| found.model.as_deref() == Some(model) && of(found.rule))
}

/// The path of an entry of a step's map.
fn entry(step: usize, map: &str, key: &str) -> String {
    format!("ensemble_scheduling.step[{step}].{map}[\"{key}\"]")
}
