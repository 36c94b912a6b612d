//! What a user sees when the server cannot start as asked.

use crate::clients::{assert_serves, get, index};
use hippocamp_tests::{Refusal, Repository, Sandbox, Settings};
use std::{net::TcpListener, path::Path};

/// The server must end by itself, without success, and say all of `says`.
fn refuses(settings: Settings, says: &[&str]) {
    let Refusal { status, log } = match settings.start() {
        Ok(_serves) => panic!("it serves; expected a refusal that says {says:?}"),
        Err(refusal) => refusal,
    };
    assert!(status.code().is_some_and(|code| code != 0), "ended with {status}; log:\n{log}");
    for text in says {
        assert!(log.contains(text), "the log does not say {text:?}:\n{log}");
    }
}

/// A repository with one good model and the broken one, and the words its reason must contain.
fn broken() -> Vec<(Repository, Vec<&'static str>)> {
    let good = || Repository::new().simple("good", "");
    let lines = "max_batch_size: 8\nbackend: \"identity\"\n";
    vec![
        (
            good()
                .simple_onnx("broken")
                .file("broken/config.pbtxt", format!("{lines}max_batch: 4\n")),
            vec!["broken", "max_batch", "3"],
        ),
        (
            good().simple_onnx("broken").file(
                "broken/config.pbtxt",
                format!("{lines}instance_group [ {{ count: \"two\" }} ]\n"),
            ),
            vec!["broken", "count", "3"],
        ),
        (good().file("broken/1/model.onnx", "this is no ONNX file"), vec!["broken", "model.onnx"]),
        (
            good().file("broken/config.pbtxt", "backend: \"nope\"").file("broken/1/keep", ""),
            vec!["broken", "nope"],
        ),
    ]
}

#[test]
fn an_unreadable_repository() {
    let missing = Path::new("no/such/repository");
    refuses(Settings::new(missing), &["no/such/repository"]);
    let file = Repository::new().file("file", "");
    refuses(Settings::new(&file.path().join("file")), &["file"]);
}

#[test]
fn a_broken_model_ends_the_start() {
    for (repository, says) in broken() {
        refuses(Settings::new(repository.path()), &says);
    }
}

#[tokio::test]
async fn with_exit_on_error_off_the_rest_is_served() {
    for (repository, says) in broken() {
        let server = Settings::new(repository.path())
            .option("--exit-on-error", "false")
            .start()
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        assert_serves(&server, "good").await;
        let models = index(&server).await;
        let broken = models.iter().find(|model| model.starts_with("broken: "));
        let broken = broken.unwrap_or_else(|| panic!("the index lacks it: {models:?}"));
        assert!(broken.contains("UNAVAILABLE"), "{broken}");
        for text in says {
            assert!(broken.contains(text), "the reason does not say {text:?}: {broken}");
        }
        assert_eq!(get(server.http(), "/v2/health/live").await.status, 200);
        assert_eq!(get(server.http(), "/v2/health/ready").await.status, 400);
        server.stop();
    }
}

#[tokio::test]
async fn readiness_may_ignore_broken_models() {
    let repository = Repository::new().simple("good", "").file("broken/1/model.onnx", "broken");
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .option("--strict-readiness", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(get(server.http(), "/v2/health/ready").await.status, 200);
    server.stop();
}

#[test]
fn a_busy_port() {
    let repository = Repository::new();
    for flag in ["--http-port", "--grpc-port", "--metrics-port"] {
        let busy = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = busy.local_addr().expect("it is bound").port().to_string();
        refuses(Settings::new(repository.path()).option(flag, port.as_str()), &[&port]);
    }
}

#[test]
fn wrong_flags() {
    let repository = Repository::new();
    let settings = || Settings::new(repository.path());
    refuses(settings().and("--no-such-flag"), &["--no-such-flag"]);
    refuses(settings().option("--http-port", "eighty"), &["--http-port", "eighty"]);
    refuses(settings().option("--model-control-mode", "sometimes"), &["sometimes", "explicit"]);
}

#[tokio::test]
async fn endpoints_can_be_switched_off() {
    let repository = Repository::new().simple("simple", "");
    let server = Settings::new(repository.path())
        .option("--allow-grpc", "false")
        .option("--allow-metrics", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_serves(&server, "simple").await;
    server.stop();
}

#[tokio::test]
async fn an_empty_repository_serves() {
    let repository = Repository::new();
    let server = Sandbox::start(repository.path());
    assert_eq!(get(server.http(), "/v2/health/ready").await.status, 200);
    assert!(index(&server).await.is_empty());
    server.stop();
}
