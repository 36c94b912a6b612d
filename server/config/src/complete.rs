//! Completion: what a configuration leaves out is filled in, before its backend sees it
//! ([`prepare`]), from what the backend found in the model's file ([`merge_auto_completed`]), and at
//! the end ([`finish`]). Each step leaves alone what is set, so each may run again.

use crate::{
    ConfigError,
    platform::{self, ENSEMBLE, PLATFORMS, Platform},
    version_directories,
};
use hippocamp_proto::inference::{
    self as proto, ModelInstanceGroup, ModelVersionPolicy,
    model_config::SchedulingChoice,
    model_instance_group::Kind,
    model_optimization_policy::PinnedMemoryBuffer,
    model_version_policy::{Latest, PolicyChoice},
};
use std::path::Path;

/// Fills in name, platform, backend, file name and version policy from the model's name (that of its
/// directory) and from the files of its versions.
///
/// # Errors
/// If the configuration names another model, if nothing tells the backend, or if the directory
/// cannot be read.
pub fn prepare(
    mut config: proto::ModelConfig,
    model_name: &str,
    model_dir: &Path,
) -> Result<proto::ModelConfig, ConfigError> {
    if config.name.is_empty() {
        model_name.clone_into(&mut config.name);
    }
    if config.name != model_name {
        return Err(ConfigError::DirectoryName {
            directory: model_name.to_owned(),
            name: config.name,
        });
    }
    let ensemble =
        matches!(config.scheduling_choice, Some(SchedulingChoice::EnsembleScheduling(_)));
    if ensemble && config.platform.is_empty() && config.backend.is_empty() {
        ENSEMBLE.clone_into(&mut config.platform);
    }
    if config.platform != ENSEMBLE {
        complete_backend(&mut config, model_dir)?;
    }
    config.version_policy = Some(version_policy(config.version_policy));
    Ok(config)
}

/// Takes over what a backend may complete: inputs, outputs, batch size, a scheduler where there was
/// none, the transaction policy, and parameters that the configuration does not have (those Triton
/// would drop: here a model's file says by them which encoder it is or belongs to). Everything else
/// in `from_backend` is the configuration itself, handed back.
///
/// # Errors
/// If the backend chose another scheduler than the configuration.
pub fn merge_auto_completed(
    mut config: proto::ModelConfig,
    from_backend: proto::ModelConfig,
) -> Result<proto::ModelConfig, ConfigError> {
    let (from, to) = (scheduler_name(&config), scheduler_name(&from_backend));
    match from {
        None => config.scheduling_choice = from_backend.scheduling_choice,
        Some(chosen) if to != Some(chosen) => {
            return Err(ConfigError::SchedulingChoice { from: chosen, to: to.unwrap_or("none") });
        }
        Some(_) => {}
    }
    config.max_batch_size = from_backend.max_batch_size;
    config.input = from_backend.input;
    config.output = from_backend.output;
    for (key, value) in from_backend.parameters {
        config.parameters.entry(key).or_insert(value);
    }
    if let Some(policy) = from_backend.model_transaction_policy {
        config.model_transaction_policy = Some(policy);
    }
    Ok(config)
}

/// Fills in what clients see of every served model: instance groups, as the backend prefers them,
/// preferred batch sizes, pinned memory; for an ensemble its transaction policy.
pub fn finish(
    mut config: proto::ModelConfig,
    preferred_instance_groups: &[ModelInstanceGroup],
) -> proto::ModelConfig {
    config.version_policy = Some(version_policy(config.version_policy));
    if let Some(SchedulingChoice::DynamicBatching(batching)) = &mut config.scheduling_choice
        && batching.preferred_batch_size.is_empty()
        && config.max_batch_size > 0
    {
        batching.preferred_batch_size.push(config.max_batch_size);
    }
    if let Some(SchedulingChoice::EnsembleScheduling(_)) = &config.scheduling_choice {
        // Decoupled if a member is: `core` sets it when it knows the members.
        config.model_transaction_policy.get_or_insert_default();
        return config;
    }
    let optimization = config.optimization.get_or_insert_default();
    optimization.input_pinned_memory.get_or_insert(PinnedMemoryBuffer { enable: true });
    optimization.output_pinned_memory.get_or_insert(PinnedMemoryBuffer { enable: true });
    complete_instance_groups(&mut config, preferred_instance_groups);
    config
}

