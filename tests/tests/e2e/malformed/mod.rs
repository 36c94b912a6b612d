//! Generated requests that no client would send, over both protocols: each is answered in time with
//! a status that puts the blame on the client, the server serves on, and its memory stays.
//!
//! A run sends `HIPPOCAMP_MALFORMED` requests over each protocol, 20,000 if that is not set; the
//! seed stands in every failure.

mod grpc;
mod http;
mod random;

use crate::clients::assert_serves;
use hippocamp_tests::{Repository, Sandbox, Settings};
use std::{env, future::Future, ops::Range};

/// Clients at once.
const CLIENTS: u64 = 4;

/// How much the server's memory may grow between the first quarter of a run, when every buffer has
/// found its size, and its end.
const GROWTH_KIB: u64 = 8 * 1024;

fn requests() -> u64 {
    env::var("HIPPOCAMP_MALFORMED").map_or(20_000, |text| text.parse().expect("a number"))
}

/// Runs `client` over every seed, and looks at the server before and after.
async fn run<F>(client: impl Fn(String, Range<u64>) -> F, address: impl Fn(&Sandbox) -> &str)
where
    F: Future<Output = ()> + Send + 'static,
{
    let repository = Repository::new()
        .simple("simple", "")
        .identity("text", "TYPE_STRING", "")
        .identity("half", "TYPE_FP16", "")
        .ensemble_of_simple("ensemble", "simple");
    // Each thread has a heap of its own: one that is first used late would be taken for growth.
    let server = Settings::new(repository.path())
        .option("--http-thread-count", "2")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let address = address(&server).to_owned();
    let part = async |seeds: Range<u64>| {
        let each = (seeds.end - seeds.start) / CLIENTS;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| seeds.start + number * each)
            .map(|start| tokio::spawn(client(address.clone(), start..start + each)))
            .collect();
        for client in clients {
            client.await.expect("every request of this client was answered");
        }
    };
    let (quarter, all) = (requests() / 4, requests());
    part(0..quarter).await;
    let settled = server.resident_kib();
    part(quarter..all).await;
    let end = server.resident_kib();
    eprintln!("{all} requests: {settled} KiB after a quarter, {end} KiB at the end");
    assert!(end < settled + GROWTH_KIB, "memory grew from {settled} to {end} KiB");
    assert_serves(&server, "simple").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    run(http::client, Sandbox::http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc() {
    run(grpc::client, Sandbox::grpc).await;
}
