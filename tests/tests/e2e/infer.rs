//! Inference over both protocols, in every encoding.

use crate::clients::{
    assert_serves, assert_simple, grpc, http, infer, simple, status, within_limit,
};
use futures_util::StreamExt as _;
use hippocamp_client::{InferInput, InferRequest, RequestedOutput, Tensor};
use hippocamp_tests::{Repository, Sandbox};
use serde_json::json;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_and_binary_both_ways() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let client = http(&server);
    for (json_in, json_out) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut request = simple("simple", 40, 2).id("17");
        if json_in {
            request.inputs = request.inputs.into_iter().map(InferInput::json).collect();
        }
        for name in ["OUTPUT0", "OUTPUT1"] {
            let output = RequestedOutput::new(name);
            request = request.output(if json_out { output.json() } else { output });
        }
        for request in [request.clone(), request.version(1)] {
            let result = within_limit(client.infer(&request)).await.expect("simple infers");
            assert_simple(&result, 40, 2);
            let about = (&*result.model_name, &*result.model_version, &*result.id);
            assert_eq!(about, ("simple", "1", "17"));
        }
    }
    let compressed = http(&server).compressed();
    let result = within_limit(compressed.infer(&simple("simple", 40, 2))).await;
    assert_simple(&result.expect("simple infers"), 40, 2);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_unary_and_streaming() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let client = grpc(&server).await;
    let mut typed = simple("simple", 40, 2);
    typed.inputs = typed.inputs.into_iter().map(InferInput::json).collect();
    for request in [simple("simple", 40, 2), typed] {
        let result = within_limit(client.infer(&request)).await.expect("simple infers");
        assert_simple(&result, 40, 2);
    }

    let requests: Vec<_> = (0..8).map(|i| simple("simple", i, 1)).collect();
    let stream = within_limit(client.infer_stream(tokio_stream::iter(requests))).await;
    let results: Vec<_> = within_limit(stream.expect("the stream opens").collect()).await;
    assert_eq!(results.len(), 8);
    for (result, i) in results.into_iter().zip(0..) {
        assert_simple(&result.expect("simple infers"), i, 1);
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_any_length() {
    let repository = Repository::new().identity("text", "TYPE_STRING", "");
    let server = Sandbox::start(repository.path());
    let long = "x".repeat(100_000);
    let texts = ["", "hippocamp", "Grüße 🌒", &long];
    let input = || InferInput::bytes("INPUT0", &[2, 2], &texts);
    let client = grpc(&server).await;
    for input in [input(), input().json()] {
        let request = InferRequest::new("text").input(input);
        let over_http = within_limit(http(&server).infer(&request)).await.expect("it infers");
        let over_grpc = within_limit(client.infer(&request)).await.expect("it infers");
        for result in [over_http, over_grpc] {
            let output = result.output("OUTPUT0").expect("it is there");
            assert_eq!(output.strings().expect("text"), texts);
        }
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_output_and_classes() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let classes = RequestedOutput::new("OUTPUT0").classification(2);
    let ascending: Vec<i32> = (0..16).collect();
    let request = InferRequest::new("simple")
        .input(InferInput::new("INPUT0", &[1, 16], &ascending))
        .input(InferInput::new("INPUT1", &[1, 16], &[1; 16]))
        .output(classes);
    let over_http = within_limit(http(&server).infer(&request)).await.expect("it infers");
    let over_grpc = within_limit(grpc(&server).await.infer(&request)).await.expect("it infers");
    for result in [over_http, over_grpc] {
        let [output] = &*result.outputs else { panic!("one output was asked for: {result:?}") };
        assert_eq!(output.strings().expect("text"), ["16:15", "15:14"]);
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generate() {
    let repository = Repository::new().identity("text", "TYPE_STRING", "");
    let server = Sandbox::start(repository.path());
    let client = http(&server);
    let response = within_limit(client.generate("text", &json!({"INPUT0": "hello"}))).await;
    let response = response.expect("it answers");
    assert_eq!((&response["model_name"], &response["OUTPUT0"]), (&json!("text"), &json!("hello")));
    let stream = within_limit(client.generate_stream("text", &json!({"INPUT0": "hello"}))).await;
    let events: Vec<_> = within_limit(stream.expect("it streams").collect()).await;
    let [Ok(event)] = &*events else { panic!("one event: {events:?}") };
    assert_eq!(event["OUTPUT0"], "hello");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_onnx_file_serves() {
    let repository = Repository::new().simple_onnx("bare");
    let server = Sandbox::start(repository.path());
    let metadata = http(&server).model_metadata("bare", None).await.expect("it is there");
    let names = |tensors: &[hippocamp_client::TensorMetadata]| -> Vec<_> {
        tensors.iter().map(|tensor| (tensor.name.clone(), tensor.datatype.clone())).collect()
    };
    let int32 = |name: &str| (name.to_owned(), "INT32".to_owned());
    assert_eq!(names(&metadata.inputs), ["INPUT0", "INPUT1"].map(int32));
    assert_eq!(names(&metadata.outputs), ["OUTPUT0", "OUTPUT1"].map(int32));
    assert_serves(&server, "bare").await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_policy_decides() {
    let repository = Repository::new()
        .simple("simple", "version_policy: { specific { versions: [ 1, 3 ] } }")
        .file("simple/2/model.onnx", "not even read: this version is not served");
    let onnx = fs::read(repository.path().join("simple/1/model.onnx")).expect("written above");
    repository.write("simple/3/model.onnx", onnx);
    let server = Sandbox::start(repository.path());
    let metadata = http(&server).model_metadata("simple", None).await.expect("it is there");
    assert_eq!(metadata.versions, ["1", "3"]);
    let result = infer(&server, "simple", 1, 1).await.expect("the latest serves");
    assert_eq!(result.model_version, "3");
    let refused = http(&server).infer(&simple("simple", 1, 1).version(2)).await;
    assert_eq!(status(&refused.expect_err("version 2 is not served")), Some(404));
    server.stop();
}

/// Numbers that overflow wrap around, as in every other engine, and end nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn integers_wrap_around() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let result = infer(&server, "simple", i32::MAX, 1).await.expect("simple infers");
    let sum: &Tensor = result.output("OUTPUT0").expect("it is there");
    assert_eq!(sum.as_i32().expect("INT32"), [i32::MIN; 16]);
    server.stop();
}
