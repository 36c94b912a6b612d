//! What this server does not do (yet). Refused where ignoring the field would change answers or drop
//! a protection; a warning where only speed or an optional service is lost. Nothing is ignored
//! silently; `docs/model_configuration.md` has the same list for readers.

use crate::ConfigError;
use hippocamp_proto::inference::{
    self as proto, model_config::SchedulingChoice, model_optimization_policy::ModelPriority,
};

/// Refuses, or returns the warnings.
pub(super) fn check(config: &proto::ModelConfig) -> Result<Vec<String>, ConfigError> {
    refuse(config)?;
    metrics(config)?;
    let decoupled = config.model_transaction_policy.is_some_and(|policy| policy.decoupled);
    let cached = config.response_cache.is_some_and(|cache| cache.enable);
    if decoupled && cached {
        return Err(ConfigError::DecoupledCache { model: config.name.clone() });
    }
    let mut warnings = Vec::new();
    let mut warn = |set: bool, field: &str, effect: &str| {
        if set {
            warnings.push(format!(
                "field '{field}' of model '{}' has no effect: {effect}",
                config.name
            ));
        }
    };
    warn(cached, "response_cache", "responses are not cached");
    warn(config.model_metrics.is_some(), "model_metrics", "histograms keep their buckets");
    warn(
        !config.cc_model_filenames.is_empty(),
        "cc_model_filenames",
        "it chooses among files for GPUs",
    );
    let libraries = config
        .model_operations
        .as_ref()
        .is_some_and(|operations| !operations.op_library_filename.is_empty());
    warn(
        libraries,
        "model_operations.op_library_filename",
        "libraries of operators are not loaded",
    );
    let strategy = config.parameters.contains_key("TRITON_BATCH_STRATEGY_PATH");
    warn(
        strategy,
        "parameters.TRITON_BATCH_STRATEGY_PATH",
        "batches are formed by the server alone",
    );
    optimization(config, &mut warn);
    instance_groups(config, &mut warn);
    batching(config, &mut warn);
    Ok(warnings)
}

/// The refusal of `sequence_batching`.
pub(super) fn sequence_batching(config: &proto::ModelConfig) -> ConfigError {
    unsupported(
        config,
        "sequence_batching",
        "requests of one sequence would not reach one instance in order",
    )
}

fn refuse(config: &proto::ModelConfig) -> Result<(), ConfigError> {
    let namespaced = match &config.scheduling_choice {
        Some(SchedulingChoice::SequenceBatching(_)) => return Err(sequence_batching(config)),
        Some(SchedulingChoice::EnsembleScheduling(ensemble)) => {
            ensemble.step.iter().any(|step| !step.model_namespace.is_empty())
        }
        _ => false,
    };
    let agents =
        config.model_repository_agents.as_ref().is_some_and(|agents| !agents.agents.is_empty());
    for (set, field, reason) in [
        (
            !config.batch_input.is_empty(),
            "batch_input",
            "the model would miss the inputs it describes",
        ),
        (
            !config.batch_output.is_empty(),
            "batch_output",
            "outputs would be divided wrongly among requests",
        ),
        (
            agents,
            "model_repository_agents",
            "what the agents check or decrypt would pass unchecked",
        ),
        (
            namespaced,
            "ensemble_scheduling.step.model_namespace",
            "a model of the same name from another repository might run",
        ),
    ] {
        if set {
            return Err(unsupported(config, field, reason));
        }
    }
    Ok(())
}

fn optimization(config: &proto::ModelConfig, warn: &mut impl FnMut(bool, &str, &str)) {
    let Some(optimization) = &config.optimization else { return };
    let priority = optimization.priority != ModelPriority::PriorityDefault as i32;
    warn(priority, "optimization.priority", "it is for TensorRT");
    warn(optimization.cuda.is_some(), "optimization.cuda", "this server does not use GPUs");
    let accelerators = optimization.execution_accelerators.is_some();
    warn(accelerators, "optimization.execution_accelerators", "the backends have no accelerators");
    let gather = optimization.gather_kernel_buffer_threshold != 0;
    warn(gather, "optimization.gather_kernel_buffer_threshold", "this server does not use GPUs");
    warn(
        optimization.eager_batching,
        "optimization.eager_batching",
        "batches are gathered when they execute",
    );
}

fn instance_groups(config: &proto::ModelConfig, warn: &mut impl FnMut(bool, &str, &str)) {
    let any = |set: fn(&proto::ModelInstanceGroup) -> bool| config.instance_group.iter().any(set);
    warn(
        any(|group| group.rate_limiter.is_some()),
        "instance_group.rate_limiter",
        "executions are not rate-limited",
    );
    warn(
        any(|group| !group.secondary_devices.is_empty()),
        "instance_group.secondary_devices",
        "no backend uses them",
    );
    warn(
        any(|group| !group.host_policy.is_empty()),
        "instance_group.host_policy",
        "there are no host policies",
    );
}

fn batching(config: &proto::ModelConfig, warn: &mut impl FnMut(bool, &str, &str)) {
    let Some(SchedulingChoice::DynamicBatching(batching)) = &config.scheduling_choice else {
        return;
    };
    if batching.priority_levels == 0 {
        let reason = "'priority_levels' is 0, so there are no priorities";
        warn(
            batching.default_priority_level != 0,
            "dynamic_batching.default_priority_level",
            reason,
        );
        warn(
            !batching.priority_queue_policy.is_empty(),
            "dynamic_batching.priority_queue_policy",
            reason,
        );
    }
}

/// `model_metrics` must be whole even though it has no effect: it would fail on another server.
fn metrics(config: &proto::ModelConfig) -> Result<(), ConfigError> {
    for control in config.model_metrics.iter().flat_map(|metrics| &metrics.metric_control) {
        let fault = match (&control.metric_identifier, &control.metric_options) {
            (None, _) => "metric control must specify 'metric_identifier'",
            (Some(identifier), _) if identifier.family.is_empty() => {
                "metric identifier must specify non-empty 'family'"
            }
            (_, None) => "metric control must specify 'histogram_options'",
            (
                _,
                Some(proto::model_metrics::metric_control::MetricOptions::HistogramOptions(
                    options,
                )),
            ) if options.buckets.is_empty() => "histogram options must specify non-empty 'buckets'",
            _ => continue,
        };
        return Err(ConfigError::Metrics(fault));
    }
    Ok(())
}

fn unsupported(
    config: &proto::ModelConfig,
    field: &'static str,
    reason: &'static str,
) -> ConfigError {
    ConfigError::Unsupported { field, model: config.name.clone(), reason }
}
