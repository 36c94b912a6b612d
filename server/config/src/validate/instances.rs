//! Instance groups, as they are after completion.

use crate::{
    ConfigError, GroupFault, InstanceGroup, InstanceKind, MAX_INSTANCES, platform::ENSEMBLE,
};
use hippocamp_proto::inference::{self as proto, ModelInstanceGroup, model_instance_group::Kind};

pub(super) fn validate(config: &proto::ModelConfig) -> Result<Vec<InstanceGroup>, ConfigError> {
    if config.platform == ENSEMBLE {
        return Ok(Vec::new());
    }
    if config.instance_group.is_empty() {
        return Err(ConfigError::NoInstanceGroup { model: config.name.clone() });
    }
    let groups = config
        .instance_group
        .iter()
        .map(|group| {
            instance_group(group).map_err(|fault| ConfigError::InstanceGroup {
                group: group.name.clone(),
                model: config.name.clone(),
                fault,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let count: u64 = groups.iter().map(|group| group.count as u64).sum();
    if count > MAX_INSTANCES as u64 {
        return Err(ConfigError::TooManyInstances { model: config.name.clone(), count });
    }
    Ok(groups)
}

fn instance_group(group: &ModelInstanceGroup) -> Result<InstanceGroup, GroupFault> {
    let kind = match Kind::try_from(group.kind) {
        Ok(Kind::Cpu) => InstanceKind::Cpu,
        Ok(Kind::Model) => InstanceKind::Model,
        Ok(Kind::Gpu) => return Err(GroupFault::NoGpuSupport),
        Ok(Kind::Auto) => return Err(GroupFault::Kind { kind: "KIND_AUTO".to_owned() }),
        Err(_) => return Err(GroupFault::Kind { kind: group.kind.to_string() }),
    };
    if !group.gpus.is_empty() {
        let kind = if kind == InstanceKind::Cpu { "KIND_CPU" } else { "KIND_MODEL" };
        return Err(GroupFault::Gpus { kind });
    }
    if !group.profile.is_empty() {
        return Err(GroupFault::Profile);
    }
    match usize::try_from(group.count) {
        Ok(0) | Err(_) => Err(GroupFault::Count { count: group.count }),
        Ok(count) => Ok(InstanceGroup {
            name: group.name.clone(),
            count,
            kind,
            gpus: Vec::new(),
            passive: group.passive,
            host_policy: group.host_policy.clone(),
        }),
    }
}
