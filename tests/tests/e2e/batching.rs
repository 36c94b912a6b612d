//! The dynamic batcher and its limits, under many requests at once.

use crate::clients::{
    assert_serves, assert_simple, http, send, simple, statistics, status, text, until_pending,
    within_limit,
};
use ::http::Method;
use hippocamp_client::{Error, InferResult};
use hippocamp_tests::{Repository, Sandbox};
use serde_json::json;
use std::ops::Range;
use tokio::task::JoinSet;

/// Sends requests at once, each with other numbers: request `i` is of `i` and 1.
fn at_once(
    server: &Sandbox,
    model: &'static str,
    numbers: Range<i32>,
) -> JoinSet<(i32, Result<InferResult, Error>)> {
    let mut requests = JoinSet::new();
    for i in numbers {
        let client = http(server);
        requests.spawn(async move { (i, within_limit(client.infer(&simple(model, i, 1))).await) });
    }
    requests
}

/// Inferences and executions, after 64 requests.
async fn counts(server: &Sandbox, model: &str) -> (u64, u64) {
    let statistics = statistics(server, model, 64).await;
    (statistics.inference_count, statistics.execution_count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_share_executions() {
    let batching = "dynamic_batching { max_queue_delay_microseconds: 100000 }";
    let repository = Repository::new().simple("simple_dyn", batching);
    let server = Sandbox::start(repository.path());
    for (i, answer) in at_once(&server, "simple_dyn", 0..64).join_all().await {
        assert_simple(&answer.expect("it is answered"), i, 1);
    }
    let (inferences, executions) = counts(&server, "simple_dyn").await;
    assert_eq!(inferences, 64);
    assert!(executions < 64, "64 requests took {executions} executions");
    eprintln!("64 requests at once took {executions} executions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_batcher_each_request_is_an_execution() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    for (i, answer) in at_once(&server, "simple", 0..64).join_all().await {
        assert_simple(&answer.expect("it is answered"), i, 1);
    }
    assert_eq!(counts(&server, "simple").await, (64, 64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses() {
    // The batch waits for a company of eight that a queue of four never has room for.
    let batching = "dynamic_batching {
        preferred_batch_size: [ 8 ]
        max_queue_delay_microseconds: 8000000
        default_queue_policy { max_queue_size: 4 }
    }";
    let repository = Repository::new().simple("small", batching);
    let server = Sandbox::start(repository.path());
    let waiting = at_once(&server, "small", 0..4);
    until_pending(&server, 4).await;
    let mut answered = 0;
    let mut refused = 0;
    for (i, answer) in at_once(&server, "small", 4..32).join_all().await {
        match answer {
            Ok(result) => {
                assert_simple(&result, i, 1);
                answered += 1;
            }
            Err(error) => {
                assert_eq!(status(&error), Some(503), "{error}");
                assert!(text(&error).contains("Exceeds maximum queue size"), "{error}");
                refused += 1;
            }
        }
    }
    for (i, answer) in waiting.join_all().await {
        assert_simple(&answer.expect("it had a place in the queue"), i, 1);
        answered += 1;
    }
    assert_eq!(answered + refused, 32);
    assert!(answered >= 4 && refused > 0, "{answered} answered, {refused} refused");
    // It serves on.
    assert_serves(&server, "small").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_is_told_when_to_come_again() {
    let repository = Repository::new().simple(
        "slow",
        "dynamic_batching {
            preferred_batch_size: [ 8 ]
            max_queue_delay_microseconds: 8000000
            default_queue_policy { max_queue_size: 1 }
        }",
    );
    let server = Sandbox::start(repository.path());
    let tensor =
        |name| json!({"name": name, "shape": [1, 16], "datatype": "INT32", "data": vec![1; 16]});
    let request = json!({"inputs": [tensor("INPUT0"), tensor("INPUT1")]}).to_string();
    let infer = || {
        let (address, request) = (server.http().to_owned(), request.clone());
        async move { send(&address, Method::POST, "/v2/models/slow/infer", &[], request).await }
    };
    let waiting = tokio::spawn(infer());
    until_pending(&server, 1).await;
    let refused = infer().await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let answer = waiting.await.expect("no panic");
    assert_eq!(answer.status, 200, "{answer:?}");
}
