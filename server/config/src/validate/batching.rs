//! `dynamic_batching`: preferred sizes, priorities, queue policies.

use crate::{ConfigError, DynamicBatching, QueuePolicy, TimeoutAction};
use hippocamp_proto::inference::{
    self as proto, ModelDynamicBatching, ModelQueuePolicy,
    model_queue_policy::TimeoutAction as ProtoAction,
};
use std::time::Duration;

pub(super) fn validate(
    config: &proto::ModelConfig,
    batching: &ModelDynamicBatching,
) -> Result<DynamicBatching, ConfigError> {
    let levels = batching.priority_levels;
    let default_queue_policy = match &batching.default_queue_policy {
        Some(policy) => queue_policy(config, policy)?,
        None => QueuePolicy::default(),
    };
    let priority_queue_policy = batching
        .priority_queue_policy
        .iter()
        .map(|(&level, policy)| Ok((level, queue_policy(config, policy)?)))
        .collect::<Result<_, ConfigError>>()?;
    let batching = DynamicBatching {
        preferred_batch_sizes: preferred_sizes(config, &batching.preferred_batch_size)?,
        max_queue_delay: Duration::from_micros(batching.max_queue_delay_microseconds),
        preserve_ordering: batching.preserve_ordering,
        priority_levels: levels,
        default_priority_level: batching.default_priority_level,
        default_queue_policy,
        priority_queue_policy,
    };
    priorities(config, &batching)?;
    ordering(config, &batching)?;
    Ok(batching)
}

fn preferred_sizes(config: &proto::ModelConfig, sizes: &[i32]) -> Result<Vec<usize>, ConfigError> {
    let model = || config.name.clone();
    let mut preferred = sizes
        .iter()
        .map(|&size| match usize::try_from(size) {
            Ok(0) | Err(_) => Err(ConfigError::PreferredSizePositive { model: model() }),
            Ok(_) if size > config.max_batch_size => {
                Err(ConfigError::PreferredSizeLimit { model: model() })
            }
            Ok(size) => Ok(size),
        })
        .collect::<Result<Vec<_>, _>>()?;
    preferred.sort_unstable();
    preferred.dedup();
    Ok(preferred)
}

fn priorities(config: &proto::ModelConfig, batching: &DynamicBatching) -> Result<(), ConfigError> {
    let (levels, model) = (batching.priority_levels, || config.name.clone());
    if levels == 0 {
        return Ok(());
    }
    if !(1..=levels).contains(&batching.default_priority_level) {
        return Err(ConfigError::DefaultPriority { levels, model: model() });
    }
    if batching.priority_queue_policy.keys().any(|level| !(1..=levels).contains(level)) {
        return Err(ConfigError::PolicyPriority { levels, model: model() });
    }
    Ok(())
}

fn ordering(config: &proto::ModelConfig, batching: &DynamicBatching) -> Result<(), ConfigError> {
    if !batching.preserve_ordering {
        return Ok(());
    }
    let model = config.name.clone();
    if batching.priority_levels > 1 {
        return Err(ConfigError::OrderedPriorities { model });
    }
    let delays = |policy: &QueuePolicy| {
        policy.timeout_action == TimeoutAction::Delay && !policy.default_timeout.is_zero()
    };
    if delays(&batching.default_queue_policy) || batching.priority_queue_policy.values().any(delays)
    {
        return Err(ConfigError::OrderedDelay { model });
    }
    Ok(())
}

fn queue_policy(
    config: &proto::ModelConfig,
    policy: &ModelQueuePolicy,
) -> Result<QueuePolicy, ConfigError> {
    let timeout_action = match ProtoAction::try_from(policy.timeout_action) {
        Ok(ProtoAction::Reject) => TimeoutAction::Reject,
        Ok(ProtoAction::Delay) => TimeoutAction::Delay,
        Err(_) => {
            return Err(ConfigError::UnknownEnum {
                field: "timeout_action",
                model: config.name.clone(),
                value: policy.timeout_action,
            });
        }
    };
    Ok(QueuePolicy {
        timeout_action,
        default_timeout: Duration::from_micros(policy.default_timeout_microseconds),
        allow_timeout_override: policy.allow_timeout_override,
        max_queue_size: policy.max_queue_size as usize,
    })
}
