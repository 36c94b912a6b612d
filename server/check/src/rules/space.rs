//! Encoders and indexes that do not belong together: vectors of two encoders must not be compared.

use super::Context;
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Look, ModelView, outputs, parameter},
};
use hippocamp_types::DataType;

const SPACE: Rule = Rule {
    id: "embedding-space",
    severity: Severity::Error,
    summary: "an encoder and an index, or a file and its parameter, that do not belong together",
    help: "An ONNX encoder names itself in its metadata (hippocamp.embedding_space), an index the encoder that made its vectors; the parameter embedding_space must agree. Build the index again with the encoder that is served.",
};

pub(super) const RULES: [&Rule; 1] = [&SPACE];

const PARAMETER: &str = "embedding_space";

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    stated(view, findings);
    paired(context, view, findings);
}

/// What the file says against what the configuration says.
fn stated(view: &ModelView, findings: &mut Findings) {
    let parameters = view.written.as_ref().map(|config| &config.parameters);
    let Some(stated) = parameters.and_then(|parameters| parameters.get(PARAMETER)) else { return };
    let stated = stated.string_value.as_str();
    for version in &view.versions {
        let (what, found) = match &version.look {
            Look::Onnx(Ok(graph)) => ("the file is encoder", graph.embedding_space.as_deref()),
            Look::Index(Ok(index)) => {
                ("the index was made by encoder", Some(index.manifest.embedding_space.as_str()))
            }
            _ => continue,
        };
        if let Some(found) = found.filter(|found| *found != stated) {
            let message = format!(
                "{what} '{found}', but the parameter {PARAMETER} is '{stated}': serve the file that belongs to it, or change \
                 the parameter"
            );
            view.report(findings, &SPACE, &format!("parameters[\"{PARAMETER}\"]"), message);
        }
    }
}

/// Where an FP32 output of one step goes straight into another.
fn paired(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let steps = view.steps();
    for (reader, step) in steps.iter().enumerate() {
        for (input, tensor) in &step.input_map {
            let writer = steps.iter().find_map(|writer| {
                let (output, _) =
                    writer.output_map.iter().find(|(_, written)| *written == tensor)?;
                Some((writer, output))
            });
            let Some((writer, output)) = writer else { continue };
            let model = |name: &str| context.member(view, name);
            let (Some(maker), Some(taker)) = (model(&writer.model_name), model(&step.model_name))
            else {
                continue;
            };
            let (Some(maker), Some(taker)) =
                (maker.meant(writer.model_version), taker.meant(step.model_version))
            else {
                continue;
            };
            let mut outputs = outputs(maker).into_iter();
            let is_vector =
                outputs.any(|o| o.name == *output && o.datatype == Some(DataType::Fp32));
            if let (Some(made), Some(taken)) =
                (parameter(maker, PARAMETER), parameter(taker, PARAMETER))
                && made != taken
                && is_vector
            {
                let message = format!(
                    "tensor '{tensor}' holds vectors of encoder '{made}' (model {}), but model {} was made with encoder \
                     '{taken}': build it again with the encoder that is served, or serve that one",
                    writer.model_name, step.model_name
                );
                let path = format!("ensemble_scheduling.step[{reader}].input_map[\"{input}\"]");
                view.report(findings, &SPACE, &path, message);
            }
        }
    }
}
