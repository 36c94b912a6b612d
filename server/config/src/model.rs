//! The validated model configuration. Only valid values exist past here: nothing above checks again.

use hippocamp_proto::inference as proto;
use hippocamp_types::{DataType, Shape};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A model's configuration after completion and validation; made by [`ModelConfig::new`] alone.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// Equal to the model's directory.
    pub name: Arc<str>,
    /// Which backend runs the model; empty for an ensemble.
    pub backend: String,
    /// 0: the model has no batch dimension. Otherwise every input and output has a leading one.
    pub max_batch_size: usize,
    /// In the order of the file.
    pub inputs: Vec<InputConfig>,
    /// In the order of the file.
    pub outputs: Vec<OutputConfig>,
    /// How requests reach the instances.
    pub scheduling: Scheduling,
    /// At least one, except for ensembles.
    pub instance_groups: Vec<InstanceGroup>,
    /// A request may have any number of responses.
    pub decoupled: bool,
    /// The whole configuration, as clients and backends see it.
    pub raw: Arc<proto::ModelConfig>,
    /// What the configuration asks for and this server does not do, a sentence each; for the log.
    pub warnings: Vec<String>,
}

/// One input tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputConfig {
    /// Unique among the inputs.
    pub name: String,
    /// Datatype of the elements.
    pub datatype: DataType,
    /// Without the batch dimension; -1 is any size.
    pub dims: Shape,
    /// The shape the backend sees instead of `dims`.
    pub reshape: Option<Shape>,
    /// A request may leave it out.
    pub optional: bool,
    /// May be batched with other lengths.
    pub allow_ragged_batch: bool,
}

/// One output tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Unique among the outputs.
    pub name: String,
    /// Datatype of the elements.
    pub datatype: DataType,
    /// Without the batch dimension; -1 is any size.
    pub dims: Shape,
    /// The shape the backend writes instead of `dims`.
    pub reshape: Option<Shape>,
    /// File with one class label a line, relative to the model's directory.
    pub label_filename: Option<String>,
}

/// Which scheduler serves the model.
#[derive(Clone, Debug)]
pub enum Scheduling {
    /// One request an execution.
    Default,
    /// `dynamic_batching`.
    DynamicBatching(DynamicBatching),
    /// `ensemble_scheduling`.
    Ensemble(Ensemble),
}

/// `dynamic_batching`.
#[derive(Clone, Debug, Default)]
pub struct DynamicBatching {
    /// Ascending; empty: as large as possible.
    pub preferred_batch_sizes: Vec<usize>,
    /// Time a request may wait for company.
    pub max_queue_delay: Duration,
    /// Responses leave in the order of their requests.
    pub preserve_ordering: bool,
    /// 0: no priorities. Otherwise levels 1 (first) to this.
    pub priority_levels: u64,
    /// Level of a request that names none.
    pub default_priority_level: u64,
    /// Of every level without its own.
    pub default_queue_policy: QueuePolicy,
    /// Per level.
    pub priority_queue_policy: BTreeMap<u64, QueuePolicy>,
}

/// `ModelQueuePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePolicy {
    /// What happens to a request that waited too long.
    pub timeout_action: TimeoutAction,
    /// Zero: no timeout.
    pub default_timeout: Duration,
    /// A request may bring a shorter timeout of its own.
    pub allow_timeout_override: bool,
    /// 0: no limit of its own.
    pub max_queue_size: usize,
}

/// What happens to a request that waited too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeoutAction {
    /// It is refused.
    #[default]
    Reject,
    /// It is served after those that are in time.
    Delay,
}

/// `ensemble_scheduling`: steps connected by named tensors.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// In the order of the file.
    pub steps: Vec<EnsembleStep>,
    /// Requests of this ensemble in flight at once; 0: no limit of its own.
    pub max_inflight_requests: u32,
}

/// One step of an ensemble.
#[derive(Clone, Debug)]
pub struct EnsembleStep {
    /// The member model.
    pub model: Arc<str>,
    /// `None`: its latest version.
    pub version: Option<u64>,
    /// Model input -> ensemble tensor.
    pub input_map: BTreeMap<String, String>,
    /// Model output -> ensemble tensor.
    pub output_map: BTreeMap<String, String>,
}

/// One `instance_group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceGroup {
    /// Prefix of the instances' names.
    pub name: String,
    /// Instances of this group (per device for GPU groups).
    pub count: usize,
    /// Where they run.
    pub kind: InstanceKind,
    /// Devices of a GPU group; one instance each per `count`.
    pub gpus: Vec<i32>,
    /// `passive`: initialised, never scheduled.
    pub passive: bool,
    /// `host_policy`, empty for the default.
    pub host_policy: String,
}

/// Where an instance runs; numbered as in the backend C API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum InstanceKind {
    Auto = 0,
    Cpu = 1,
    Gpu = 2,
    Model = 3,
}
