//! What keeps an ONNX file from running in the tract backend, whatever the configuration says.

use crate::{
    Rule, Severity,
    finding::Findings,
    rules::Context,
    view::{Look, ModelView},
};
use hippocamp_tract::{External, Inspection, LoadError};
use std::path::{Component, Path};

const UNREADABLE: Rule = Rule {
    id: "onnx-unreadable",
    severity: Severity::Error,
    summary: "the file is no ONNX model, or a damaged one",
    help: "Export or copy it again.",
};

const OPERATOR: Rule = Rule {
    id: "onnx-operator",
    severity: Severity::Error,
    summary: "the graph has operators that the tract backend does not know",
    help: "Export the model without them (another opset, no custom operators), or serve it with an ONNX Runtime backend in the backend directory.",
};

const TENSOR: Rule = Rule {
    id: "onnx-tensor",
    severity: Severity::Error,
    summary: "the graph has an input or output that cannot be served",
    help: "Inputs and outputs are tensors of BOOL, the integers, FP16, FP32, FP64 or BYTES with a known number of dimensions, and a node gives each output.",
};

const EXTERNAL: Rule = Rule {
    id: "onnx-external-data",
    severity: Severity::Error,
    summary: "a file that the graph's weights lie in is missing or too short",
    help: "Weights of large models lie in files beside model.onnx, under the names that the graph knows. Copy them with it.",
};

pub(crate) const RULES: [&Rule; 4] = [&UNREADABLE, &OPERATOR, &TENSOR, &EXTERNAL];

pub(crate) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for version in &view.versions {
        match &version.look {
            Look::Onnx(Ok(graph)) => {
                faults(view, graph, findings);
                external(view, graph, findings);
            }
            Look::Onnx(Err(fault)) => {
                let (file, detail) = match fault {
                    LoadError::Decode { path, detail } => (
                        path.clone(),
                        format!("the file is not an ONNX model or is damaged: {detail}"),
                    ),
                    other => (view.version_directory(version.number), other.to_string()),
                };
                view.report_file(findings, &UNREADABLE, file, detail + &view.remedy());
            }
            _ => {}
        }
    }
}

fn faults(view: &ModelView, graph: &Inspection, findings: &mut Findings) {
    for fault in &graph.faults {
        let (rule, message) = match fault {
            LoadError::Operators(_) => (&OPERATOR, fault.to_string()),
            LoadError::Decode { detail, .. } => (&TENSOR, detail.clone()),
            _ => (&TENSOR, fault.to_string()),
        };
        view.report_file(findings, rule, &graph.path, message);
    }
}

fn external(view: &ModelView, graph: &Inspection, findings: &mut Findings) {
    let directory = graph.path.parent().unwrap_or(Path::new("."));
    // Many tensors lie in one file.
    let mut seen = Vec::new();
    for data in &graph.external {
        let External { tensor, location, byte_size } = data;
        if seen.contains(&location) {
            continue;
        }
        let inside = Path::new(location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let least = graph.external.iter().filter(|other| other.location == *location);
        let least = least.filter_map(|other| other.byte_size).max().or(*byte_size);
        let size = directory.join(location).metadata().map(|metadata| metadata.len());
        let message = match (inside, size) {
            (false, _) => format!(
                "tensor '{tensor}' has its data in '{location}', which must be a path inside the model's directory"
            ),
            (true, Err(_)) => format!(
                "tensor '{tensor}' has its data in '{location}', which is not there: copy it beside the model"
            ),
            (true, Ok(size)) if least.is_some_and(|least| size < least) => format!(
                "'{location}' has {size} bytes, the graph's tensors need {}: copy it again",
                least.unwrap_or(0)
            ),
            _ => continue,
        };
        seen.push(location);
        view.report_file(findings, &EXTERNAL, &graph.path, message);
    }
}
