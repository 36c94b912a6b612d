//! Loading and unloading while the server serves.

use crate::clients::{
    assert_serves, assert_simple, grpc, http, index, infer, status, text, within_limit,
};
use hippocamp_client::LoadOverrides;
use hippocamp_tests::{Repository, Sandbox};
use serde_json::json;
use std::fs;

/// The status that inference with `model` is refused with.
async fn refusal(server: &Sandbox, model: &str) -> Option<u16> {
    status(&infer(server, model, 1, 1).await.expect_err("it does not serve"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_infer_unload_over_both_protocols() {
    let repository = Repository::new().simple("simple", "").identity("other", "TYPE_FP32", "");
    let server = Sandbox::explicit(repository.path());
    let (http, grpc) = (http(&server), grpc(&server).await);
    for round in 0..2 {
        assert_eq!(refusal(&server, "simple").await, Some(404));
        let loaded = if round == 0 { http.load("simple").await } else { grpc.load("simple").await };
        loaded.expect("it loads");
        assert_serves(&server, "simple").await;
        let models = index(&server).await;
        assert!(models.contains(&"simple: READY".to_owned()), "{models:?}");
        assert!(!models.contains(&"other: READY".to_owned()), "{models:?}");
        let unloaded = if round == 0 {
            http.unload("simple", false).await
        } else {
            grpc.unload("simple", false).await
        };
        unloaded.expect("it unloads");
    }
    assert_eq!(refusal(&server, "simple").await, Some(404));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_takes_over() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::explicit(repository.path());
    let client = http(&server);
    let onnx = fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    for version in ["1", "2"] {
        repository.write(&format!("simple/{version}/model.onnx"), &onnx);
        client.load("simple").await.expect("it loads");
        let result = infer(&server, "simple", 1, 1).await.expect("it serves");
        assert_eq!(result.model_version, version);
    }
    let metadata = client.model_metadata("simple", None).await.expect("it is there");
    assert_eq!(metadata.versions, ["2"], "one version is served unless told otherwise");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_load_changes_nothing_that_serves() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::explicit(repository.path());
    let client = http(&server);
    client.load("simple").await.expect("it loads");
    for (path, content) in [
        ("simple/1/model.onnx", "this is no ONNX file"),
        ("simple/config.pbtxt", "max_batch_size: many"),
    ] {
        repository.write(path, content);
        let error = client.load("simple").await.expect_err("it is broken");
        assert!(!text(&error).is_empty());
        assert_serves(&server, "simple").await;
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overrides_of_configuration_and_files() {
    let repository = Repository::new().simple("simple", "");
    let onnx = fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    let server = Sandbox::explicit(repository.path());
    let (http, grpc) = (http(&server), grpc(&server).await);

    let config = LoadOverrides::config(json!({"backend": "onnxruntime", "max_batch_size": 3}));
    http.load_with("simple", &config).await.expect("it loads");
    let config = http.model_config("simple", None).await.expect("it is there");
    assert_eq!(config["max_batch_size"], 3);

    let config = json!({"backend": "onnxruntime", "max_batch_size": 8});
    for (name, version) in [("over_http", "7"), ("over_grpc", "8")] {
        let file = format!("{version}/model.onnx");
        let overrides = LoadOverrides::config(config.clone()).file(file, onnx.clone());
        let loaded = match name {
            "over_http" => http.load_with(name, &overrides).await,
            _ => grpc.load_with(name, &overrides).await,
        };
        loaded.expect("it loads");
        let result = infer(&server, name, 40, 2).await.expect("it serves");
        assert_simple(&result, 40, 2);
        assert_eq!(result.model_version, version);
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_brings_its_steps_and_may_take_them_away() {
    let repository =
        Repository::new().simple("simple", "").ensemble_of_simple("ensemble", "simple");
    let server = Sandbox::explicit(repository.path());
    let client = http(&server);
    client.load("ensemble").await.expect("it loads");
    assert_eq!(index(&server).await, ["ensemble: READY", "simple: READY"]);
    client.unload("ensemble", true).await.expect("it unloads");
    assert_eq!(refusal(&server, "simple").await, Some(404));
    server.stop();
}

/// Requests go on while their model is loaded anew: each is answered, by the old or the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_in_a_reload() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::explicit(repository.path());
    let client = http(&server);
    client.load("simple").await.expect("it loads");
    let requests = async {
        for i in 0..300 {
            assert_simple(&infer(&server, "simple", i, 1).await.expect("it serves"), i, 1);
        }
    };
    let reloads = async {
        for size in [4, 5, 6, 7, 8] {
            let config = LoadOverrides::config(json!({"backend": "tract", "max_batch_size": size}));
            client.load_with("simple", &config).await.expect("it loads");
        }
    };
    within_limit(async { tokio::join!(requests, reloads) }).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mode_none_refuses_model_control() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let error = http(&server).unload("simple", false).await.expect_err("the mode is none");
    assert_eq!(status(&error), Some(503));
    assert_serves(&server, "simple").await;
    server.stop();
}
