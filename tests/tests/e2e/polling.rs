//! Control mode POLL: what is dropped into the repository serves once it is whole, and nobody who asks
//! meanwhile notices but by the answer.

use crate::{
    clients::{assert_serves, http},
    under_load::UnderLoad,
};
use hippocamp_client::HttpClient;
use hippocamp_tests::{Repository, Sandbox, Settings};
use hippocamp_types::{Clock as _, MonotonicClock};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Long enough for any of these changes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Longer than a test is held up between two pieces of a file, but on a very busy machine.
const SETTLE_S: u32 = 3;

/// A server that polls; what is written has come to rest after so many seconds.
pub(crate) fn polled(repository: &Repository, settle_s: u32) -> Sandbox {
    Settings::new(repository.path())
        .option("--model-control-mode", "poll")
        .option("--repository-settle-secs", settle_s.to_string())
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The state and reason of a model's newest line in the index; empty if it has none.
pub(crate) async fn line(client: &HttpClient, model: &str) -> String {
    let index = client.index(false).await.expect("it answers");
    let mut lines = index.into_iter().filter(|entry| entry.name == model);
    lines
        .next_back()
        .map(|entry| format!("{} {} {}", entry.version, entry.state, entry.reason))
        .unwrap_or_default()
}

pub(crate) async fn until(client: &HttpClient, model: &str, expect: &str) {
    let found = timeout(LIMIT, async {
        while !line(client, model).await.starts_with(expect) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    if found.await.is_err() {
        panic!("expected '{expect}', found '{}'", line(client, model).await);
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("it is a directory") {
        let entry = entry.expect("it can be read");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it is a file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_changes_under_load() {
    let repository = Repository::new().simple("simple", "");
    let (root, server) = (repository.path().to_owned(), polled(&repository, SETTLE_S));
    let client = http(&server);
    until(&client, "simple", "1 READY").await;

    let load = UnderLoad::start(&server);

    // A version that is copied slowly: until the last byte is there, the one before serves.
    let model = fs::read(root.join("simple/1/model.onnx")).expect("it is there");
    let mut written = MonotonicClock.now();
    // Held up for so long, this test leaves pieces that have come to rest: the server is right to try them.
    let mut rested = false;
    let mut has_rested = |since| {
        rested |= MonotonicClock.now().since(since) >= Duration::from_secs(SETTLE_S.into());
        rested
    };
    fs::create_dir(root.join("simple/2")).expect("it is new");
    let mut file = File::create(root.join("simple/2/model.onnx")).expect("it is new");
    for piece in model.chunks(model.len().div_ceil(10)) {
        let next = MonotonicClock.now();
        file.write_all(piece).expect("there is room");
        has_rested(written);
        written = next;
        sleep(Duration::from_millis(60)).await;
        let line = line(&client, "simple").await;
        assert!(
            has_rested(written) || line.starts_with("1 READY"),
            "version 2 is not whole: {line}"
        );
    }
    drop(file);
    until(&client, "simple", "2 READY").await;

    // A whole one that is renamed into place, a broken one, one that vanishes again.
    copy(&root.join("simple/1"), &root.join(".new"));
    fs::rename(root.join(".new"), root.join("simple/3")).expect("it is one file system");
    until(&client, "simple", "3 READY").await;
    fs::create_dir(root.join("simple/4")).expect("it is new");
    fs::write(root.join("simple/4/model.onnx"), &model[..model.len() / 2]).expect("there is room");
    until(&client, "simple", "4 UNAVAILABLE model 'simple' version 4").await;
    fs::remove_dir_all(root.join("simple/4")).expect("it is ours");

    // A configuration that alternates between good and bad faster than it comes to rest.
    let config = fs::read_to_string(root.join("simple/config.pbtxt")).expect("it is there");
    for _ in 0..10 {
        for text in ["nonsense {", &config] {
            fs::write(root.join("simple/config.pbtxt"), text).expect("there is room");
            sleep(Duration::from_millis(50)).await;
        }
    }
    // What is removed goes; what came beside it stays.
    copy(&root.join("simple/1"), &root.join("other/1"));
    fs::write(root.join("other/config.pbtxt"), config.replace("\"simple\"", "\"other\""))
        .expect("there is room");
    until(&client, "other", "1 READY").await;
    assert_serves(&server, "other").await;
    fs::remove_dir_all(root.join("other")).expect("it is ours");
    until(&client, "other", "1 UNAVAILABLE unloaded").await;

    load.stop().await;
    let refused = client.load("simple").await.expect_err("it is polled").to_string();
    assert!(refused.contains("not allowed if polling is enabled"), "{refused}");
    server.stop();
}
