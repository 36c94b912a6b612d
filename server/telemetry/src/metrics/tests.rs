use super::*;
use crate::{ExecutionTimes, FailureReason, ModelSeries, RequestTimes};

fn at(ns: u64) -> Timestamp {
    Timestamp::from_nanos(ns)
}

fn no_tags() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// A request that took `ns` in its queue and as much to execute.
fn succeed(statistics: &ModelStatistics, ns: u64) {
    let execution = ExecutionTimes {
        exec_start: at(ns),
        compute_start: at(ns),
        compute_end: at(2 * ns),
        exec_end: at(2 * ns),
    };
    let times = RequestTimes { received: at(0), queued: at(0), execution };
    statistics.record_success(1, &times, at(2 * ns));
    statistics.record_execution(1, &execution);
    statistics.observe_request(Duration::from_nanos(2 * ns));
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|l| l == *line), "no line '{line}' in:\n{text}");
    }
}

#[test]
fn shows_tritons_names_labels_and_types() {
    let metrics = Metrics::new(MetricsOptions::default());
    let tags = BTreeMap::from([("team".to_owned(), "a\"b".to_owned())]);
    let statistics = metrics.model_statistics(
        &ModelSeries { name: "simple", namespace: None, version: 1, tags: &tags },
        8,
        false,
    );
    succeed(&statistics, 1_500);
    statistics.record_failure(FailureReason::Canceled, Duration::from_micros(1));
    statistics.pending_changed(3);
    statistics.pending_changed(-1);
    statistics.set_load_duration(Duration::from_millis(1_500));
    let text = metrics.render();
    assert_lines(
        &text,
        &[
            "# HELP nv_inference_request_success Number of successful inference requests, all batch sizes",
            "# TYPE nv_inference_request_success counter",
            r#"nv_inference_request_success{_team="a\"b",model="simple",version="1"} 1"#,
            r#"nv_inference_request_failure{_team="a\"b",model="simple",reason="CANCELED",version="1"} 1"#,
            r#"nv_inference_request_failure{_team="a\"b",model="simple",reason="REJECTED",version="1"} 0"#,
            r#"nv_inference_request_failure{_team="a\"b",model="simple",reason="BACKEND",version="1"} 0"#,
            r#"nv_inference_request_failure{_team="a\"b",model="simple",reason="OTHER",version="1"} 0"#,
            r#"nv_inference_request_duration_us{_team="a\"b",model="simple",version="1"} 3"#,
            "# TYPE nv_inference_pending_request_count gauge",
            r#"nv_inference_pending_request_count{_team="a\"b",model="simple",version="1"} 2"#,
            r#"nv_model_load_duration_secs{_team="a\"b",model="simple",version="1"} 1.5"#,
            "# TYPE nv_cpu_utilization gauge",
            "# TYPE process_cpu_seconds_total counter",
        ],
    );
}

#[test]
fn remainders_below_a_microsecond_are_not_lost() {
    let metrics = Metrics::new(MetricsOptions::default());
    let statistics = metrics.model_statistics(
        &ModelSeries { name: "m", namespace: None, version: 1, tags: &no_tags() },
        0,
        false,
    );
    for _ in 0..10 {
        succeed(&statistics, 250);
    }
    let text = metrics.render();
    assert_lines(
        &text,
        &[
            r#"nv_inference_queue_duration_us{model="m",version="1"} 2"#,
            r#"nv_inference_request_duration_us{model="m",version="1"} 5"#,
        ],
    );
}

