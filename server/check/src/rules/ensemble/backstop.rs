//! The scheduler's own check, where the rules found nothing: what they overlook is told in its words.

use super::INVALID;
use crate::{finding::Findings, rules::Context, view::ModelView};
use hippocamp_config::ModelConfig;
use hippocamp_scheduler::validate_ensemble;

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    if !view.is_ensemble() || findings.has_error(&view.name) {
        return;
    }
    let valid = |view: &ModelView| ModelConfig::new(view.completed.clone()?).ok();
    let Some(ensemble) = valid(view) else { return };
    // A member that is wrong itself, or whose tensors its backend has yet to tell, settles nothing.
    let members = view.steps().iter().map(|step| context.member(view, &step.model_name));
    let known = |member: &ModelConfig| !member.inputs.is_empty() && !member.outputs.is_empty();
    if !members
        .map(|member| member.and_then(valid))
        .all(|member| member.as_ref().is_some_and(known))
    {
        return;
    }
    let find = |name: &str, _version: Option<u64>| context.member(view, name).and_then(valid);
    if let Err(error) = validate_ensemble(&ensemble, find) {
        view.report(findings, &INVALID, "ensemble_scheduling", error.message());
    }
}
