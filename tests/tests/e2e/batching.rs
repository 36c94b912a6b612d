//! The dynamic batcher and its limits, under many requests at once.

use crate::clients::{Answer, assert_simple, get, infer};
use hippocamp_tests::{Repository, Sandbox};
use tokio::task::JoinSet;

/// Sends `count` requests at once, each with other numbers: request `i` is of `i` and 1.
async fn at_once(server: &Sandbox, model: &'static str, count: i32) -> Vec<(i32, Answer)> {
    let mut requests = JoinSet::new();
    for i in 0..count {
        let address = server.http().to_owned();
        requests.spawn(async move { (i, infer(&address, model, i, 1).await) });
    }
    requests.join_all().await
}

async fn counts(server: &Sandbox, model: &str) -> (u64, u64) {
    let statistics = get(server.http(), &format!("/v2/models/{model}/versions/1/stats")).await.ok();
    let model = &statistics["model_stats"][0];
    let count = |key: &str| model[key].as_u64().unwrap_or_else(|| panic!("no {key}: {model}"));
    (count("inference_count"), count("execution_count"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_share_executions() {
    let batching = "dynamic_batching { max_queue_delay_microseconds: 100000 }";
    let repository = Repository::new().simple("simple_dyn", batching);
    let server = Sandbox::start(repository.path());
    for (i, answer) in at_once(&server, "simple_dyn", 64).await {
        assert_simple(&answer.ok(), i, 1);
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
    for (i, answer) in at_once(&server, "simple", 64).await {
        assert_simple(&answer.ok(), i, 1);
    }
    assert_eq!(counts(&server, "simple").await, (64, 64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses() {
    // The batch waits for a company of eight that a queue of four never has room for.
    let batching = "dynamic_batching {
        preferred_batch_size: [ 8 ]
        max_queue_delay_microseconds: 2000000
        default_queue_policy { max_queue_size: 4 }
    }";
    let repository = Repository::new().simple("small", batching);
    let server = Sandbox::start(repository.path());
    let mut answered = 0;
    let mut refused = 0;
    for (i, answer) in at_once(&server, "small", 32).await {
        match answer.status {
            200 => {
                assert_simple(&answer.ok(), i, 1);
                answered += 1;
            }
            503 => {
                assert!(answer.error().contains("Exceeds maximum queue size"), "{answer:?}");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(answered + refused, 32);
    assert!(answered >= 4 && refused > 0, "{answered} answered, {refused} refused");
    // It serves on.
    assert_simple(&infer(server.http(), "small", 5, 6).await.ok(), 5, 6);
}
