//! Statistics and metrics count what happened.

use crate::clients::{body, get, http, infer, simple, statistics, status};
use hippocamp_tests::{Repository, Sandbox};

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
        infer(&server, "simple", i, 1).await.expect("simple infers");
    }
    let mut bad = simple("simple", 1, 1);
    bad.inputs.truncate(1);
    let refused = http(&server).infer(&bad).await.expect_err("an input is missing");
    assert_eq!(status(&refused), Some(400));

    let statistics = statistics(&server, "simple", 5).await;
    let answer = get(server.metrics(), "/metrics").await;
    assert_eq!(answer.status, 200);
    let page = body(&answer);
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

    assert_eq!((statistics.inference_count, statistics.execution_count), (5, 5));
    let requests = statistics.inference_stats;
    assert_eq!((requests.success.count, requests.queue.count, requests.fail.count), (5, 5, 1));
    assert!(requests.success.ns > 0);
    assert_eq!(statistics.batch_stats[0].batch_size, 1);
    server.stop();
}
