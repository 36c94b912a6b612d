//! What a server tells of itself and its models, the same for both protocols.

use bytes::Bytes;
use serde::Deserialize;

/// Of the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerMetadata {
    /// Its `--id`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Protocol extensions that it offers.
    pub extensions: Vec<String>,
}

/// Of one model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModelMetadata {
    /// The model's name.
    pub name: String,
    /// Versions that serve.
    #[serde(default)]
    pub versions: Vec<String>,
    /// What runs the model.
    pub platform: String,
    /// Input tensors.
    pub inputs: Vec<TensorMetadata>,
    /// Output tensors.
    pub outputs: Vec<TensorMetadata>,
}

/// Of one input or output.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TensorMetadata {
    /// The tensor's name.
    pub name: String,
    /// Datatype of its elements.
    pub datatype: String,
    /// -1 is any size.
    pub shape: Vec<i64>,
}

/// One line of the repository index; what a model does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IndexEntry {
    /// The model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `READY`, `UNAVAILABLE`, `LOADING` or `UNLOADING`.
    pub state: String,
    /// Why it is in this state.
    pub reason: String,
}

/// What a load call brings along instead of what stands in the repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOverrides {
    /// The model configuration.
    pub config: Option<serde_json::Value>,
    /// Path below the model, such as `1/model.onnx`, and contents.
    pub files: Vec<(String, Bytes)>,
}

impl LoadOverrides {
    /// Nothing but another configuration.
    pub fn config(config: serde_json::Value) -> Self {
        Self { config: Some(config), files: Vec::new() }
    }

    /// Adds a file of the model.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, contents: impl Into<Bytes>) -> Self {
        self.files.push((path.into(), contents.into()));
        self
    }
}

/// How often, and how long in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DurationCount {
    /// Events.
    pub count: u64,
    /// Sum of their durations, in nanoseconds.
    pub ns: u64,
}

/// Statistics of one model version; the fields are those of the statistics extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct ModelStatistics {
    pub name: String,
    pub version: String,
    /// Milliseconds since the epoch; 0 for never.
    pub last_inference: u64,
    pub inference_count: u64,
    pub execution_count: u64,
    pub inference_stats: InferStatistics,
    pub batch_stats: Vec<BatchStatistics>,
}

/// Statistics of a model version's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct InferStatistics {
    pub success: DurationCount,
    pub fail: DurationCount,
    pub queue: DurationCount,
    pub compute_input: DurationCount,
    pub compute_infer: DurationCount,
    pub compute_output: DurationCount,
    pub cache_hit: DurationCount,
    pub cache_miss: DurationCount,
}

/// Statistics of the executions of one batch size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct BatchStatistics {
    pub batch_size: u64,
    pub compute_input: DurationCount,
    pub compute_infer: DurationCount,
    pub compute_output: DurationCount,
}
