//! Everything that makes the server refuse a configuration: its own validation, run again after each
//! fault is taken out, so that one fault does not hide the next.

mod repair;

use super::{
    Context, ensemble, labels,
    refusals::{REFUSED, WITHOUT_EFFECT},
    versions,
};
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{Engine, ModelView},
};
use hippocamp_config::{
    ConfigError, Direction, GroupFault, ModelConfig, TensorFault, nearest, platforms,
};
use hippocamp_proto::inference as proto;
use repair::repair;

const CONFIG: Rule = Rule {
    id: "invalid-config",
    severity: Severity::Error,
    summary: "a setting that cannot be",
    help: "The model does not load. The message is that of the server.",
};

const TENSOR: Rule = Rule {
    id: "invalid-tensor",
    severity: Severity::Error,
    summary: "an input or output without name, datatype or dims, or with ones that cannot be",
    help: "Each has a name of its own, a data_type, and dims of sizes from 1, or -1 for any; a reshape has as many elements.",
};

const GROUP: Rule = Rule {
    id: "invalid-instance-group",
    severity: Severity::Error,
    summary: "instances that this server cannot make",
    help: "This server runs on CPU: kind KIND_CPU (or none), no gpus, a count from 1.",
};

const BATCHING: Rule = Rule {
    id: "invalid-batching",
    severity: Severity::Error,
    summary: "dynamic batching that contradicts itself or max_batch_size",
    help: "Preferred sizes are from 1 to max_batch_size, priorities from 1 to priority_levels, and ordering excludes priorities and DELAY.",
};

pub(super) const RULES: [&Rule; 4] = [&CONFIG, &TENSOR, &GROUP, &BATCHING];

/// Faults of one configuration that are looked for.
const MAX_FAULTS: usize = 64;

pub(super) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let Some(mut config) = view.completed.clone() else { return };
    let mut tensors_removed = false;
    for _ in 0..MAX_FAULTS {
        let fault = match ModelConfig::new(config.clone()) {
            Ok(valid) => return warnings(view, &valid, findings),
            Err(fault) => fault,
        };
        // The flow has a rule of its own, and inputs may be missing that were taken out here.
        let is_flow = ensemble::is_flow(&fault);
        if is_flow && (tensors_removed || ensemble::has_findings(findings, &view.name)) {
            return;
        }
        let (rule, path) = place_of(&fault, &config, view);
        let (severity, message) = if may_be_completed(&fault, view) {
            let message = format!("{fault}, unless its backend completes it at load");
            (Severity::Note, message)
        } else {
            (rule.severity, explained(&fault))
        };
        view.report_as(severity, findings, rule, &path, message);
        tensors_removed |= matches!(fault, ConfigError::Tensor { .. });
        if !repair(&mut config, &fault) {
            return;
        }
    }
}

/// Whether a backend of others may fill in what is missing.
fn may_be_completed(fault: &ConfigError, view: &ModelView) -> bool {
    let ConfigError::Tensor { fault, .. } = fault else { return false };
    matches!(fault, TensorFault::NoDataType { .. } | TensorFault::NoDims { .. })
        && !matches!(view.engine, Engine::Linked(_) | Engine::Ensemble)
}

/// The server's words, and what may have been meant.
fn explained(fault: &ConfigError) -> String {
    if let ConfigError::InstanceGroup { fault: GroupFault::NoGpuSupport, .. } = fault {
        return format!("{fault}: write kind: KIND_CPU, or leave it out");
    }
    let ConfigError::Platform { platform, .. } = fault else { return fault.to_string() };
    let known = || platforms().filter(|(known, _)| !known.is_empty());
    let of_backend = known().find(|(_, backend)| backend == platform).map(|(known, _)| known);
    let near = of_backend.or_else(|| nearest(platform, known().map(|(known, _)| known)));
    match near {
        Some(near) => format!("{fault}: did you mean '{near}'?"),
        None => fault.to_string(),
    }
}

fn warnings(view: &ModelView, valid: &ModelConfig, findings: &mut Findings) {
    for warning in &valid.warnings {
        let field = warning.split('\'').nth(1).unwrap_or_default();
        view.report(findings, &WITHOUT_EFFECT, field, warning.as_str());
    }
}

