//! The scheduler's own check, where the rules found nothing: what they overlook is told in its words.

use super::INVALID;
use crate::{finding::Findings, rules::Context, view::ModelView};
use hippocamp_config::ModelConfig;
use hippocamp_scheduler::validate_ensemble;

/// As `model_version` says it.
const NEWEST: i64 = -1;

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    if !view.is_ensemble() || findings.has_error(&view.name) {
        return;
    }
    let valid = |view: &ModelView, version| ModelConfig::new(view.meant(version)?.clone()).ok();
    let Some(ensemble) = valid(view, NEWEST) else { return };
    // A member that is wrong itself, or whose tensors its backend has yet to tell, settles nothing.
    let mut members = view.steps().iter().map(|step| {
        let member = context.member(view, &step.model_name);
        member.and_then(|member| valid(member, step.model_version))
    });
    let known = |member: &ModelConfig| !member.inputs.is_empty() && !member.outputs.is_empty();
    if !members.all(|member| member.as_ref().is_some_and(known)) {
        return;
    }
    let find = |name: &str, version: Option<u64>| {
        let version = version.and_then(|version| i64::try_from(version).ok()).unwrap_or(NEWEST);
        context.member(view, name).and_then(|member| valid(member, version))
    };
    if let Err(error) = validate_ensemble(&ensemble, find) {
        view.report(findings, &INVALID, "ensemble_scheduling", error.message());
    }
}
