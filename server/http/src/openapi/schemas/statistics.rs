//! What models have done.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Statistics of models.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct ModelStatistics {
    /// By name and version.
    model_stats: Vec<VersionStatistics>,
}

/// Statistics of one version.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct VersionStatistics {
    /// The model.
    name: String,
    /// Its version.
    version: String,
    /// Milliseconds since the epoch; 0 for never.
    last_inference: u64,
    /// Rows inferred.
    inference_count: u64,
    /// Executions; fewer than rows where batches were formed.
    execution_count: u64,
    /// Where the time of requests went.
    inference_stats: InferenceStatistics,
    /// Of decoupled models; empty here.
    response_stats: BTreeMap<String, Value>,
    /// Executions by batch size.
    batch_stats: Vec<BatchStatistics>,
    /// Empty here.
    memory_usage: Vec<Value>,
}

/// Where the time of requests went.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct InferenceStatistics {
    /// Successful requests, end to end.
    success: Duration,
    /// Failed requests.
    fail: Duration,
    /// Waiting in the queue.
    queue: Duration,
    /// Gathering inputs.
    compute_input: Duration,
    /// Computing.
    compute_infer: Duration,
    /// Writing outputs.
    compute_output: Duration,
    /// Answers from the response cache.
    cache_hit: Duration,
    /// Look-ups that found nothing.
    cache_miss: Duration,
}

/// Executions of one batch size.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct BatchStatistics {
    /// Rows in the batch.
    batch_size: u64,
    /// Gathering inputs.
    compute_input: Duration,
    /// Computing.
    compute_infer: Duration,
    /// Writing outputs.
    compute_output: Duration,
}

/// How often, and how long in all.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON, is never made")]
pub(super) struct Duration {
    /// Events.
    count: u64,
    /// Sum of their durations in nanoseconds.
    ns: u64,
}
