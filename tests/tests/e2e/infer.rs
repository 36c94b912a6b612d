//! Inference over both protocols, in every encoding.

use crate::clients::{
    assert_simple, exchange, get, grpc, infer, little_endian, output, post, simple_json,
    simple_message, within_limit,
};
use hippocamp_tests::{Repository, Sandbox};
use serde_json::json;

#[tokio::test]
async fn json_in_json_out() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let mut request = simple_json(40, 2);
    request["id"] = json!("17");
    for path in ["/v2/models/simple/infer", "/v2/models/simple/versions/1/infer"] {
        let response = post(server.http(), path, &request).await.ok();
        assert_simple(&response, 40, 2);
        assert_eq!(
            (&response["model_name"], &response["model_version"], &response["id"]),
            (&json!("simple"), &json!("1"), &json!("17"))
        );
    }
    server.stop();
}

#[tokio::test]
async fn binary_in_binary_out() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let mut request = simple_json(40, 2);
    for input in request["inputs"].as_array_mut().expect("written above") {
        let input = input.as_object_mut().expect("written above");
        input.remove("data");
        input.insert("parameters".to_owned(), json!({"binary_data_size": 64}));
    }
    request["parameters"] = json!({"binary_data_output": true});
    let head = request.to_string();
    let body = [head.as_bytes(), &little_endian(40), &little_endian(2)].concat();
    let headers = [("Inference-Header-Content-Length", head.len().to_string())];
    let answer = exchange(server.http(), "POST", "/v2/models/simple/infer", &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = answer.header("inference-header-content-length").expect("a binary answer");
    let (head, tail) = answer.body.split_at(head.parse().expect("a number"));
    let head: serde_json::Value = serde_json::from_slice(head).expect("a JSON head");
    assert_eq!(output(&head, "OUTPUT0")["parameters"]["binary_data_size"], 64);
    assert_eq!(tail, [little_endian(42), little_endian(38)].concat());
    server.stop();
}

#[tokio::test]
async fn grpc_unary_and_streaming() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let mut client = grpc(&server).await;
    let response = within_limit(client.model_infer(simple_message("simple", 40, 2))).await;
    let response = response.expect("simple infers").into_inner();
    assert_eq!(response.raw_output_contents, [little_endian(42), little_endian(38)]);

    let requests: Vec<_> = (0..8).map(|i| simple_message("simple", i, 1)).collect();
    let stream = within_limit(client.model_stream_infer(tokio_stream::iter(requests))).await;
    let mut stream = stream.expect("the stream opens").into_inner();
    let mut sums = Vec::new();
    while let Some(answer) = within_limit(stream.message()).await.expect("the stream goes on") {
        assert_eq!(answer.error_message, "");
        let response = answer.infer_response.expect("a response");
        sums.push(response.raw_output_contents[0][0]);
    }
    sums.sort_unstable();
    assert_eq!(sums, [1, 2, 3, 4, 5, 6, 7, 8]);
    server.stop();
}

#[tokio::test]
async fn bytes_of_any_length() {
    let repository = Repository::new().identity("text", "TYPE_STRING", "");
    let server = Sandbox::start(repository.path());
    let texts = json!(["", "hippocamp", "Grüße 🌒", "x".repeat(100_000)]);
    let request = json!({"inputs": [
        {"name": "INPUT0", "shape": [2, 2], "datatype": "BYTES", "data": texts}
    ]});
    let response = post(server.http(), "/v2/models/text/infer", &request).await.ok();
    assert_eq!(output(&response, "OUTPUT0")["data"], texts);
    server.stop();
}

#[tokio::test]
async fn generate() {
    let repository = Repository::new().identity("text", "TYPE_STRING", "");
    let server = Sandbox::start(repository.path());
    let response =
        post(server.http(), "/v2/models/text/generate", &json!({"INPUT0": "hello"})).await.ok();
    assert_eq!((&response["model_name"], &response["OUTPUT0"]), (&json!("text"), &json!("hello")));
    server.stop();
}

#[tokio::test]
async fn a_bare_onnx_file_serves() {
    let repository = Repository::new().simple_onnx("bare");
    let server = Sandbox::start(repository.path());
    let metadata = get(server.http(), "/v2/models/bare").await.ok();
    let names = |of: &str| -> Vec<_> {
        let tensors = metadata[of].as_array().expect("metadata lists tensors");
        tensors.iter().map(|tensor| (tensor["name"].clone(), tensor["datatype"].clone())).collect()
    };
    assert_eq!(names("inputs"), ["INPUT0", "INPUT1"].map(|name| (json!(name), json!("INT32"))));
    assert_eq!(names("outputs"), ["OUTPUT0", "OUTPUT1"].map(|name| (json!(name), json!("INT32"))));
    assert_simple(&infer(server.http(), "bare", 40, 2).await.ok(), 40, 2);
    server.stop();
}

#[tokio::test]
async fn the_version_policy_decides() {
    let repository = Repository::new()
        .simple("simple", "version_policy: { specific { versions: [ 1, 3 ] } }")
        .file("simple/2/model.onnx", "not even read: this version is not served");
    let onnx = std::fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    repository.write("simple/3/model.onnx", onnx);
    let server = Sandbox::start(repository.path());
    let metadata = get(server.http(), "/v2/models/simple").await.ok();
    assert_eq!(metadata["versions"], json!(["1", "3"]));
    assert_eq!(infer(server.http(), "simple", 1, 1).await.ok()["model_version"], "3");
    server.stop();
}
