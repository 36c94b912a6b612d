//! Requests and responses of inference, and of `generate`.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request to a model.
#[derive(ToSchema)]
#[schema(example = json!({"id": "1", "inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}], "outputs": [{"name": "OUTPUT0"}]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct InferRequest {
    /// Given back in the response.
    id: Option<String>,
    /// `sequence_id`, `sequence_start`, `sequence_end`, `priority`, `timeout` (microseconds), `binary_data_output` (outputs that do not say are returned in binary); others travel to the backend.
    parameters: Option<BTreeMap<String, Value>>,
    /// Every input of the model that is not optional.
    inputs: Vec<RequestInput>,
    /// The outputs that are wanted; all of them if left out or empty.
    outputs: Option<Vec<RequestOutput>>,
}

/// An input: `data`, or one of `binary_data_size` and `shared_memory_region` in its parameters.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RequestInput {
    /// The input.
    name: String,
    /// As in the metadata.
    datatype: String,
    /// Every size fixed, the batch dimension first where the model has one.
    shape: Vec<u64>,
    /// How the data comes if not in `data`.
    parameters: Option<InputParameters>,
    /// The elements, row by row, flat or nested. `NaN`, `Infinity` and `-Infinity` are taken. Not for FP16 and BF16.
    data: Option<Vec<Value>>,
}

/// Parameters of an input.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct InputParameters {
    /// Bytes behind the JSON that are this input's.
    binary_data_size: Option<u64>,
    /// The registered region that holds this input.
    shared_memory_region: Option<String>,
    /// Where in the region it starts, in bytes.
    shared_memory_offset: Option<u64>,
    /// Its size in bytes.
    shared_memory_byte_size: Option<u64>,
}

/// An output that is wanted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct RequestOutput {
    /// The output.
    name: String,
    /// How it is wanted.
    parameters: Option<OutputParameters>,
}

/// Parameters of an output.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct OutputParameters {
    /// Return it in binary.
    binary_data: Option<bool>,
    /// Return the so many largest values as `value:index[:label]`.
    classification: Option<u32>,
    /// The registered region that takes this output; neither `binary_data` nor `classification` then.
    shared_memory_region: Option<String>,
    /// Where in the region it starts, in bytes.
    shared_memory_offset: Option<u64>,
    /// The room there is for it, in bytes.
    shared_memory_byte_size: Option<u64>,
}

/// What a model answers.
#[derive(ToSchema)]
#[schema(example = json!({"id": "1", "model_name": "simple", "model_version": "1", "outputs": [{"name": "OUTPUT0", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}]}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct InferResponse {
    /// The request's, if it had one.
    id: Option<String>,
    /// The model.
    model_name: String,
    /// The version that answered.
    model_version: String,
    /// Parameters set by the backend.
    parameters: Option<BTreeMap<String, Value>>,
    /// Outputs.
    outputs: Vec<ResponseOutput>,
}

/// An output: `data`, or `binary_data_size` in its parameters, or neither where it went into shared memory.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct ResponseOutput {
    /// The output.
    name: String,
    /// As in the metadata; BYTES for classes.
    datatype: String,
    /// Its shape.
    shape: Vec<i64>,
    /// In binary.
    parameters: Option<BinaryData>,
    /// The elements, row by row, flat. `NaN`, `Infinity` and `-Infinity` are what they are.
    data: Option<Vec<Value>>,
}

/// Where an output's bytes are.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct BinaryData {
    /// Bytes behind the JSON that are this output's.
    binary_data_size: u64,
}

/// Inputs by name, a value or a list of them; other keys are parameters.
#[derive(ToSchema)]
#[schema(example = json!({"id": "1", "text_input": "a film about the sea", "parameters": {"top_k": 5}}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct GenerateRequest {
    /// Given back in the response.
    id: Option<String>,
    /// Further parameters.
    parameters: Option<BTreeMap<String, Value>>,
}

/// Outputs by name: a value where there is one element, a list otherwise.
#[derive(ToSchema)]
#[schema(example = json!({"id": "1", "model_name": "m", "model_version": "1", "text_output": "an answer"}))]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct GenerateResponse {
    /// The request's, if it had one.
    id: Option<String>,
    /// The model.
    model_name: String,
    /// The version that answered.
    model_version: String,
}
