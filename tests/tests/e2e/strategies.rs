//! Custom batching strategies: a library in C decides which requests go into one batch.

use crate::clients::{assert_unavailable, http, statistics, within_limit};
use hippocamp_client::{InferInput, InferRequest};
use hippocamp_tests::{Repository, Sandbox, Settings, compile_c};
use std::path::Path;
use tokio::task::JoinSet;

/// Batches of up to eight requests wait for eight seconds: longer than a test may be held up between
/// two requests.
const BATCHING: &str =
    "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 8000000 }";

fn config(parameters: &[(&str, &str)]) -> String {
    let parameter = |(key, value): &(&str, &str)| {
        format!("parameters {{ key: \"{key}\" value {{ string_value: \"{value}\" }} }}\n")
    };
    format!("{BATCHING}\n{}", parameters.iter().map(parameter).collect::<String>())
}

fn strategy(directory: &Path, path: &str, more: &[&str]) {
    compile_c("batch_strategy.c", &directory.join(path), more);
}

/// Sends requests of 16 bytes at once, with these ids.
async fn at_once(server: &Sandbox, model: &'static str, ids: &[&'static str]) {
    let mut requests = JoinSet::new();
    for (number, id) in (0_u8..).zip(ids.iter().copied()) {
        let client = http(server);
        requests.spawn(async move {
            let values = [f32::from(number); 4];
            let mut request =
                InferRequest::new(model).input(InferInput::new("INPUT0", &[1, 4], &values));
            if !id.is_empty() {
                request = request.id(id);
            }
            let result = within_limit(client.infer(&request)).await.expect("it infers");
            assert_eq!(result.output("OUTPUT0").expect("OUTPUT0").as_f32().expect("FP32"), values);
        });
    }
    requests.join_all().await;
}

/// Batch sizes with their number of executions, after `requests` requests.
async fn batches(server: &Sandbox, model: &str, requests: u64) -> Vec<(u64, u64)> {
    let batches = statistics(server, model, requests).await.batch_stats;
    batches.iter().map(|batch| (batch.batch_size, batch.compute_infer.count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_is_found_in_its_places_and_asked() {
    let limit = ("LIMIT_BYTES", "48");
    let repository = Repository::new()
        .identity("of_version", "TYPE_FP32", &config(&[limit]))
        .identity("of_model", "TYPE_FP32", &config(&[limit]))
        .identity(
            "named",
            "TYPE_FP32",
            &config(&[("LIMIT_BYTES", "64"), ("TRITON_BATCH_STRATEGY_PATH", "ours/strategy.so")]),
        )
        .identity("of_backend", "TYPE_FP32", &config(&[("LIMIT_BYTES", "16")]))
        // A library without the functions changes nothing.
        .identity("empty", "TYPE_FP32", &config(&[limit]));
    let backends = tempfile::tempdir().expect("the temporary directory is writable");
    strategy(repository.path(), "of_version/1/batchstrategy.so", &[]);
    // The first place counts: this one, if it were used, would not load.
    strategy(repository.path(), "of_version/batchstrategy.so", &["-DINCOMPLETE"]);
    strategy(repository.path(), "of_model/batchstrategy.so", &[]);
    strategy(repository.path(), "named/ours/strategy.so", &[]);
    strategy(repository.path(), "empty/batchstrategy.so", &["-DEMPTY"]);
    strategy(backends.path(), "identity/batchstrategy.so", &[]);
    let server = Settings::new(repository.path())
        .option("--backend-directory", backends.path())
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    // Three requests are a batch as soon as a fourth waits; the last ones wait for nobody.
    for (model, expect) in [
        ("of_version", vec![(3, 3)]),
        ("of_model", vec![(3, 3)]),
        ("named", vec![(1, 1), (4, 2)]),
        ("of_backend", vec![(1, 9)]),
        ("empty", vec![(1, 1), (8, 1)]),
    ] {
        at_once(&server, model, &[""; 9]).await;
        assert_eq!(batches(&server, model, 9).await, expect, "{model}");
    }
    assert!(server.log().contains("no custom batching functions"), "{}", server.log());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_strategy_fails_on_goes_alone() {
    let repository =
        Repository::new().identity("m", "TYPE_FP32", &config(&[("LIMIT_BYTES", "1000")]));
    strategy(repository.path(), "m/batchstrategy.so", &[]);
    let server = Sandbox::start(repository.path());
    at_once(&server, "m", &["bad", "bad"]).await;
    assert_eq!(batches(&server, "m", 2).await, [(1, 2)]);
    let log = server.log();
    assert!(log.contains("Custom batching include function failed"), "{log}");
    assert!(log.contains("this one is bad"), "{log}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_that_cannot_be_used_says_why() {
    let named = |path: &str| config(&[("LIMIT_BYTES", "48"), ("TRITON_BATCH_STRATEGY_PATH", path)]);
    let repository = Repository::new()
        .identity("incomplete", "TYPE_FP32", &config(&[("LIMIT_BYTES", "48")]))
        .identity("refuses", "TYPE_FP32", &config(&[]))
        .identity("leads_out", "TYPE_FP32", &named("../refuses/batchstrategy.so"))
        .identity("missing", "TYPE_FP32", &named("nowhere.so"))
        .identity("no_library", "TYPE_FP32", &named("config.pbtxt"))
        .identity("good", "TYPE_FP32", BATCHING);
    strategy(repository.path(), "incomplete/batchstrategy.so", &["-DINCOMPLETE"]);
    strategy(repository.path(), "refuses/batchstrategy.so", &[]);
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let reasons = [
        (
            "incomplete",
            "does not define all required custom batching functions for model incomplete: TRITONBACKEND_ModelBatchFinalize is missing",
        ),
        ("refuses", "parameter LIMIT_BYTES is to be a number above 0"),
        ("leads_out", "Batching library path escapes model repository."),
        ("missing", "Batching library path not found: "),
        ("no_library", "unable to load shared library: "),
    ];
    assert_unavailable(&server, &reasons).await;
    at_once(&server, "good", &["", ""]).await;
    server.stop();
}
