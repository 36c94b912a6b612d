//! Takes one fault out of a configuration, so that validation comes to the next.

use super::index_of;
use hippocamp_config::{ConfigError, Direction};
use hippocamp_proto::inference::{
    self as proto, ModelDynamicBatching, ModelInstanceGroup, model_config::SchedulingChoice,
    model_instance_group::Kind,
};

/// Whether `fault` is gone from `config`.
pub(super) fn repair(config: &mut proto::ModelConfig, fault: &ConfigError) -> bool {
    use ConfigError as E;
    match fault {
        E::Unsupported { field, .. } => return clear(config, field),
        E::NegativeBatchSize { .. } => config.max_batch_size = 0,
        E::EmptyVersionPolicy { .. } => {
            let all = proto::model_version_policy::PolicyChoice::All(Default::default());
            config.version_policy = Some(proto::ModelVersionPolicy { policy_choice: Some(all) });
        }
        E::PathEscapes { field, .. } => match *field {
            "runtime" => config.runtime.clear(),
            "default_model_filename" => config.default_model_filename.clear(),
            _ => return false,
        },
        E::LabelPath { output, .. } => {
            let named = config.output.iter_mut().filter(|known| known.name == *output);
            named.for_each(|output| output.label_filename.clear());
        }
        E::PreferredSizePositive { .. } | E::PreferredSizeLimit { .. } => {
            return batching(config, |batching| batching.preferred_batch_size.clear());
        }
        E::DefaultPriority { .. } => {
            return batching(config, |batching| batching.default_priority_level = 1);
        }
        E::PolicyPriority { .. } => {
            return batching(config, |batching| batching.priority_queue_policy.clear());
        }
        E::OrderedPriorities { .. } | E::OrderedDelay { .. } => {
            return batching(config, |batching| batching.preserve_ordering = false);
        }
        E::Tensor { direction, fault, .. } => {
            let Some(index) = index_of(*direction, fault, config) else { return false };
            match direction {
                Direction::Input => drop(config.input.remove(index)),
                Direction::Output => drop(config.output.remove(index)),
            }
        }
        E::InstanceGroup { group, .. } => {
            let named = config.instance_group.iter_mut().find(|known| known.name == *group);
            let Some(found) = named else { return false };
            let kind = Kind::Cpu as i32;
            *found =
                ModelInstanceGroup { name: group.clone(), count: 1, kind, ..Default::default() };
        }
        E::TooManyInstances { .. } => {
            config.instance_group.truncate(1);
            config.instance_group.iter_mut().for_each(|group| group.count = 1);
        }
        E::EnsembleSetting { setting, .. } => match *setting {
            "instance group" => config.instance_group.clear(),
            "optimization" => config.optimization = None,
            _ => config.model_warmup.clear(),
        },
        E::DecoupledCache { .. } => config.response_cache = None,
        E::Metrics(_) => config.model_metrics = None,
        E::PlatformPair { .. } => config.platform.clear(),
        E::Platform { .. } => {
            config.platform.clear();
            "?".clone_into(&mut config.backend);
        }
        _ => return false,
    }
    true
}

fn clear(config: &mut proto::ModelConfig, field: &str) -> bool {
    match field {
        "sequence_batching" => config.scheduling_choice = None,
        "batch_input" => config.batch_input.clear(),
        "batch_output" => config.batch_output.clear(),
        "model_repository_agents" => config.model_repository_agents = None,
        "ensemble_scheduling.step.model_namespace" => {
            let Some(SchedulingChoice::EnsembleScheduling(ensemble)) =
                &mut config.scheduling_choice
            else {
                return false;
            };
            ensemble.step.iter_mut().for_each(|step| step.model_namespace.clear());
        }
        _ => return false,
    }
    true
}

fn batching(config: &mut proto::ModelConfig, change: impl Fn(&mut ModelDynamicBatching)) -> bool {
    let Some(SchedulingChoice::DynamicBatching(batching)) = &mut config.scheduling_choice else {
        return false;
    };
    change(batching);
    true
}