#[test]
fn latency_is_a_histogram_with_buckets() {
    let metrics = Metrics::new(MetricsOptions::default());
    let statistics = metrics.model_statistics(
        &ModelSeries { name: "m", namespace: None, version: 2, tags: &no_tags() },
        0,
        false,
    );
    succeed(&statistics, 50_000);
    succeed(&statistics, 20_000_000_000);
    assert_lines(
        &metrics.render(),
        &[
            "# TYPE hippocamp_inference_request_duration_seconds histogram",
            r#"hippocamp_inference_request_duration_seconds_bucket{model="m",version="2",le="0.00005"} 0"#,
            r#"hippocamp_inference_request_duration_seconds_bucket{model="m",version="2",le="0.0001"} 1"#,
            r#"hippocamp_inference_request_duration_seconds_bucket{model="m",version="2",le="10"} 1"#,
            r#"hippocamp_inference_request_duration_seconds_bucket{model="m",version="2",le="+Inf"} 2"#,
            r#"hippocamp_inference_request_duration_seconds_sum{model="m",version="2"} 40.0001"#,
            r#"hippocamp_inference_request_duration_seconds_count{model="m",version="2"} 2"#,
            r#"hippocamp_inference_queue_duration_seconds_bucket{model="m",version="2",le="0.00005"} 1"#,
            r#"hippocamp_inference_compute_duration_seconds_count{model="m",version="2"} 2"#,
        ],
    );
}

#[test]
fn options_leave_families_out() {
    let quiet = MetricsOptions {
        latency_histograms: false,
        counter_latencies: false,
        histogram_latencies: true,
        cpu_metrics: false,
        interval: Duration::from_secs(2),
    };
    let metrics = Metrics::new(quiet);
    let decoupled = metrics.model_statistics(
        &ModelSeries { name: "d", namespace: None, version: 1, tags: &no_tags() },
        0,
        true,
    );
    decoupled.observe_first_response(Duration::from_millis(300));
    let _plain = metrics.model_statistics(
        &ModelSeries { name: "p", namespace: None, version: 1, tags: &no_tags() },
        0,
        false,
    );
    let text = metrics.render();
    for absent in
        ["hippocamp_inference_", "_duration_us", "nv_cpu_", r#"histogram_ms_count{model="p""#]
    {
        assert!(!text.contains(absent), "{absent} in:\n{text}");
    }
    assert_lines(
        &text,
        &[
            r#"nv_inference_first_response_histogram_ms_bucket{model="d",version="1",le="100"} 0"#,
            r#"nv_inference_first_response_histogram_ms_bucket{model="d",version="1",le="500"} 1"#,
            r#"nv_inference_first_response_histogram_ms_sum{model="d",version="1"} 300"#,
        ],
    );
}

#[test]
fn a_reload_goes_on_counting_and_an_unload_ends_the_series() {
    let metrics = Metrics::new(MetricsOptions::default());
    let count = |expect: u64| {
        let line = format!(r#"nv_inference_request_success{{model="m",version="1"}} {expect}"#);
        let text = metrics.render();
        let samples = text.lines().filter(|l| l.starts_with("nv_inference_request_success{"));
        assert_eq!(samples.collect::<Vec<_>>(), [line]);
    };
    let old = metrics.model_statistics(
        &ModelSeries { name: "m", namespace: None, version: 1, tags: &no_tags() },
        0,
        false,
    );
    succeed(&old, 1_000);
    let new = metrics.model_statistics(
        &ModelSeries { name: "m", namespace: None, version: 1, tags: &no_tags() },
        0,
        false,
    );
    succeed(&new, 1_000);
    count(2);
    assert_eq!(new.report().success.count, 1, "statistics are each generation's own");
    succeed(&old, 1_000);
    drop(old);
    count(3);
    succeed(&new, 1_000);
    count(4);
    drop(new);
    assert!(!metrics.render().contains(r#"model="m""#));
}

#[test]
fn the_machine_is_looked_at_once_an_interval() {
    #[derive(Debug, Default)]
    struct Hand(std::sync::atomic::AtomicU64);
    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            at(self.0.load(std::sync::atomic::Ordering::Relaxed))
        }
    }
    let hand = Arc::new(Hand::default());
    let metrics = Metrics::with_clock(MetricsOptions::default(), hand.clone());
    let looked = || metrics.machine.lock().unwrap().looked;
    metrics.render();
    assert_eq!(looked(), at(0));
    hand.0.store(2_000_000_000, std::sync::atomic::Ordering::Relaxed);
    metrics.render();
    assert_eq!(looked(), at(2_000_000_000));
}
