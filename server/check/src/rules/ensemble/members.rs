//! The steps against the models they name: there, with these tensors, for such batches.

use super::{BATCH_SIZE, DECOUPLED, MAP_KEY, MEMBER, UNMAPPED, entry, tensors};
use crate::{
    finding::Findings,
    rules::{Context, hint},
    view::{ModelView, Tensor, inputs, outputs},
};
use hippocamp_proto::inference::{self as proto, model_ensembling::Step};

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(ensemble), true) = (&view.completed, view.is_ensemble()) else { return };
    for (i, step) in view.steps().iter().enumerate() {
        let path = format!("ensemble_scheduling.step[{i}]");
        if step.model_name.is_empty() || step.model_name == view.name {
            continue;
        }
        let Some(member) = context.member(view, &step.model_name) else {
            let names = context.models.values().map(|model| model.name.as_str());
            let names = names.filter(|name| *name != view.name);
            let message = format!(
                "there is no model '{}': {}",
                step.model_name,
                hint(&step.model_name, names)
            );
            view.report(findings, &MEMBER, &format!("{path}.model_name"), message);
            continue;
        };
        version(context, view, member, step, &path, findings);
        if let Some(config) = member.meant(step.model_version) {
            batches(view, ensemble, config, step, &path, findings);
            maps(view, config, step, i, findings);
        }
    }
    tensors::check(context, view, ensemble, findings);
}

fn version(
    context: &Context<'_>,
    view: &ModelView,
    member: &ModelView,
    step: &Step,
    path: &str,
    findings: &mut Findings,
) {
    let Some(wanted) = u64::try_from(step.model_version).ok().filter(|&version| version > 0) else {
        return;
    };
    let served: Vec<u64> = member.versions.iter().map(|version| version.number).collect();
    if served.contains(&wanted) || context.options.strictness.config_only {
        return;
    }
    let shown: Vec<_> = served.iter().map(u64::to_string).collect();
    let what = match (member.numbers.contains(&wanted), shown.is_empty()) {
        (true, _) => format!("is not served, its version_policy selects {}", shown.join(", ")),
        (false, true) => "is not there, there is none".to_owned(),
        (false, false) => format!("is not there, served are {}", shown.join(", ")),
    };
    let message = format!(
        "version {wanted} of model '{}' {what}: write model_version: -1 for the latest",
        step.model_name
    );
    view.report(findings, &MEMBER, &format!("{path}.model_version"), message);
}

fn batches(
    view: &ModelView,
    ensemble: &proto::ModelConfig,
    member: &proto::ModelConfig,
    step: &Step,
    path: &str,
    findings: &mut Findings,
) {
    if member.max_batch_size > 0 && member.max_batch_size < ensemble.max_batch_size {
        let (most, name) = (member.max_batch_size, &step.model_name);
        let message = format!(
            "the ensemble allows batches of {}, its model '{name}' of {most}: write  max_batch_size: {most}",
            ensemble.max_batch_size
        );
        view.report(findings, &BATCH_SIZE, "max_batch_size", message);
    }
    if member.model_transaction_policy.is_some_and(|policy| policy.decoupled) {
        let message = format!(
            "model '{}' is decoupled, an ensemble answers each request once: serve it by itself",
            step.model_name
        );
        view.report(findings, &DECOUPLED, &format!("{path}.model_name"), message);
    }
}

/// Keys that are no tensors of the model, and inputs that are left out.
fn maps(
    view: &ModelView,
    member: &proto::ModelConfig,
    step: &Step,
    i: usize,
    findings: &mut Findings,
) {
    let known: [(&str, &str, Vec<Tensor>); 2] =
        [("input_map", "input", inputs(member)), ("output_map", "output", outputs(member))];
    for (map, kind, tensors) in &known {
        // What a foreign backend completes is not known here.
        if tensors.is_empty() {
            continue;
        }
        let names = tensors.iter().map(|tensor| tensor.name.as_str());
        let keys = if *kind == "input" { step.input_map.keys() } else { step.output_map.keys() };
        for key in keys.filter(|key| !names.clone().any(|name| name == key.as_str())) {
            let message = format!(
                "model '{}' has no {kind} '{key}': {}",
                step.model_name,
                hint(key, names.clone())
            );
            view.report(findings, &MAP_KEY, &entry(i, map, key), message);
        }
    }
    for tensor in known[0].2.iter().filter(|tensor| !tensor.optional) {
        if !step.input_map.contains_key(&tensor.name) && !step.input_map.is_empty() {
            let message = format!(
                "model '{}' requires the input '{}', which the step leaves out",
                step.model_name, tensor.name
            );
            let path = format!("ensemble_scheduling.step[{i}].input_map");
            view.report(findings, &UNMAPPED, &path, message);
        }
    }
}
