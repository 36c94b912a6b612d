//! Validation: from the completed message to [`ModelConfig`], in Triton's order and with its texts.

mod batching;
mod ensemble;
mod instances;
mod support;
mod tensors;

use crate::{
    ConfigError, ModelConfig, Scheduling,
    platform::{self, ENSEMBLE},
};
use hippocamp_proto::inference::{
    self as proto, model_config::SchedulingChoice, model_version_policy::PolicyChoice,
};
use std::{
    path::{Component, Path},
    sync::Arc,
};

impl ModelConfig {
    /// Validates a configuration that went through [`crate::prepare`] and [`crate::finish`].
    ///
    /// # Errors
    /// The first thing that is wrong or that this server cannot do.
    pub fn new(config: proto::ModelConfig) -> Result<Self, ConfigError> {
        identity(&config)?;
        let max_batch_size = usize::try_from(config.max_batch_size)
            .map_err(|_negative| ConfigError::NegativeBatchSize { model: config.name.clone() })?;
        version_policy(&config)?;
        let warnings = support::check(&config)?;
        let scheduling = match &config.scheduling_choice {
            None => Scheduling::Default,
            Some(SchedulingChoice::DynamicBatching(batching)) => {
                Scheduling::DynamicBatching(batching::validate(&config, batching)?)
            }
            Some(SchedulingChoice::EnsembleScheduling(ensemble)) => {
                Scheduling::Ensemble(ensemble::validate(&config, ensemble)?)
            }
            Some(SchedulingChoice::SequenceBatching(_)) => {
                return Err(support::sequence_batching(&config));
            }
        };
        if config.platform == ENSEMBLE && !matches!(scheduling, Scheduling::Ensemble(_)) {
            return Err(ConfigError::NoEnsembleScheduling { model: config.name });
        }
        let instance_groups = instances::validate(&config)?;
        let (inputs, outputs) = tensors::validate(&config)?;
        Ok(Self {
            name: Arc::from(config.name.as_str()),
            backend: config.backend.clone(),
            max_batch_size,
            inputs,
            outputs,
            scheduling,
            instance_groups,
            decoupled: config.model_transaction_policy.is_some_and(|policy| policy.decoupled),
            raw: Arc::new(config),
            warnings,
        })
    }
}

/// Name, platform, backend and file names.
fn identity(config: &proto::ModelConfig) -> Result<(), ConfigError> {
    let model = || config.name.clone();
    if config.name.is_empty() {
        return Err(ConfigError::NoName);
    }
    if config.backend.is_empty() && config.platform != ENSEMBLE {
        return Err(ConfigError::Platform { platform: config.platform.clone(), model: model() });
    }
    if !config.backend.is_empty() && config.platform == ENSEMBLE {
        return Err(ConfigError::EnsembleBackend { model: model() });
    }
    if !platform::is_pair(&config.platform, &config.backend) {
        return Err(ConfigError::PlatformPair {
            platform: config.platform.clone(),
            backend: config.backend.clone(),
        });
    }
    // A backend's name becomes part of a path too: `<backend-directory>/<name>/libtriton_<name>.so`.
    for (field, inside, path, is_name) in [
        ("name", "model repository", &config.name, true),
        ("backend", "backend", &config.backend, true),
        ("runtime", "backend", &config.runtime, true),
        ("default_model_filename", "model", &config.default_model_filename, false),
    ] {
        if !path.is_empty() && (!stays_inside(path) || (is_name && path.contains('/'))) {
            return Err(ConfigError::PathEscapes {
                field,
                model: model(),
                inside,
                path: path.clone(),
            });
        }
    }
    Ok(())
}

fn version_policy(config: &proto::ModelConfig) -> Result<(), ConfigError> {
    let model = || config.name.clone();
    let choice = config.version_policy.as_ref().and_then(|policy| policy.policy_choice.as_ref());
    let empty =
        |policy, expected| ConfigError::EmptyVersionPolicy { policy, model: model(), expected };
    match choice {
        None => Err(ConfigError::NoVersionPolicy { model: model() }),
        Some(PolicyChoice::Latest(latest)) if latest.num_versions == 0 => {
            Err(empty("latest", "'num_versions' must be at least 1"))
        }
        Some(PolicyChoice::Specific(specific))
            if !specific.versions.iter().any(|&version| version > 0) =>
        {
            Err(empty("specific", "'versions' must list versions >= 1"))
        }
        Some(_) => Ok(()),
    }
}

/// Whether a path out of a configuration stays below the directory it is joined to.
fn stays_inside(path: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !path.contains('\0') && Path::new(path).components().all(plain)
}

#[cfg(test)]
mod tests;
