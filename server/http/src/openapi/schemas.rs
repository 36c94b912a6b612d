//! The schemas of the document. The types here only describe; what is read and written is in
//! `codec` and `routes`.

mod embeddings;
mod inference;
mod statistics;

use embeddings::{
    Document, Embedding, EmbeddingsRequest, EmbeddingsResponse, EncoderList, EncoderModel,
    OpenAiError, OpenAiErrorBody, Rank, RelevantDocument, RerankDocumentsRequest,
    RerankDocumentsResponse, RerankRequest, RerankResponse, Usage,
};
use inference::{
    BinaryData, GenerateRequest, GenerateResponse, InferRequest, InferResponse, InputParameters,
    OutputParameters, RequestInput, RequestOutput, ResponseOutput,
};
use serde_json::Value;
use statistics::{
    BatchStatistics, Duration, InferenceStatistics, ModelStatistics, VersionStatistics,
};
use std::collections::BTreeMap;
use utoipa::{
    ToSchema,
    openapi::{Components, ComponentsBuilder},
};

/// All of them.
pub(super) fn components() -> Components {
    ComponentsBuilder::new()
        .schema_from::<Error>()
        .schema_from::<ServerLive>()
        .schema_from::<ServerReady>()
        .schema_from::<ModelReady>()
        .schema_from::<ServerMetadata>()
        .schema_from::<ModelMetadata>()
        .schema_from::<TensorMetadata>()
        .schema_from::<ModelConfig>()
        .schema_from::<InferRequest>()
        .schema_from::<RequestInput>()
        .schema_from::<InputParameters>()
        .schema_from::<RequestOutput>()
        .schema_from::<OutputParameters>()
        .schema_from::<InferResponse>()
        .schema_from::<ResponseOutput>()
        .schema_from::<BinaryData>()
        .schema_from::<GenerateRequest>()
        .schema_from::<GenerateResponse>()
        .schema_from::<ModelStatistics>()
        .schema_from::<VersionStatistics>()
        .schema_from::<InferenceStatistics>()
        .schema_from::<BatchStatistics>()
        .schema_from::<Duration>()
        .schema_from::<IndexRequest>()
        .schema_from::<RepositoryIndex>()
        .schema_from::<IndexEntry>()
        .schema_from::<LoadRequest>()
        .schema_from::<Rollback>()
        .schema_from::<RolledBack>()
        .schema_from::<UnloadRequest>()
        .schema_from::<UnloadParameters>()
        .schema_from::<LogSettings>()
        .schema_from::<TraceSetting>()
        .schema_from::<SharedMemoryStatus>()
        .schema_from::<EmbeddingsRequest>()
        .schema_from::<EmbeddingsResponse>()
        .schema_from::<Embedding>()
        .schema_from::<Usage>()
        .schema_from::<EncoderList>()
        .schema_from::<EncoderModel>()
        .schema_from::<RerankRequest>()
        .schema_from::<RerankResponse>()
        .schema_from::<Rank>()
        .schema_from::<RerankDocumentsRequest>()
        .schema_from::<RerankDocumentsResponse>()
        .schema_from::<RelevantDocument>()
        .schema_from::<Document>()
        .schema_from::<OpenAiError>()
        .schema_from::<OpenAiErrorBody>()
        .schema_from::<SharedMemoryRegion>()
        .schema_from::<SharedMemoryRegister>()
        .schema_from::<OpenApi>()
        .build()
}

/// An error.
#[derive(ToSchema)]
#[schema(example = json!({"error": "Request for unknown model: 'nope' is not found"}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct Error {
    /// What was expected, what came, what to do.
    error: String,
}

/// Liveness.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ServerLive {
    /// Whether the server runs.
    live: bool,
}

/// Readiness.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ServerReady {
    /// Whether the server takes requests.
    ready: bool,
}

/// Readiness of a model.
#[derive(ToSchema)]
#[schema(example = json!({"name": "simple", "ready": true}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ModelReady {
    /// The model.
    name: String,
    /// Always true; 400 otherwise.
    ready: bool,
}

/// What the server is.
#[derive(ToSchema)]
#[schema(example = json!({"name": "triton", "version": "0.1.0", "extensions": ["classification", "model_repository", "binary_tensor_data"]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ServerMetadata {
    /// `--id`.
    name: String,
    /// The server's version.
    version: String,
    /// Protocol extensions that work.
    extensions: Vec<String>,
}

/// What a model is.
#[derive(ToSchema)]
#[schema(example = json!({"name": "simple", "versions": ["1"], "platform": "onnxruntime_onnx", "inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}], "outputs": [{"name": "OUTPUT0", "datatype": "INT32", "shape": [-1, 16]}]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ModelMetadata {
    /// The model.
    name: String,
    /// Versions that serve, ascending.
    versions: Vec<String>,
    /// Platform or backend.
    platform: String,
    /// Inputs.
    inputs: Vec<TensorMetadata>,
    /// Outputs.
    outputs: Vec<TensorMetadata>,
}

/// What an input or output is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct TensorMetadata {
    /// The tensor.
    name: String,
    /// BOOL, UINT8 to UINT64, INT8 to INT64, FP16, BF16, FP32, FP64 or BYTES.
    datatype: String,
    /// With the batch dimension where the model has one; -1 is any size.
    shape: Vec<i64>,
}

