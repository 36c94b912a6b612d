//! A model that is unloaded leaves nothing behind: no memory, no thread, no second copy of its backend's
//! library. Through a shared library, which is opened and closed with each round.

use crate::clients::{LIMIT, assert_serves, http, within_limit};
use hippocamp_tests::{Repository, Sandbox, Settings, server_binary};
use std::{fs, os::unix::fs::symlink, time::Duration};
use tokio::time::{sleep, timeout};

const ROUNDS: usize = 200;
/// Rounds after which caches and arenas have the size that they keep.
const SETTLED: usize = 50;
/// More than this is a leak: 150 rounds that each keep 32 KiB exceed it.
const TOLERANCE_KIB: u64 = 4 * 1024;
/// The server gives memory back a moment after a version has ended.
const GIVEN_BACK: Duration = Duration::from_millis(500);

/// How often the start of the library is mapped.
fn mapped(server: &Sandbox, library: &str) -> usize {
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid())).expect("it runs");
    let starts =
        |line: &&str| line.ends_with(library) && line.split_whitespace().nth(2) == Some("00000000");
    maps.lines().filter(starts).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_rounds_leave_nothing_behind() {
    let backends = tempfile::tempdir().expect("a directory");
    let place = backends.path().join("borrowed");
    fs::create_dir(&place).expect("it is new");
    let library = server_binary().with_file_name("libtriton_tract.so");
    symlink(&library, place.join("libtriton_borrowed.so")).expect("it is new");

    let repository = Repository::new().simple("simple", "");
    let config = repository.path().join("simple/config.pbtxt");
    let text = fs::read_to_string(&config).expect("written above");
    let (from, to) = (r#"platform: "onnxruntime_onnx""#, r#"backend: "borrowed""#);
    assert!(text.contains(from), "{text}");
    fs::write(&config, text.replace(from, to)).expect("it is ours");
    let server = Settings::new(repository.path())
        .option("--model-control-mode", "explicit")
        .option("--backend-directory", backends.path())
        // Each thread has a heap of its own: one that is first used late would be taken for a leak.
        .option("--http-thread-count", "2")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));

    let client = http(&server);
    let mut settled = (0, 0);
    for round in 0..ROUNDS {
        client.load("simple").await.expect("it loads");
        assert_serves(&server, "simple").await;
        client.unload("simple", false).await.expect("it unloads");
        if round == SETTLED {
            settled = (rest(&server).await, server.resident_kib());
        }
    }
    let threads = rest(&server).await;
    let most = settled.1 + TOLERANCE_KIB;
    // On a busy machine the moment is longer; a leak does not go away.
    let given_back = async {
        while server.resident_kib() >= most {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let given_back = timeout(LIMIT, given_back).await;
    let memory = server.resident_kib();
    eprintln!(
        "after {SETTLED} and {ROUNDS} rounds: threads {} and {threads}, RSS {} and {memory} KiB",
        settled.0, settled.1
    );
    assert_eq!(threads, settled.0, "no thread stays");
    assert!(given_back.is_ok(), "{} KiB, then {memory} KiB", settled.1);
    assert!(mapped(&server, "libtriton_tract.so") <= 1, "the library is mapped once");
    server.stop();
}

/// Threads of the server, once those of the unloaded model have ended and its memory is given back. Those
/// that serve sockets come and go by themselves.
async fn rest(server: &Sandbox) -> usize {
    let names = || -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect()
    };
    // An instance's thread has the instance's name.
    let ended = async {
        while names().iter().any(|name| name.starts_with("simple")) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within_limit(ended).await;
    sleep(GIVEN_BACK).await;
    names().iter().filter(|name| name.trim() != "hippocamp-io").count()
}