/// Which scheduler is set, under its field's name.
fn scheduler_name(config: &proto::ModelConfig) -> Option<&'static str> {
    config.scheduling_choice.as_ref().map(|choice| match choice {
        SchedulingChoice::DynamicBatching(_) => "dynamic_batching",
        SchedulingChoice::SequenceBatching(_) => "sequence_batching",
        SchedulingChoice::EnsembleScheduling(_) => "ensemble_scheduling",
    })
}

fn version_policy(policy: Option<ModelVersionPolicy>) -> ModelVersionPolicy {
    policy.filter(|policy| policy.policy_choice.is_some()).unwrap_or(ModelVersionPolicy {
        policy_choice: Some(PolicyChoice::Latest(Latest { num_versions: 1 })),
    })
}

fn complete_backend(config: &mut proto::ModelConfig, model_dir: &Path) -> Result<(), ConfigError> {
    let backend = config.backend.clone();
    let fits = |known: &Platform| backend.is_empty() || known.backend == backend;
    let default = PLATFORMS.iter().find(|known| known.backend == backend);
    if !backend.is_empty() && default.is_none() {
        // A backend of its own: it knows its files.
        return Ok(());
    }
    let filename = config.default_model_filename.as_str();
    let known = if !config.platform.is_empty() {
        // A platform that is unknown or another backend's stays as it is: validation says so.
        platform::by_name(&config.platform).filter(|known| fits(known))
    } else if filename.is_empty() {
        find_model_file(model_dir, fits)?.or(default)
    } else {
        platform::by_filename(filename).filter(|known| fits(known)).or(default)
    };
    match known {
        Some(known) => complete_from(config, known),
        None if config.platform.is_empty() && config.default_model_filename.is_empty() => {
            backend_from_name(config)?
        }
        None => {}
    }
    Ok(())
}

fn complete_from(config: &mut proto::ModelConfig, known: &Platform) {
    let fill = |field: &mut String, value: &str| {
        if field.is_empty() {
            value.clone_into(field);
        }
    };
    fill(&mut config.backend, known.backend);
    fill(&mut config.platform, known.platform);
    fill(&mut config.default_model_filename, known.filename);
}

/// `m.identity` is run by the backend `identity`.
fn backend_from_name(config: &mut proto::ModelConfig) -> Result<(), ConfigError> {
    let unknown = || ConfigError::NoBackend { model: config.name.clone() };
    let (_, backend) = config.name.split_once('.').ok_or_else(unknown)?;
    if backend.is_empty() {
        return Err(unknown());
    }
    config.backend = backend.to_owned();
    config.default_model_filename = format!("model.{backend}");
    Ok(())
}

/// The first known model file in the directories of the versions, the lowest version first.
fn find_model_file(
    model_dir: &Path,
    wanted: impl Fn(&Platform) -> bool,
) -> Result<Option<&'static Platform>, ConfigError> {
    let unreadable = |source| ConfigError::Read { file: model_dir.to_owned(), source };
    for version in version_directories(model_dir).map_err(unreadable)? {
        let directory = model_dir.join(version.to_string());
        let holds = |known: &&Platform| wanted(known) && directory.join(known.filename).exists();
        if let Some(known) = PLATFORMS.iter().find(holds) {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

/// As Triton's `NormalizeInstanceGroup` on a machine without GPU.
fn complete_instance_groups(config: &mut proto::ModelConfig, preferred: &[ModelInstanceGroup]) {
    let preferred: Vec<_> = preferred.iter().filter(|group| group.kind() != Kind::Gpu).collect();
    if config.instance_group.is_empty() {
        let mut group =
            ModelInstanceGroup { name: config.name.clone(), ..ModelInstanceGroup::default() };
        if let Some(first) = preferred.first() {
            group.kind = first.kind;
            group.count = first.count;
        }
        config.instance_group.push(group);
    }
    for (i, group) in config.instance_group.iter_mut().enumerate() {
        if group.name.is_empty() {
            group.name = format!("{}_{i}", config.name);
        }
        if group.kind() == Kind::Auto && group.kind == Kind::Auto as i32 {
            group.set_kind(Kind::Cpu);
        }
        let like = preferred.iter().find(|like| like.kind == group.kind && like.count > 0);
        if group.count == 0 {
            group.count = like.map_or(1, |like| like.count);
        }
    }
}

#[cfg(test)]
mod tests;
