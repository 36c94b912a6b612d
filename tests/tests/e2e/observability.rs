//! Statistics and metrics count what happened.

use crate::clients::{get, infer, post};
use hippocamp_tests::{Repository, Sandbox};
use serde_json::json;

/// The value of a metric whose labels include all of `labels`.
fn metric(page: &str, name: &str, labels: &[&str]) -> f64 {
    let line = page.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let line = line.unwrap_or_else(|| panic!("no {name} with {labels:?} in\n{page}"));
    let value = line.rsplit(' ').next().expect("split yields something");
    value.parse().unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn metrics_and_statistics_count_requests() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    for i in 0..5 {
        infer(server.http(), "simple", i, 1).await.ok();
    }
    let bad = json!({"inputs": [
        {"name": "INPUT0", "shape": [1, 8], "datatype": "INT32", "data": [0, 1, 2, 3, 4, 5, 6, 7]}
    ]});
    assert_eq!(post(server.http(), "/v2/models/simple/infer", &bad).await.status, 400);

    let answer = get(server.metrics(), "/metrics").await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    let simple = ["model=\"simple\"", "version=\"1\""];
    for (name, value) in [
        ("nv_inference_request_success", 5.0),
        ("nv_inference_count", 5.0),
        ("nv_inference_exec_count", 5.0),
        ("nv_inference_pending_request_count", 0.0),
        ("hippocamp_inference_request_duration_seconds_count", 5.0),
    ] {
        let actual = metric(&page, name, &simple);
        assert!((actual - value).abs() < f64::EPSILON, "{name} is {actual}, expected {value}");
    }
    for name in [
        "nv_inference_request_duration_us",
        "nv_inference_compute_infer_duration_us",
        "nv_cpu_memory_used_bytes",
    ] {
        assert!(metric(&page, name, &[]) >= 0.0);
    }

    let statistics = get(server.http(), "/v2/models/simple/versions/1/stats").await.ok();
    let model = &statistics["model_stats"][0];
    assert_eq!(model["inference_count"], 5);
    assert_eq!(model["execution_count"], 5);
    assert_eq!(model["inference_stats"]["success"]["count"], 5);
    assert_eq!(model["inference_stats"]["queue"]["count"], 5);
    assert_eq!(model["batch_stats"][0]["batch_size"], 1);
    let spent = model["inference_stats"]["success"]["ns"].as_u64().expect("a number");
    assert!(spent > 0);
    server.stop();
}
