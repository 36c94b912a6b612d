//! Triton's trace files: what is in them, and which requests get there. All through the server's
//! flags and the trace extension.

use crate::clients::{
    assert_serves, body, get_json, grpc, http, infer, send, simple, within_limit,
};
use futures_util::{StreamExt as _, stream};
use hippocamp_client::{InferInput, InferRequest};
use hippocamp_tests::{Repository, Sandbox, Settings};
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A server that traces as `config` says, into `trace.json` of a directory of its own.
fn traced(repository: &Repository, config: &[&str]) -> (Sandbox, TempDir) {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let file = directory.path().join("trace.json");
    let mut settings = Settings::new(repository.path())
        .and(&format!("--trace-config=triton,file={}", file.display()));
    for setting in config {
        settings = settings.and(&format!("--trace-config={setting}"));
    }
    (settings.start().unwrap_or_else(|refusal| panic!("{refusal}")), directory)
}

/// One trace, as a file has it.
#[derive(Debug, Default)]
struct Traced {
    model: String,
    version: i64,
    request_id: String,
    parent: Option<u64>,
    /// Names and nanoseconds, in the file's order.
    marks: Vec<(String, u64)>,
    /// Activity, name, data, shape and datatype.
    tensors: Vec<[String; 5]>,
}

impl Traced {
    fn names(&self) -> Vec<&str> {
        self.marks.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn at(&self, name: &str) -> u64 {
        let found = self.marks.iter().find(|(mark, _)| mark == name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// The traces of a file, by id.
fn read(path: PathBuf) -> BTreeMap<u64, Traced> {
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let objects: Vec<Value> = serde_json::from_slice(&text).expect("a JSON document, a list");
    let mut traces: BTreeMap<u64, Traced> = BTreeMap::new();
    for object in &objects {
        let trace = traces.entry(object["id"].as_u64().expect("an id")).or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if object.get("model_name").is_some() {
            trace.model = text(&object["model_name"]);
            trace.version = object["model_version"].as_i64().expect("a version");
            trace.request_id = text(&object["request_id"]);
            trace.parent = object["parent_id"].as_u64();
        }
        for mark in object["timestamps"].as_array().into_iter().flatten() {
            trace.marks.push((text(&mark["name"]), mark["ns"].as_u64().expect("nanoseconds")));
        }
        if let Some(tensor) = object.get("tensor") {
            let of = |key: &str| text(&tensor[key]);
            let activity = text(&object["activity"]);
            trace.tensors.push([activity, of("name"), of("data"), of("shape"), of("dtype")]);
        }
    }
    traces
}

fn file(directory: &Path, suffix: &str) -> PathBuf {
    directory.join(format!("trace.json{suffix}"))
}

async fn set(server: &Sandbox, path: &str, settings: Value) -> (u16, Value) {
    let answer = send(server.http(), Method::POST, path, &[], settings.to_string()).await;
    (answer.status, answer.json().unwrap_or_else(|error| panic!("{error}: {}", body(&answer))))
}

/// What every request to a model with a backend passes.
const OF_MODEL: [&str; 7] = [
    "REQUEST_START",
    "QUEUE_START",
    "COMPUTE_START",
    "COMPUTE_INPUT_END",
    "COMPUTE_OUTPUT_START",
    "COMPUTE_END",
    "REQUEST_END",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_tells_the_way_of_a_request() {
    let repository = Repository::new().simple("simple", "");
    let (server, directory) = traced(&repository, &["level=TIMESTAMPS", "rate=1"]);
    let request = simple("simple", 1, 2).id("by \"http\"");
    within_limit(http(&server).infer(&request)).await.expect("simple infers");
    let request = simple("simple", 1, 2).id("by grpc");
    within_limit(grpc(&server).await.infer(&request)).await.expect("simple infers");
    let mut bad = simple("simple", 1, 1);
    bad.inputs.truncate(1);
    within_limit(http(&server).infer(&bad)).await.expect_err("an input is missing");
    within_limit(grpc(&server).await.infer(&bad)).await.expect_err("an input is missing");
    server.stop();

    let traces = read(file(directory.path(), ""));
    assert_eq!(traces.len(), 4, "{traces:?}");
    let fronts = [
        [("HTTP_RECV_START", "HTTP_RECV_END"), ("HTTP_SEND_START", "HTTP_SEND_END")],
        [("GRPC_WAITREAD_START", "GRPC_WAITREAD_END"), ("GRPC_SEND_START", "GRPC_SEND_END")],
    ];
    for ((trace, ids), [received, sent]) in
        traces.values().zip(["by \"http\"", "by grpc"]).zip(fronts)
    {
        assert_eq!((trace.model.as_str(), trace.version, trace.parent), ("simple", 1, None));
        assert_eq!(trace.request_id, ids);
        assert!(trace.marks.is_sorted_by_key(|(_, ns)| *ns), "{trace:?}");
        let of_model: Vec<_> =
            trace.names().into_iter().filter(|name| OF_MODEL.contains(name)).collect();
        assert_eq!(of_model, OF_MODEL);
        // The client may have its answer before the backend is done with the request.
        let way =
            [received.0, received.1, "REQUEST_START", "INFER_RESPONSE_COMPLETE", sent.0, sent.1];
        let times: Vec<_> = way.iter().map(|name| trace.at(name)).collect();
        assert!(times.is_sorted(), "{trace:?}");
        assert_eq!(trace.marks.len(), OF_MODEL.len() + 5, "{trace:?}");
    }
    for (id, [received, sent]) in [(3, fronts[0]), (4, fronts[1])] {
        let way = [received.0, received.1, "REQUEST_START", "REQUEST_END", sent.0, sent.1];
        assert_eq!(traces[&id].names(), way, "a request that was refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_an_ensemble_are_its_children() {
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let (server, directory) = traced(&repository, &["level=TIMESTAMPS", "level=TENSORS", "rate=1"]);
    infer(&server, "both", 40, 2).await.expect("the ensemble infers");
    server.stop();
    let traces = read(file(directory.path(), ""));
    let shown: Vec<_> =
        traces.iter().map(|(id, trace)| (*id, trace.model.as_str(), trace.parent)).collect();
    assert_eq!(shown, [(1, "both", None), (2, "simple", Some(1)), (3, "simple", Some(1))]);
    let (whole, first, second) = (&traces[&1], &traces[&2], &traces[&3]);
    for step in [first, second] {
        assert_eq!(step.names(), OF_MODEL);
        assert!(whole.at("QUEUE_START") <= step.at("REQUEST_START"));
    }
    assert!(first.at("COMPUTE_START") < second.at("REQUEST_START"));
    assert!(whole.at("REQUEST_END") >= second.at("COMPUTE_END"));

    let tensor = |activity: &str, name: &str, value: i32| {
        let data = vec![value.to_string(); 16].join(",");
        [activity, name, &data, "1,16", "INT32"].map(str::to_owned)
    };
    let flow = |a, b| {
        vec![
            tensor("TENSOR_QUEUE_INPUT", "INPUT0", a),
            tensor("TENSOR_QUEUE_INPUT", "INPUT1", b),
            tensor("TENSOR_BACKEND_OUTPUT", "OUTPUT0", a + b),
            tensor("TENSOR_BACKEND_OUTPUT", "OUTPUT1", a - b),
        ]
    };
    assert_eq!((&first.tensors, &second.tensors), (&flow(40, 2), &flow(42, 38)));
    assert_eq!(whole.tensors[..2], flow(40, 2)[..2]);
    assert_eq!(whole.tensors[2], tensor("TENSOR_BACKEND_OUTPUT", "OUTPUT0", 80));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_count_and_frequency_hold() {
    let repository = Repository::new().simple("simple", "");
    let config = ["level=TIMESTAMPS", "rate=2", "count=5", "triton,log-frequency=2"];
    let (server, directory) = traced(&repository, &config);
    for _ in 0..14 {
        assert_serves(&server, "simple").await;
    }
    let settings = get_json(&server, "/v2/trace/setting").await;
    assert_eq!((&settings["trace_count"], &settings["trace_rate"]), (&json!("0"), &json!("2")));
    server.stop();
    let count = |suffix| read(file(directory.path(), suffix)).len();
    // Two, two, and the last one, which ends the count.
    assert_eq!([".0", ".1", ".2"].map(count), [2, 2, 1]);
    assert!(!file(directory.path(), ".3").exists() && !file(directory.path(), "").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_change_while_the_server_runs() {
    let repository = Repository::new().simple("simple", "").simple("other", "");
    let (server, directory) = traced(&repository, &[]);
    let (all, one) = ("/v2/trace/setting", "/v2/models/other/trace/setting");
    assert_serves(&server, "simple").await;
    let (status, settings) =
        set(&server, one, json!({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})).await;
    assert_eq!(status, 200, "{settings}");
    let name = file(directory.path(), "");
    let expect = json!({
        "trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "-1",
        "log_frequency": "0", "trace_file": name.to_str(), "trace_mode": "triton",
    });
    assert_eq!(settings, expect);
    assert_eq!(get_json(&server, all).await["trace_level"], json!(["OFF"]));
    assert_serves(&server, "simple").await;
    assert_serves(&server, "other").await;
    // All but one.
    set(&server, all, json!({"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})).await;
    set(&server, one, json!({"trace_level": ["OFF"]})).await;
    assert_serves(&server, "simple").await;
    assert_serves(&server, "other").await;
    // And all again, by taking back what was set.
    let (_, settings) = set(&server, one, json!({"trace_level": null, "trace_rate": null})).await;
    assert_eq!(settings["trace_level"], json!(["TIMESTAMPS"]));
    assert_serves(&server, "other").await;
    // Nothing is changed by what is wrong.
    for (path, wrong, code, says) in [
        (all, json!({"trace_file": "/tmp/x"}), 501, "trace file location can not be updated"),
        (all, json!({"trace_mode": "opentelemetry"}), 501, "trace mode can not be updated"),
        (
            all,
            json!({"trace_rate": "0"}),
            400,
            "Attempting to set invalid trace setting :sample rate",
        ),
        (all, json!({"trace_rate": "x"}), 400, "Unable to parse 'trace_rate', got: x"),
        ("/v2/models/nope/trace/setting", json!({}), 400, "Request for unknown model : nope"),
    ] {
        let (status, error) = set(&server, path, wrong).await;
        let text = error["error"].as_str().unwrap_or_default();
        assert!(status == code && text.starts_with(says), "{status} {error}");
    }
    assert_eq!(get_json(&server, all).await["trace_rate"], json!("1"));
    server.stop();
    let models: Vec<_> = read(name).into_values().map(|trace| trace.model).collect();
    assert_eq!(models, ["other", "simple", "other"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_tell_each_response() {
    let repository = Repository::new()
        .model("repeat", "backend: \"repeat\" instance_group { count: 1 kind: KIND_CPU }");
    let (server, directory) = traced(&repository, &["level=TIMESTAMPS", "rate=1"]);
    let request = InferRequest::new("repeat")
        .input(InferInput::new("IN", &[3], &[1, 2, 3]))
        .input(InferInput::new("DELAY", &[3], &[0_u32, 0, 0]))
        .input(InferInput::new("WAIT", &[1], &[0_u32]));
    let client = grpc(&server).await;
    let opened = within_limit(client.infer_stream(stream::iter([request]))).await;
    let results: Vec<_> = within_limit(opened.expect("the stream opens").collect()).await;
    assert_eq!(results.len(), 3);
    let events = send(
        server.http(),
        Method::POST,
        "/v2/models/repeat/generate_stream",
        &[],
        json!({"IN": [1, 2], "DELAY": [0, 0], "WAIT": 0}).to_string(),
    )
    .await;
    assert_eq!(body(&events).matches("data: ").count(), 2);
    server.stop();
    let traces = read(file(directory.path(), ""));
    let times = |trace: &Traced, name: &str| {
        trace.names().into_iter().filter(|found| *found == name).count()
    };
    let [over_grpc, over_http] = [&traces[&1], &traces[&2]];
    for name in ["INFER_RESPONSE_COMPLETE", "GRPC_SEND_START", "GRPC_SEND_END"] {
        assert_eq!(times(over_grpc, name), 3, "{name}: {over_grpc:?}");
    }
    for (name, count) in
        [("INFER_RESPONSE_COMPLETE", 2), ("HTTP_SEND_START", 1), ("HTTP_SEND_END", 1)]
    {
        assert_eq!(times(over_http, name), count, "{name}: {over_http:?}");
    }
}

#[test]
fn what_cannot_be_traced_is_said_at_the_start() {
    let repository = Repository::new();
    for (config, says) in [
        ("level=TIMESTAMPS", "traces need a file: pass --trace-config triton,file=<FILE>"),
        ("level=all", "expected OFF, TIMESTAMPS or TENSORS, got 'all'"),
        ("mode=jaeger", "expected mode triton or opentelemetry, got 'jaeger'"),
    ] {
        let started = Settings::new(repository.path()).and(&format!("--trace-config={config}"));
        let refusal = started.start().expect_err("it cannot be traced so");
        assert!(refusal.log.contains(says), "{config}: {refusal}");
    }
}