/// The rule that a fault breaks, and where it stands.
fn place_of(
    fault: &ConfigError,
    config: &proto::ModelConfig,
    view: &ModelView,
) -> (&'static Rule, String) {
    use ConfigError as E;
    let own = |rule, path: &str| (rule, path.to_owned());
    match fault {
        E::Unsupported { field, .. } => own(&REFUSED, field),
        E::NegativeBatchSize { .. } => own(&CONFIG, "max_batch_size"),
        fault if versions::is_own(fault) => own(&versions::POLICY, "version_policy"),
        E::PathEscapes { field, .. } | E::UnknownEnum { field, .. } => own(&CONFIG, field),
        E::LabelPath { output, .. } => {
            let index = config.output.iter().position(|known| known.name == *output);
            (&labels::FILE, format!("output[{}].label_filename", index.unwrap_or(0)))
        }
        E::PreferredSizePositive { .. } | E::PreferredSizeLimit { .. } => {
            own(&BATCHING, "dynamic_batching.preferred_batch_size")
        }
        E::DefaultPriority { .. } => own(&BATCHING, "dynamic_batching.default_priority_level"),
        E::PolicyPriority { .. } => own(&BATCHING, "dynamic_batching.priority_queue_policy"),
        E::OrderedPriorities { .. } | E::OrderedDelay { .. } => {
            own(&BATCHING, "dynamic_batching.preserve_ordering")
        }
        E::Tensor { direction, fault, .. } => {
            // Of the configuration as written: faults before this one may be taken out.
            let written = view.written.as_ref().unwrap_or(config);
            let path = match index_of(*direction, fault, written) {
                Some(index) => format!("{direction}[{index}]"),
                None => direction.to_string(),
            };
            let field = match fault {
                TensorFault::Dimension { .. } | TensorFault::TooManyElements { .. } => ".dims",
                TensorFault::ReshapeDimension { .. }
                | TensorFault::EmptyReshape { .. }
                | TensorFault::ReshapeSize { .. }
                | TensorFault::ReshapeVariable { .. } => ".reshape",
                TensorFault::NoDataType { .. } | TensorFault::UnknownDataType { .. } => {
                    ".data_type"
                }
                TensorFault::Format => ".format",
                _ => "",
            };
            (&TENSOR, path + field)
        }
        E::InstanceGroup { group, .. } => {
            let index = config.instance_group.iter().position(|known| known.name == *group);
            (&GROUP, format!("instance_group[{}]", index.unwrap_or(0)))
        }
        E::NoInstanceGroup { .. } | E::TooManyInstances { .. } => own(&GROUP, "instance_group"),
        E::DecoupledCache { .. } => own(&CONFIG, "response_cache"),
        E::Metrics(_) => own(&CONFIG, "model_metrics"),
        E::Platform { .. } | E::PlatformPair { .. } => own(&CONFIG, "platform"),
        E::EnsembleBackend { .. } => own(&ensemble::INVALID, "backend"),
        E::EnsembleSetting { setting, .. } => {
            let field = if *setting == "instance group" { "instance_group" } else { setting };
            own(&ensemble::INVALID, field)
        }
        E::StepField { step, .. } | E::Step { step, .. } => {
            (&ensemble::INVALID, format!("ensemble_scheduling.step[{step}]"))
        }
        E::NotAnEnsemble { .. } | E::NoEnsembleScheduling { .. } | E::NoSteps { .. } => {
            own(&ensemble::INVALID, "ensemble_scheduling")
        }
        fault if ensemble::is_flow(fault) => own(&ensemble::INVALID, "ensemble_scheduling"),
        _ => own(&CONFIG, "name"),
    }
}

/// Which input or output a fault is of; of two of one name the second.
pub(super) fn index_of(
    direction: Direction,
    fault: &TensorFault,
    config: &proto::ModelConfig,
) -> Option<usize> {
    use TensorFault as F;
    let names: Vec<&str> = match direction {
        Direction::Input => config.input.iter().map(|input| input.name.as_str()).collect(),
        Direction::Output => config.output.iter().map(|output| output.name.as_str()).collect(),
    };
    match fault {
        F::NoName => names.iter().position(|name| name.is_empty()),
        F::Format => {
            config.input.iter().position(|input| input.format != 0 && input.dims.len() != 3)
        }
        F::Duplicate { tensor } => names.iter().rposition(|name| name == tensor),
        F::NoDataType { tensor }
        | F::UnknownDataType { tensor, .. }
        | F::NoDims { tensor }
        | F::Dimension { tensor }
        | F::ReshapeDimension { tensor }
        | F::EmptyReshape { tensor }
        | F::ReshapeSize { tensor }
        | F::ReshapeVariable { tensor }
        | F::TooManyElements { tensor }
        | F::ShapeTensor { tensor }
        | F::NonLinear { tensor } => names.iter().position(|name| name == tensor),
    }
}
