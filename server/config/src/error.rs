//! Everything that can be wrong with a model configuration, and its one way to the seam's error.

mod fault;

pub use fault::{Direction, GroupFault, StepFault, TensorFault, TextFault};

use hippocamp_types::{Error, ErrorCode};
use std::{io, path::PathBuf};

/// What is wrong with a configuration. Texts are Triton's where Triton has one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read '{}': {source}", file.display())]
    Read {
        /// The file or directory.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is longer than any configuration.
    #[error(
        "{file}: the file has {size} bytes, a model configuration at most {}",
        crate::MAX_CONFIG_BYTES
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: u64,
    },
    /// The text format is UTF-8.
    #[error("{file}: expected UTF-8 text, byte {offset} is not")]
    NotUtf8 {
        /// The file.
        file: String,
        /// The first byte that is no UTF-8, from 0.
        offset: usize,
    },
    /// The text is no `ModelConfig` in protobuf's text format.
    #[error("{file}:{line}:{column}: {fault}")]
    Text {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What stands there; boxed to keep the error small.
        fault: Box<TextFault>,
    },
    /// The JSON is no `ModelConfig`.
    #[error("{}{reason}", at_path(path))]
    Json {
        /// The field, such as `input[0].dims`; empty for the whole.
        path: String,
        /// What was expected and what came.
        reason: String,
    },
    /// A model's directory carries its name.
    #[error(
        "unexpected directory name '{directory}' for model '{name}', directory name must equal model name"
    )]
    DirectoryName {
        /// The directory's name.
        directory: String,
        /// The name in the configuration.
        name: String,
    },
    /// Neither the configuration nor the files say which backend runs the model.
    #[error(
        "Invalid model name: Could not determine backend for model '{model}' with no backend in model configuration. \
         Expected model name of the form 'model.<backend_name>'."
    )]
    NoBackend {
        /// The model.
        model: String,
    },
    /// A backend changed the scheduler that the configuration chose.
    #[error("Cannot update scheduling choice from {from} to {to} when auto-completing.")]
    SchedulingChoice {
        /// The configuration's choice.
        from: &'static str,
        /// The backend's.
        to: &'static str,
    },
    /// A field whose absence of effect would change answers, or that promises protection.
    #[error("field '{field}' of model '{model}' is not supported: {reason}")]
    Unsupported {
        /// The field's path.
        field: &'static str,
        /// The model.
        model: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// `name` is missing.
    #[error("model configuration must specify 'name'")]
    NoName,
    /// There is no backend, and the platform implies none.
    #[error("unexpected platform type '{platform}' for {model}")]
    Platform {
        /// The platform.
        platform: String,
        /// The model.
        model: String,
    },
    /// An ensemble has no backend.
    #[error("Ensemble model '{model}' must have platform type 'ensemble' and empty backend type")]
    EnsembleBackend {
        /// The model.
        model: String,
    },
    /// Platform and backend contradict each other.
    #[error("unexpected 'platform' and 'backend' pair, got:{platform}, {backend}")]
    PlatformPair {
        /// The platform.
        platform: String,
        /// The backend.
        backend: String,
    },
    /// A number that may not be negative.
    #[error("'max_batch_size' must be non-negative value for {model}")]
    NegativeBatchSize {
        /// The model.
        model: String,
    },
    /// No version policy.
    #[error("must specify 'version policy' for {model}")]
    NoVersionPolicy {
        /// The model.
        model: String,
    },
    /// The version policy selects nothing, whatever versions there are.
    #[error("version policy '{policy}' for {model} selects no version: {expected}")]
    EmptyVersionPolicy {
        /// `latest` or `specific`.
        policy: &'static str,
        /// The model.
        model: String,
        /// What it should say.
        expected: &'static str,
    },
    /// A file name that leads out of the directory it belongs to.
    #[error(
        "'{field}' of model '{model}' must be a path inside the {inside} directory, got '{path}'"
    )]
    PathEscapes {
        /// The field.
        field: &'static str,
        /// The model.
        model: String,
        /// `model` or `backend`.
        inside: &'static str,
        /// The path.
        path: String,
    },
    /// A label file outside the model's directory.
    #[error(
        "label file path '{path}' for output '{output}' in model '{model}' is outside model directory"
    )]
    LabelPath {
        /// The path in the configuration.
        path: String,
        /// The output.
        output: String,
        /// The model.
        model: String,
    },
    /// A preferred batch size below 1.
    #[error("dynamic batching preferred size must be positive for {model}")]
    PreferredSizePositive {
        /// The model.
        model: String,
    },
    /// A preferred batch size that no batch can have.
    #[error("dynamic batching preferred size must be <= max batch size for {model}")]
    PreferredSizeLimit {
        /// The model.
        model: String,
    },
    /// The default priority is no level.
    #[error("default priority level must be in range [1, {levels}] for {model}")]
    DefaultPriority {
        /// `priority_levels`.
        levels: u64,
        /// The model.
        model: String,
    },
    /// A queue policy for no level.
    #[error("priority queue policy must have priority level in range [1, {levels}] for {model}")]
    PolicyPriority {
        /// `priority_levels`.
        levels: u64,
        /// The model.
        model: String,
    },
    /// Order and priorities exclude each other.
    #[error("Only one priority level is allowed when 'preserve_ordering' is true for {model}")]
    OrderedPriorities {
        /// The model.
        model: String,
    },
    /// Order and delay exclude each other.
    #[error(
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for {model}"
    )]
    OrderedDelay {
        /// The model.
        model: String,
    },
    /// An enum number that has no name.
    #[error("field '{field}' of model '{model}' has no value {value}")]
    UnknownEnum {
        /// The field.
        field: &'static str,
        /// The model.
        model: String,
        /// The number.
        value: i32,
    },
    /// An input or output.
    #[error("model {direction} {fault} for {model}")]
    Tensor {
        /// Which of the two.
        direction: Direction,
        /// What is wrong with it.
        fault: TensorFault,
        /// The model.
        model: String,
    },
    /// An instance group.
    #[error("instance group {group} of model {model} {fault}")]
    InstanceGroup {
        /// Its name.
        group: String,
        /// The model.
        model: String,
        /// What is wrong with it.
        fault: GroupFault,
    },
    /// No instance group.
    #[error("must specify one or more 'instance group's for {model}")]
    NoInstanceGroup {
        /// The model.
        model: String,
    },
    /// More instances than threads are allowed.
    #[error("model {model} asks for {count} instances, expected at most {}", crate::MAX_INSTANCES)]
    TooManyInstances {
        /// The model.
        model: String,
        /// What it asks for.
        count: u64,
    },
    /// `ensemble_scheduling` without the platform.
    #[error("ensemble scheduling cannot be set for model '{model}' whose platform is not ensemble")]
    NotAnEnsemble {
        /// The model.
        model: String,
    },
    /// The platform without `ensemble_scheduling`.
    #[error("ensemble scheduling must be set for ensemble {model} whose platform is ensemble")]
    NoEnsembleScheduling {
        /// The model.
        model: String,
    },
    /// A setting that has no meaning for an ensemble.
    #[error("{setting} {verb} not be specified for ensemble '{model}'")]
    EnsembleSetting {
        /// The setting.
        setting: &'static str,
        /// `should` or `can`: Triton says both.
        verb: &'static str,
        /// The ensemble.
        model: String,
    },
    /// An ensemble of nothing.
    #[error("must specify 'step' for ensemble '{model}'")]
    NoSteps {
        /// The ensemble.
        model: String,
    },
    /// One step of an ensemble.
    #[error("{fault} for ensemble '{model}' step {step}")]
    Step {
        /// What is wrong with it.
        fault: StepFault,
        /// The ensemble.
        model: String,
        /// From 0.
        step: usize,
    },
    /// A step leaves out what every step has.
    #[error("must specify '{field}' in step {step} of ensemble '{model}'")]
    StepField {
        /// `model_name`, `input_map` or `output_map`.
        field: &'static str,
        /// From 0.
        step: usize,
        /// The ensemble.
        model: String,
    },
    /// No step reads an input, or no step has anything to do with an output.
    #[error("ensemble {direction} '{tensor}' for ensemble {model}' is not used")]
    EnsembleTensorNotUsed {
        /// Which of the two.
        direction: Direction,
        /// The tensor.
        tensor: String,
        /// The ensemble.
        model: String,
    },
    /// An output that no step can ever write.
    #[error("output '{output}' for ensemble '{model}' is not written{}", not_connected(missing))]
    EnsembleOutputNotWritten {
        /// The output.
        output: String,
        /// The ensemble.
        model: String,
        /// The tensor that is missing for it.
        missing: Option<String>,
    },
    /// A tensor between steps that nobody reads, or that cannot be computed.
    #[error("ensemble tensor '{tensor}' is unused in ensemble '{model}'")]
    EnsembleTensorUnused {
        /// The tensor.
        tensor: String,
        /// The ensemble.
        model: String,
    },
    /// A cache cannot answer a decoupled request.
    #[error(
        "Response Cache does not currently support model {model} with 'decoupled' transaction policy. \
         Please disable the response cache."
    )]
    DecoupledCache {
        /// The model.
        model: String,
    },
    /// `model_metrics` lacks something.
    #[error("{0}")]
    Metrics(&'static str),
}

impl ConfigError {
    /// The code at the seam.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Read { .. } => ErrorCode::Internal,
            Self::Unsupported { .. } | Self::LabelPath { .. } => ErrorCode::Unsupported,
            _ => ErrorCode::InvalidArgument,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn not_connected(missing: &Option<String>) -> String {
    missing.as_ref().map_or_else(String::new, |tensor| {
        format!(": at least one of its depending tensors, '{tensor}', is not connected")
    })
}
