//! Dynamic batching that does nothing, or not what it seems to.

use super::Context;
use crate::{Rule, Severity, finding::Findings, view::ModelView};
use hippocamp_proto::inference::model_config::SchedulingChoice;
use std::collections::BTreeSet;

const NO_BATCHES: Rule = Rule {
    id: "batching-without-batches",
    severity: Severity::Warning,
    summary: "dynamic_batching with max_batch_size 0",
    help: "Without a batch dimension every request is executed by itself. Set max_batch_size, or remove dynamic_batching.",
};

const PREFERRED: Rule = Rule {
    id: "preferred-batch-size",
    severity: Severity::Warning,
    summary: "preferred batch sizes that change nothing",
    help: "A size of 1 is what any request has by itself, and a size counts once.",
};

pub(super) const RULES: [&Rule; 2] = [&NO_BATCHES, &PREFERRED];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let Some(config) = &view.completed else { return };
    let written = view.written.as_ref().and_then(|config| config.scheduling_choice.as_ref());
    let Some(SchedulingChoice::DynamicBatching(batching)) = written else { return };
    // With the configuration alone, a file that says nothing of it may still take batches.
    let known = !config.input.is_empty() || !context.options.strictness.config_only;
    if config.max_batch_size == 0 && known && !view.batches_in_doubt() {
        let message = "dynamic_batching has no effect with max_batch_size: 0, each request is executed by itself: set \
                       max_batch_size, or remove dynamic_batching";
        view.report(findings, &NO_BATCHES, "dynamic_batching", message);
    }
    let sizes = &batching.preferred_batch_size;
    let path = "dynamic_batching.preferred_batch_size";
    if sizes.contains(&1) && config.max_batch_size > 1 {
        let message = "a preferred batch size of 1 sends requests alone rather than let them wait for company: leave it out, or set \
                       max_queue_delay_microseconds to 0";
        view.report(findings, &PREFERRED, path, message);
    }
    if sizes.iter().collect::<BTreeSet<_>>().len() < sizes.len() {
        view.report(findings, &PREFERRED, path, "a preferred batch size stands there twice");
    }
}
