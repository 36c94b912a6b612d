//! The statistics extension.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{Body, Docs},
};
use axum::response::Response;
use hippocamp_telemetry::{
    BatchReport, DurationCount, MemoryUsage, ResponseReport, StatisticsReport,
};
use http::Method;
use serde_json::{Value, json as value};

const DOCS: Docs = Docs {
    tag: "Statistics",
    summary: "What models have done so far",
    description: "Requests, executions and where their time went, since the version was loaded. Durations are sums in nanoseconds.",
    request: Body::None,
    response: Body::Json("ModelStatistics"),
    errors: &[400],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v2/models/stats",
        handler: |call| Box::pin(async move { statistics(&call, None) }),
        docs: DOCS,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/stats",
        handler: |call| Box::pin(async move { statistics(&call, Some(call.name())) }),
        docs: DOCS,
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/versions/{version}/stats",
        handler: |call| Box::pin(async move { statistics(&call, Some(call.name())) }),
        docs: DOCS,
    },
];

fn statistics(call: &Call, model: Option<&str>) -> Result<Response, HttpError> {
    let reports = call.front.server.statistics(model, call.version()?)?;
    let body = value!({ "model_stats": reports.iter().map(report).collect::<Vec<_>>() });
    Ok(json(body.to_string()))
}

fn report(report: &StatisticsReport) -> Value {
    value!({
        "name": report.name,
        "version": report.version.to_string(),
        "last_inference": report.last_inference_ms,
        "inference_count": report.inference_count,
        "execution_count": report.execution_count,
        "inference_stats": {
            "success": duration(report.success),
            "fail": duration(report.fail),
            "queue": duration(report.queue),
            "compute_input": duration(report.compute_input),
            "compute_infer": duration(report.compute_infer),
            "compute_output": duration(report.compute_output),
            "cache_hit": duration(report.cache_hit),
            "cache_miss": duration(report.cache_miss),
        },
        "response_stats": responses(&report.responses),
        "batch_stats": report.batches.iter().map(batch).collect::<Vec<_>>(),
        "memory_usage": report.memory_usage.iter().map(memory).collect::<Vec<_>>(),
    })
}

/// By place, which is a string in JSON.
fn responses(reports: &[ResponseReport]) -> Value {
    let places = reports.iter().enumerate().map(|(place, report)| {
        let report = value!({
            "compute_infer": duration(report.compute_infer),
            "compute_output": duration(report.compute_output),
            "success": duration(report.success),
            "fail": duration(report.fail),
            "empty_response": duration(report.empty_response),
            "cancel": duration(report.cancel),
        });
        (place.to_string(), report)
    });
    Value::Object(places.collect())
}

fn memory(usage: &MemoryUsage) -> Value {
    value!({ "type": usage.kind, "id": usage.id, "byte_size": usage.byte_size })
}

fn batch(batch: &BatchReport) -> Value {
    value!({
        "batch_size": batch.batch_size,
        "compute_input": duration(batch.compute_input),
        "compute_infer": duration(batch.compute_infer),
        "compute_output": duration(batch.compute_output),
    })
}

fn duration(duration: DurationCount) -> Value {
    value!({ "count": duration.count, "ns": duration.ns })
}
