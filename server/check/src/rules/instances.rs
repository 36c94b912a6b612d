//! Instances against the cores there are.

use super::Context;
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Engine, ModelView},
};

const BEYOND_CORES: Rule = Rule {
    id: "instances-beyond-cores",
    severity: Severity::Warning,
    summary: "a model has more computing threads than there are cores",
    help: "Instances (times the threads of each) that compute at the same time share the cores and make each other late. Lower `count`, or say with --cores how many the server will have. For backends of others, which may wait rather than compute, this is a note.",
};

pub(super) const RULES: [&Rule; 1] = [&BEYOND_CORES];

/// The parameter by which ONNX Runtime's backend gets its threads.
const INTRA_OP: &str = "intra_op_thread_count";

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let Some(config) = &view.completed else { return };
    let computing = config.instance_group.iter().filter(|group| !group.passive);
    let count: u64 = computing.map(|group| u64::try_from(group.count).unwrap_or(0)).sum();
    // Our backends compute on the instance's thread alone.
    let threads = match view.engine {
        Engine::Linked(_) => 1,
        _ => view.parameter(INTRA_OP).and_then(|text| text.parse().ok()).unwrap_or(1).max(1),
    };
    let cores = context.options.cores as u64;
    if count.saturating_mul(threads) <= cores {
        return;
    }
    let severity = match view.engine {
        Engine::Linked(_) => BEYOND_CORES.severity,
        _ => Severity::Note,
    };
    let of_each = if threads > 1 { format!(" of {threads} threads") } else { String::new() };
    let message = format!(
        "{count} instances{of_each} on {cores} {}: they make each other late; set count to {}, or say --cores if the server \
         has more",
        if cores == 1 { "core" } else { "cores" },
        (cores / threads).max(1)
    );
    view.report_as(severity, findings, &BEYOND_CORES, "instance_group.count", message);
}
