//! Model configuration: parse (`config.pbtxt`, JSON), complete, validate.
//!
//! The way of one configuration: [`read_pbtxt`] or [`from_json`], then [`prepare`] before the
//! backend sees it, [`merge_auto_completed`] with what the backend found in the model's file,
//! [`finish`], and [`ModelConfig::new`], past which nothing checks again. Called by `core` when a
//! model loads; `docs/model_configuration.md` says what becomes of each field.
#![forbid(unsafe_code)]

mod complete;
mod error;
mod json;
mod model;
mod pbtxt;
mod platform;
mod positions;
mod suggest;
mod validate;
mod versions;

#[cfg(test)]
mod tests;

pub use complete::{finish, merge_auto_completed, prepare};
pub use error::{ConfigError, Direction, GroupFault, StepFault, TensorFault, TextFault};
pub use json::{from_json, to_json};
pub use model::{
    DynamicBatching, Ensemble, EnsembleStep, InputConfig, InstanceGroup, InstanceKind, ModelConfig,
    OutputConfig, QueuePolicy, Scheduling, TimeoutAction,
};
pub use pbtxt::{parse_pbtxt, read_pbtxt};
pub use platform::platforms;
pub use positions::{Position, Positions};
pub use suggest::nearest;
pub use versions::{select_versions, version_directories, version_number};

/// The largest configuration that is read, in bytes; the largest known ones have some 10 KiB.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;

/// The most instances that one model may ask for: each is a thread.
pub const MAX_INSTANCES: usize = 1024;
