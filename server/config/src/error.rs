//! Everything that can be wrong with a model configuration, and its one way to the seam's error.

use hippocamp_types::{Error, ErrorCode};
use std::{fmt, io, path::PathBuf};

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
        /// What stands there.
        fault: TextFault,
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

/// What stands at a place in the text format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// The message has no such field.
    #[error("unknown field '{path}': {message} has no field of this name, {hint}")]
    UnknownField {
        /// From the top, such as `input.dimz`.
        path: String,
        /// The message's type.
        message: String,
        /// The nearest name, or all.
        hint: String,
    },
    /// The enum has no such value.
    #[error("field '{path}': {kind} has no value '{value}', {hint}")]
    UnknownValue {
        /// From the top.
        path: String,
        /// The enum's type.
        kind: String,
        /// What came.
        value: String,
        /// The nearest name, or all.
        hint: String,
    },
    /// A wrong type, a wrong token, a number out of range.
    #[error("{}{reason}", at_field(path))]
    Syntax {
        /// From the top; empty at the top.
        path: String,
        /// What was expected and what came.
        reason: String,
    },
    /// Deeper than any configuration.
    #[error("more than {limit} messages and lists inside each other")]
    TooDeep {
        /// The most that are read.
        limit: usize,
    },
}

/// Input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Input,
    Output,
}

/// What is wrong with an input or output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it; `tensor` is the tensor's name")]
pub enum TensorFault {
    #[error("must specify 'name'")]
    NoName,
    #[error("'{tensor}' must specify 'data_type'")]
    NoDataType { tensor: String },
    #[error("'{tensor}' has unknown 'data_type' {value}")]
    UnknownDataType { tensor: String, value: i32 },
    #[error("'{tensor}' must specify 'dims'")]
    NoDims { tensor: String },
    #[error(
        "'{tensor}' dimension must be integer >= 1, or -1 to indicate a variable-size dimension"
    )]
    Dimension { tensor: String },
    #[error(
        "'{tensor}' reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension"
    )]
    ReshapeDimension { tensor: String },
    #[error(
        "'{tensor}' cannot have empty reshape for non-batching model as scalar tensors are not supported"
    )]
    EmptyReshape { tensor: String },
    #[error("'{tensor}' has different size for dims and reshape")]
    ReshapeSize { tensor: String },
    #[error("'{tensor}' has different number of variable-size dimensions for dims and reshape")]
    ReshapeVariable { tensor: String },
    #[error("'{tensor}' has more elements than can be addressed")]
    TooManyElements { tensor: String },
    #[error("'{tensor}' is specified more than once")]
    Duplicate { tensor: String },
    #[error("NHWC/NCHW require 3 dims")]
    Format,
    #[error("'{tensor}' is a shape tensor: shape tensors are only supported for TensorRT platform")]
    ShapeTensor { tensor: String },
    #[error("'{tensor}': Non-linear IO format is only supported for the TensorRT platform")]
    NonLinear { tensor: String },
}

/// What is wrong with an instance group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum GroupFault {
    #[error("has kind {kind} but specifies one or more GPUs")]
    Gpus { kind: &'static str },
    #[error("has kind KIND_GPU but server does not support GPUs")]
    NoGpuSupport,
    #[error("has unexpected kind {kind}")]
    Kind { kind: String },
    #[error("specifies count {count}, expected at least 1")]
    Count { count: i32 },
    #[error("specifies profile field which is only supported for TensorRT models")]
    Profile,
}

/// What is wrong with a step of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StepFault {
    #[error("ensemble tensor '{tensor}' can appear in an output map only once")]
    WrittenTwice { tensor: String },
    #[error("ensemble input '{tensor}' can not appear in an output map")]
    WritesInput { tensor: String },
    #[error("'model_version' must be -1 (the latest) or at least 1, got {version}")]
    Version { version: i64 },
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

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn at_field(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("field '{path}': ") }
}

fn not_connected(missing: &Option<String>) -> String {
    missing.as_ref().map_or_else(String::new, |tensor| {
        format!(": at least one of its depending tensors, '{tensor}', is not connected")
    })
}
