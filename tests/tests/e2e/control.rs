//! Loading and unloading while the server serves.

use crate::clients::{Answer, assert_simple, get, index, infer, post};
use hippocamp_tests::{Repository, Sandbox};
use serde_json::{Value, json};
use std::fs;

async fn load(server: &Sandbox, model: &str, body: &Value) -> Answer {
    post(server.http(), &format!("/v2/repository/models/{model}/load"), body).await
}

async fn unload(server: &Sandbox, model: &str, body: &Value) -> Answer {
    post(server.http(), &format!("/v2/repository/models/{model}/unload"), body).await
}

#[tokio::test]
async fn load_infer_unload() {
    let repository = Repository::new().simple("simple", "").identity("other", "TYPE_FP32", "");
    let server = Sandbox::explicit(repository.path());
    assert_eq!(infer(server.http(), "simple", 1, 1).await.status, 404);
    assert_eq!(load(&server, "simple", &json!({})).await.status, 200);
    assert_simple(&infer(server.http(), "simple", 40, 2).await.ok(), 40, 2);
    let models = index(&server).await;
    assert!(models.contains(&"simple: READY".to_owned()), "{models:?}");
    assert!(!models.contains(&"other: READY".to_owned()), "{models:?}");
    assert_eq!(unload(&server, "simple", &json!({})).await.status, 200);
    assert_eq!(infer(server.http(), "simple", 1, 1).await.status, 404);
    server.stop();
}

#[tokio::test]
async fn a_new_version_takes_over() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::explicit(repository.path());
    load(&server, "simple", &json!({})).await;
    assert_eq!(infer(server.http(), "simple", 1, 1).await.ok()["model_version"], "1");
    let onnx = fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    repository.write("simple/2/model.onnx", onnx);
    load(&server, "simple", &json!({})).await;
    assert_eq!(infer(server.http(), "simple", 1, 1).await.ok()["model_version"], "2");
    let metadata = get(server.http(), "/v2/models/simple").await.ok();
    assert_eq!(metadata["versions"], json!(["2"]), "one version is served unless told otherwise");
    server.stop();
}

#[tokio::test]
async fn a_failed_load_changes_nothing_that_serves() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::explicit(repository.path());
    load(&server, "simple", &json!({})).await;
    for (path, content) in [
        ("simple/1/model.onnx", "this is no ONNX file"),
        ("simple/config.pbtxt", "max_batch_size: many"),
    ] {
        repository.write(path, content);
        let answer = load(&server, "simple", &json!({})).await;
        assert!(answer.status >= 400, "{answer:?}");
        assert!(!answer.error().is_empty());
        assert_simple(&infer(server.http(), "simple", 40, 2).await.ok(), 40, 2);
    }
    server.stop();
}

#[tokio::test]
async fn overrides_of_configuration_and_files() {
    let repository = Repository::new().simple("simple", "");
    let onnx = fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    let server = Sandbox::explicit(repository.path());

    let config = json!({"backend": "onnxruntime", "max_batch_size": 3}).to_string();
    let answer = load(&server, "simple", &json!({"parameters": {"config": config}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let config = get(server.http(), "/v2/models/simple/config").await.ok();
    assert_eq!(config["max_batch_size"], 3);

    let config = json!({"backend": "onnxruntime", "max_batch_size": 8}).to_string();
    let parameters = json!({"config": config, "file:7/model.onnx": base64(&onnx)});
    let answer = load(&server, "from_a_client", &json!({"parameters": parameters})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let response = infer(server.http(), "from_a_client", 40, 2).await.ok();
    assert_simple(&response, 40, 2);
    assert_eq!(response["model_version"], "7");
    server.stop();
}

#[tokio::test]
async fn an_ensemble_brings_its_steps_and_may_take_them_away() {
    let repository =
        Repository::new().simple("simple", "").ensemble_of_simple("ensemble", "simple");
    let server = Sandbox::explicit(repository.path());
    load(&server, "ensemble", &json!({})).await.status.eq(&200).then_some(()).expect("it loads");
    assert_eq!(index(&server).await, ["ensemble: READY", "simple: READY"]);
    let all = json!({"parameters": {"unload_dependents": true}});
    assert_eq!(unload(&server, "ensemble", &all).await.status, 200);
    assert_eq!(infer(server.http(), "simple", 1, 1).await.status, 404);
    server.stop();
}

#[tokio::test]
async fn mode_none_refuses_model_control() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let answer = unload(&server, "simple", &json!({})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_simple(&infer(server.http(), "simple", 40, 2).await.ok(), 40, 2);
    server.stop();
}

/// Standard base64 with padding.
fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(bits);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
