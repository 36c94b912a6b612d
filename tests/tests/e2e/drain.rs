//! SIGTERM: not ready at once, requests in flight answered, exit code 0.

use crate::clients::{
    assert_serves, assert_simple, get, http, infer, simple, status, until_pending, within_limit,
};
use hippocamp_tests::{Repository, Sandbox, Settings};
use std::{os::unix::net::UnixDatagram, time::Duration};

/// A batch waits long for company, so that there is a request in flight.
const SLOW: &str =
    "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 8000000 }";

/// Asks again until `path` answers `status`.
async fn until(address: &str, path: &str, status: u16) {
    within_limit(async {
        while get(address, path).await.status != status {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_are_answered() {
    let repository = Repository::new().simple("slow", SLOW);
    let mut server = Sandbox::start(repository.path());
    let client = http(&server);
    let in_flight =
        tokio::spawn(async move { within_limit(client.infer(&simple("slow", 40, 2))).await });
    until_pending(&server, 1).await;
    server.terminate();
    until(server.http(), "/v2/health/ready", 400).await;
    let refused = infer(&server, "slow", 1, 1).await.expect_err("no new work while it drains");
    assert_eq!(status(&refused), Some(503));
    assert_simple(&in_flight.await.expect("no panic").expect("it is answered"), 40, 2);
    let status = server.wait();
    assert!(status.success(), "ended with {status}; log:\n{}", server.log());
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let repository = Repository::new().simple("simple", "");
    let mut server = Settings::new(repository.path())
        .option("--exit-timeout-secs", "8")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    // A client that keeps its connection open must not hold it up.
    let idle = tokio::net::TcpStream::connect(server.http()).await.expect("the server listens");
    server.terminate();
    assert!(server.wait().success(), "log:\n{}", server.log());
    drop(idle);
}

#[tokio::test]
async fn it_serves_on_while_load_balancers_notice() {
    let repository = Repository::new().simple("simple", "");
    let mut server = Settings::new(repository.path())
        .option("--drain-secs", "8")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    server.terminate();
    until(server.http(), "/v2/health/ready", 400).await;
    assert_serves(&server, "simple").await;
    assert!(server.wait().success(), "log:\n{}", server.log());
}

#[tokio::test]
async fn a_second_signal_ends_it() {
    let repository = Repository::new().simple("simple", "");
    let mut server = Settings::new(repository.path())
        .option("--drain-secs", "600")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    server.terminate();
    until(server.http(), "/v2/health/ready", 400).await;
    server.terminate();
    let status = server.wait();
    assert_eq!(status.code(), Some(1));
    assert!(server.log().contains("second signal (SIGTERM): exiting at once"), "{}", server.log());
}

#[tokio::test]
async fn systemd_is_told() {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a new socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let repository = Repository::new().simple("simple", "");
    let mut server = Settings::new(repository.path())
        .variable("NOTIFY_SOCKET", &path)
        .variable("WATCHDOG_USEC", "200000")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let told = |wanted: &str| {
        let mut all = String::new();
        let mut message = [0; 512];
        while !all.lines().any(|line| line == wanted) {
            let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("{error}: {all}"));
            all += &String::from_utf8_lossy(&message[..length]);
            all += "\n";
        }
    };
    told("READY=1");
    told("WATCHDOG=1");
    told("WATCHDOG=1");
    server.terminate();
    told("STOPPING=1");
    assert!(server.wait().success(), "log:\n{}", server.log());
}
