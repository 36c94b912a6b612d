//! The configuration's inputs and outputs against the graph's.

use super::shape::{Disagreement, compare};
use crate::{
    Rule, Severity,
    finding::Findings,
    rules::{Context, hint},
    view::{Look, ModelView, Tensor, Version, brackets, inputs, json_of, outputs},
};
use hippocamp_proto::inference::model_config::SchedulingChoice;
use hippocamp_tract::{Inspection, TensorInfo};

const INPUT: Rule = Rule {
    id: "onnx-input",
    severity: Severity::Error,
    summary: "the configuration's inputs are not the graph's",
    help: "Every input of the graph must be configured under its name, or none, and the backend completes them.",
};

const OUTPUT: Rule = Rule {
    id: "onnx-output",
    severity: Severity::Error,
    summary: "the configuration has an output that the graph does not give",
    help: "Outputs go by their names in the graph; some may be left out.",
};

const DATATYPE: Rule = Rule {
    id: "onnx-datatype",
    severity: Severity::Error,
    summary: "a datatype differs between configuration and graph",
    help: "The configuration must have the graph's datatype; nothing is converted.",
};

const SHAPE: Rule = Rule {
    id: "onnx-shape",
    severity: Severity::Error,
    summary: "dims differ between configuration and graph",
    help: "Where the graph fixes a size the configuration must have it; where it leaves one open, any size or -1 may stand.",
};

const BATCH: Rule = Rule {
    id: "batch-dimension",
    severity: Severity::Error,
    summary: "the batch dimension stands in dims, is missing there, or is fixed by the graph",
    help: "With max_batch_size above 0 the first dimension of every tensor is the batch: it must be open in the graph, and must not stand in dims. With 0 there is no batch, and dims hold the whole shape.",
};

const MISMATCH: Rule = Rule {
    id: "onnx-mismatch",
    severity: Severity::Error,
    summary: "the backend refuses the configuration for another reason",
    help: "The message is that of the backend when it loads the model.",
};

pub(crate) const RULES: [&Rule; 6] = [&INPUT, &OUTPUT, &DATATYPE, &SHAPE, &BATCH, &MISMATCH];

pub(crate) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for version in &view.versions {
        let Look::Onnx(Ok(graph)) = &version.look else { continue };
        // Without all of its tensors a graph agrees with nothing.
        if !graph.faults.is_empty() {
            continue;
        }
        let before = findings.all.len();
        look(view, version, graph, findings);
        if view.batches_in_doubt() {
            continue;
        }
        if let (Some(config), true) = (&version.completed, findings.all.len() == before)
            && view.repaired.is_empty()
            && !matches!(config.scheduling_choice, Some(SchedulingChoice::SequenceBatching(_)))
            && let Err(error) = graph.validate(&view.name, &json_of(config))
            && !error.message().contains("is encoder")
        {
            view.report(findings, &MISMATCH, "input", error.message());
        }
    }
}

fn look(view: &ModelView, version: &Version, graph: &Inspection, findings: &mut Findings) {
    let Some(config) = version.completed.as_ref().or(view.prepared.as_ref()) else { return };
    let max_batch_size = config.max_batch_size;
    if version.refusal.is_some() && max_batch_size > 0 {
        refused_batches(view, graph, max_batch_size, findings);
    }
    let newer = format!(" (version {})", version.number);
    let of = if view.versions.len() > 1 { newer.as_str() } else { "" };
    let configured = inputs(config);
    for tensor in &configured {
        match find(&graph.inputs, tensor) {
            Some(info) => agree(view, tensor, info, max_batch_size, of, findings),
            None => {
                let names = names(&graph.inputs);
                let message = format!(
                    "the graph has no input '{}'{of}: {}",
                    tensor.name,
                    hint(&tensor.name, names.iter().copied())
                );
                view.report(findings, &INPUT, &tensor.field("name"), message);
            }
        }
    }
    // Controls and states of sequences are inputs too, which `sequence_batching` names.
    let sequences = matches!(config.scheduling_choice, Some(SchedulingChoice::SequenceBatching(_)));
    for info in &graph.inputs {
        let is_there = configured.iter().any(|tensor| tensor.name == info.name);
        if !is_there && !sequences && !configured.is_empty() {
            let message = format!(
                "the graph's input '{}' is not configured{of}: write  {}",
                info.name,
                entry(info, max_batch_size > 0)
            );
            view.report(findings, &INPUT, "input", message);
        }
    }
    for tensor in outputs(config) {
        match find(&graph.outputs, &tensor) {
            Some(info) => agree(view, &tensor, info, max_batch_size, of, findings),
            None => {
                let names = names(&graph.outputs);
                let message = format!(
                    "the graph has no output '{}'{of}: {}",
                    tensor.name,
                    hint(&tensor.name, names.iter().copied())
                );
                view.report(findings, &OUTPUT, &tensor.field("name"), message);
            }
        }
    }
}

/// What the backend leaves incomplete: it is asked for batches that the graph does not take.
fn refused_batches(
    view: &ModelView,
    graph: &Inspection,
    max_batch_size: i32,
    findings: &mut Findings,
) {
    let tensors = graph.inputs.iter().chain(&graph.outputs);
    let fixed = tensors.filter_map(|info| Some((info, info.dims.as_ref()?)));
    let mut fixed = fixed.filter(|(_, dims)| dims.first() != Some(&-1));
    let Some((info, dims)) = fixed.next() else { return };
    let message = format!(
        "the graph's '{}' has shape {}: its first dimension is not open, so it takes no batches; write  max_batch_size: 0 \
         instead of {max_batch_size}, or export the model with an open first dimension",
        info.name,
        brackets(dims)
    );
    view.report(findings, &BATCH, "max_batch_size", message);
}

fn agree(
    view: &ModelView,
    tensor: &Tensor,
    info: &TensorInfo,
    max_batch_size: i32,
    of: &str,
    findings: &mut Findings,
) {
    if tensor.datatype.is_some_and(|datatype| datatype != info.datatype) {
        let message = format!(
            "the graph's '{}' is {}{of}, the configuration says {}",
            info.name,
            info.datatype.config_name(),
            tensor.datatype_name()
        );
        view.report(findings, &DATATYPE, &tensor.field("data_type"), message);
    }
    // Of an output without a shape the load finds it.
    let (Some(dims), false) = (&info.dims, tensor.dims.is_empty()) else { return };
    let (rule, message) = match compare(&info.name, dims, &tensor.shape, max_batch_size) {
        None => return,
        // What max_batch_size is meant to be would tell.
        Some(_) if view.batches_in_doubt() => return,
        Some(Disagreement::Batch(message)) => (&BATCH, message),
        Some(Disagreement::Shape(message)) => (&SHAPE, message),
    };
    let field = if tensor.shape == tensor.dims { "dims" } else { "reshape" };
    view.report(findings, rule, &tensor.field(field), message + of);
}

fn find<'g>(infos: &'g [TensorInfo], tensor: &Tensor) -> Option<&'g TensorInfo> {
    infos.iter().find(|info| info.name == tensor.name)
}

fn names(infos: &[TensorInfo]) -> Vec<&str> {
    infos.iter().map(|info| info.name.as_str()).collect()
}

/// The line that configures a tensor.
fn entry(info: &TensorInfo, batched: bool) -> String {
    let dims = info.dims.as_deref().unwrap_or_default();
    let dims = super::shape::dims_line(&dims[usize::from(batched).min(dims.len())..]);
    format!("input {{ name: \"{}\" data_type: {} {dims} }}", info.name, info.datatype.config_name())
}