/// A model configuration: Triton's `ModelConfig` as JSON.
#[derive(ToSchema)]
#[schema(example = json!({"name": "simple", "platform": "onnxruntime_onnx", "max_batch_size": 8}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct ModelConfig {
    /// The model.
    name: String,
    /// Platform.
    platform: String,
    /// Backend.
    backend: String,
    /// 0: no batch dimension.
    max_batch_size: i32,
    /// Inputs.
    input: Vec<Value>,
    /// Outputs.
    output: Vec<Value>,
}

/// Which models the index lists.
#[derive(ToSchema)]
#[schema(example = json!({"ready": true}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct IndexRequest {
    /// Only those that serve.
    ready: Option<bool>,
}

/// A model version, or a model that was never loaded.
#[derive(ToSchema)]
#[schema(example = json!({"name": "simple", "version": "1", "state": "READY"}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct IndexEntry {
    /// The model.
    name: String,
    /// Left out for a model that was never loaded.
    version: Option<String>,
    /// READY, UNAVAILABLE, LOADING or UNLOADING.
    state: Option<String>,
    /// Why it is in this state.
    reason: Option<String>,
}

/// How a model is to be loaded.
#[derive(ToSchema)]
#[schema(example = json!({"parameters": {"config": "{\"max_batch_size\": 4}"}}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct LoadRequest {
    /// `config`: a model configuration as a string of JSON, used instead of that in the repository. `file:<version>/<name>`: contents in base64, used instead of the repository's files.
    parameters: Option<BTreeMap<String, String>>,
}

/// What went back.
#[derive(ToSchema)]
#[schema(example = json!({"models": [{"name": "plot_encoder", "from": ["3"], "to": ["2"]}]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct Rollback {
    /// The models that serve as they did before.
    models: Vec<RolledBack>,
}

/// A model that went back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct RolledBack {
    /// The model.
    name: String,
    /// Versions that served until now.
    from: Vec<String>,
    /// Versions that serve again; of an earlier generation where they are the same.
    to: Vec<String>,
}

/// How a model is to be unloaded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct UnloadRequest {
    /// What else goes.
    parameters: Option<UnloadParameters>,
}

/// What else goes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct UnloadParameters {
    /// With an ensemble, unload the models it is made of.
    unload_dependents: Option<bool>,
}

/// Settings of the log.
#[derive(ToSchema)]
#[schema(example = json!({"log_info": true, "log_verbose_level": 0}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct LogSettings {
    /// Where to; empty for standard error. Cannot be changed.
    log_file: Option<String>,
    /// Log what is worth knowing.
    log_info: Option<bool>,
    /// Log warnings.
    log_warning: Option<bool>,
    /// Log errors.
    log_error: Option<bool>,
    /// 0: none; more tells more.
    log_verbose_level: Option<u32>,
    /// `default` or `ISO8601`.
    log_format: Option<String>,
}

/// Settings of the trace.
#[derive(ToSchema)]
#[schema(example = json!({"trace_level": ["OFF"]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct TraceSetting {
    /// OFF, or TIMESTAMPS and TENSORS.
    trace_level: Option<Vec<String>>,
    /// One request in so many.
    trace_rate: Option<String>,
    /// Requests left to trace; -1 is no limit.
    trace_count: Option<String>,
    /// Requests per file; 0 for one file.
    log_frequency: Option<String>,
    /// Where to, in mode `triton`. Cannot be changed.
    trace_file: Option<String>,
    /// `triton` or `opentelemetry`. Cannot be changed.
    trace_mode: Option<String>,
    /// The collector, in mode `opentelemetry`; as the others below.
    url: Option<String>,
    /// Attributes of the server, `key=value`, separated by commas.
    resource: Option<String>,
    /// Spans that may wait.
    bsp_max_queue_size: Option<String>,
    /// Milliseconds that a span waits at most.
    bsp_schedule_delay: Option<String>,
    /// Spans in one message.
    bsp_max_export_batch_size: Option<String>,
}

/// Models by name and version.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct RepositoryIndex(Vec<IndexEntry>);

/// Regions by name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct SharedMemoryStatus(Vec<SharedMemoryRegion>);

/// A region.
#[derive(ToSchema)]
#[schema(example = json!({"name": "inputs", "key": "/inputs", "offset": 0, "byte_size": 64}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct SharedMemoryRegion {
    /// The region.
    name: String,
    /// The object that it is a part of.
    key: String,
    /// Where in the object it starts, in bytes.
    offset: u64,
    /// Its size in bytes.
    byte_size: u64,
}

/// Which part of which object a region is.
#[derive(ToSchema)]
#[schema(example = json!({"key": "/inputs", "offset": 0, "byte_size": 64}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct SharedMemoryRegister {
    /// The name that `shm_open` takes.
    key: String,
    /// Where in the object the region starts, in bytes; 0 if left out.
    offset: Option<u64>,
    /// Its size in bytes.
    byte_size: u64,
}

/// An OpenAPI 3.1 document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
struct OpenApi(Value);
