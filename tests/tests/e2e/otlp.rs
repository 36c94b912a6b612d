//! Spans over OTLP, received by a collector of this test; and W3C trace context, in and out.

use crate::clients::{grpc, http, infer, send, simple, text, within_limit};
use hippocamp_client::{Error, InferInput, InferRequest, InferResult};
use hippocamp_proto::inference::{ModelInferRequest, model_infer_request::InferInputTensor};
use hippocamp_tests::{Repository, Sandbox, Settings};
use http::Method;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::metadata::MetadataValue;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Takes OTLP over HTTP, and keeps it.
struct Collector {
    address: String,
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    task: JoinHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let received = Arc::default();
        let keep = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&keep)));
            }
        });
        Self { address, received, task }
    }

    /// The attributes of the server, and its spans; every message is one of one server.
    fn spans(&self) -> (Vec<String>, Vec<Span>) {
        self.task.abort();
        let (mut resource, mut spans) = (Vec::new(), Vec::new());
        for of_resource in
            self.received.lock().unwrap().iter().flat_map(|request| &request.resource_spans)
        {
            let of = of_resource.resource.as_ref().expect("a resource");
            resource = of.attributes.iter().map(shown).collect();
            for scope in &of_resource.scope_spans {
                assert_eq!(scope.scope.as_ref().expect("a scope").name, "triton-server");
                spans.extend(scope.spans.iter().cloned());
            }
        }
        (resource, spans)
    }
}

/// One connection: requests of a known length, each answered with an empty message.
async fn serve(mut stream: TcpStream, keep: Arc<Mutex<Vec<ExportTraceServiceRequest>>>) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await.expect("a request") == 0 {
                return;
            }
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).expect("a head of text");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.split("content-length: ").nth(1).expect("a length");
        let length: usize = length.lines().next().unwrap().trim().parse().expect("a number");
        while bytes.len() < length {
            assert_ne!(stream.read_buf(&mut bytes).await.expect("the rest"), 0);
        }
        let body: Vec<_> = bytes.drain(..length).collect();
        let message = ExportTraceServiceRequest::decode(body.as_slice()).expect("a message");
        keep.lock().unwrap().push(message);
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(&[head.as_bytes(), &answer].concat()).await.expect("it listens");
    }
}

fn shown(attribute: &KeyValue) -> String {
    let value = match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        other => panic!("{other:?}"),
    };
    format!("{}={value}", attribute.key)
}

fn exporting(repository: &Repository, collector: &Collector, config: &[&str]) -> Sandbox {
    let mut settings = Settings::new(repository.path())
        .and("--trace-config=mode=opentelemetry")
        .and("--trace-config=level=TIMESTAMPS")
        .and(&format!("--trace-config=opentelemetry,url={}/v1/traces", collector.address));
    for setting in config {
        settings = settings.and(&format!("--trace-config={setting}"));
    }
    settings.start().unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    let mut found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    found.sort_by_key(|span| span.start_time_unix_nano);
    found
}

fn events(span: &Span) -> Vec<&str> {
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    let times = || span.events.iter().map(|event| event.time_unix_nano);
    assert!(times().all(|at| (span.start_time_unix_nano..=span.end_time_unix_nano).contains(&at)));
    assert!(times().is_sorted(), "{span:?}");
    span.events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_an_ensemble_nest() {
    let collector = Collector::start().await;
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let config = ["rate=1", "opentelemetry,resource=service.name=films"];
    let server = exporting(&repository, &collector, &config);
    let request = simple("both", 40, 2).id("r1");
    within_limit(http(&server).infer(&request)).await.expect("the ensemble infers");
    server.stop();

    let (resource, spans) = collector.spans();
    assert!(resource.contains(&"service.name=films".to_owned()), "{resource:?}");
    let (whole, model) = (named(&spans, "InferRequest"), named(&spans, "both"));
    let (steps, computed) = (named(&spans, "simple"), named(&spans, "compute"));
    assert_eq!((whole.len(), model.len(), steps.len(), computed.len()), (1, 1, 2, 2), "{spans:?}");
    let (whole, model) = (whole[0], model[0]);
    assert!(whole.parent_span_id.is_empty());
    assert!(spans.iter().all(|span| span.trace_id == whole.trace_id && span.trace_id.len() == 16));
    assert_eq!(model.parent_span_id, whole.span_id);
    for (step, compute) in steps.iter().zip(computed) {
        assert_eq!(step.parent_span_id, model.span_id);
        assert_eq!(compute.parent_span_id, step.span_id);
        assert_eq!(
            events(compute),
            ["COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END"]
        );
        assert_eq!(events(step), ["REQUEST_START", "QUEUE_START", "REQUEST_END"]);
    }
    assert_eq!(
        events(whole),
        [
            "HTTP_RECV_START",
            "HTTP_RECV_END",
            "INFER_RESPONSE_COMPLETE",
            "HTTP_SEND_START",
            "HTTP_SEND_END"
        ]
    );
    let attributes: Vec<_> = steps[1].attributes.iter().map(shown).collect();
    assert_eq!(
        attributes,
        [
            "triton.model_name=simple",
            "triton.model_version=1",
            "triton.trace_id=3",
            "triton.trace_parent_id=1",
            "triton.request_id=r1"
        ]
    );
    // Wall time, and not that of the steady clock.
    let year_2020_ns = 1_577_836_800_000_000_000;
    assert!(whole.start_time_unix_nano > year_2020_ns);
}

/// The `traceparent` of the answer to a request over HTTP with these headers.
async fn answered(server: &Sandbox, headers: &[(&str, &str)], body: &str) -> Option<String> {
    let path = "/v2/models/text/infer";
    let answer = send(server.http(), Method::POST, path, headers, body.to_owned()).await;
    answer.header("traceparent").map(str::to_owned)
}

const BODY: &str = r#"{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"INT32","data":[7]}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_continued() {
    let collector = Collector::start().await;
    let repository = Repository::new().identity("text", "TYPE_INT32", "");
    // Nothing by itself: callers decide.
    let server = exporting(&repository, &collector, &["rate=0"]);
    let state = ("tracestate", "vendor=1,other@x=2");
    let first = answered(&server, &[("traceparent", CALLER), state], BODY).await;
    let refused = answered(&server, &[("traceparent", CALLER)], "{}").await;
    // Every refusal has an id, also one that tells a trace context.
    for headers in [
        vec![("traceparent", NOT_SAMPLED), ("x-request-id", "given")],
        vec![("traceparent", NOT_SAMPLED)],
    ] {
        let path = "/v2/models/text/infer";
        let answer = send(server.http(), Method::POST, path, &headers, "{}").await;
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{answer:?}"));
        assert!(headers.len() == 1 || id == "given", "{answer:?}");
    }
    let unsampled = answered(&server, &[("traceparent", NOT_SAMPLED)], BODY).await;
    let malformed = answered(&server, &[("traceparent", "00-1-2-01")], BODY).await;
    let without = answered(&server, &[], BODY).await;
    assert_eq!((unsampled.as_deref(), malformed, without), (Some(NOT_SAMPLED), None, None));

    let mut service = grpc(&server).await.service();
    let message = ModelInferRequest {
        model_name: "text".into(),
        inputs: vec![InferInputTensor {
            name: "INPUT0".into(),
            datatype: "INT32".into(),
            shape: vec![1, 1],
            ..InferInputTensor::default()
        }],
        raw_input_contents: vec![7_i32.to_le_bytes().to_vec().into()],
        ..ModelInferRequest::default()
    };
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("traceparent", MetadataValue::from_static(CALLER));
    let response = within_limit(service.model_infer(request)).await.expect("text infers");
    let over_grpc = response.metadata().get("traceparent").expect("told").to_str().unwrap();
    let over_grpc = over_grpc.to_owned();
    server.stop();

    let (_, spans) = collector.spans();
    let whole = named(&spans, "InferRequest");
    let told: Vec<_> = whole
        .iter()
        .map(|span| {
            assert_eq!(hex(&span.trace_id), CALLER[3..35]);
            assert_eq!(hex(&span.parent_span_id), CALLER[36..52]);
            format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
        })
        .collect();
    let expect = [first, refused, Some(over_grpc)].map(|told| told.expect("it is traced"));
    assert_eq!(told, expect, "and in this order");
    assert_eq!((whole[0].trace_state.as_str(), whole[1].trace_state.as_str()), (state.1, ""));
    assert_eq!(
        events(whole[2]),
        [
            "GRPC_WAITREAD_START",
            "GRPC_WAITREAD_END",
            "INFER_RESPONSE_COMPLETE",
            "GRPC_SEND_START",
            "GRPC_SEND_END"
        ]
    );
    assert_eq!(named(&spans, "compute").len(), 2, "{spans:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untraced_server_gives_callers_their_own_context_back() {
    let repository = Repository::new().identity("text", "TYPE_INT32", "");
    let server = Sandbox::start(repository.path());
    let answer = answered(&server, &[("traceparent", CALLER)], BODY).await;
    assert_eq!(answer.as_deref(), Some(CALLER));
    assert_eq!(answered(&server, &[], BODY).await, None);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_traces_and_nothing_else() {
    let collector = Collector::start().await;
    collector.task.abort();
    // Aborted, the task has dropped its listener once it is joined.
    let Collector { task, address, received } = collector;
    drop(task.await);
    // Nobody else gets the port, and nobody listens on it.
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("an option of every socket");
    held.bind(address.parse().expect("an address")).expect("it is free again");
    let gone = Collector { address, received, task: tokio::spawn(async {}) };
    let repository = Repository::new().simple("simple", "");
    let config = ["rate=1", "opentelemetry,bsp_schedule_delay=1"];
    let server = exporting(&repository, &gone, &config);
    for _ in 0..3 {
        infer(&server, "simple", 1, 2).await.expect("simple infers");
    }
    let lost = async {
        loop {
            let page = http_page(&server).await;
            let line = page.lines().find(|line| line.starts_with("hippocamp_traces_lost_total"));
            if line.is_some_and(|line| line.ends_with(" 3")) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within_limit(lost).await;
    assert!(server.log().contains("failed exporting traces"), "{}", server.log());
    server.stop();
    drop(held);
}

async fn http_page(server: &Sandbox) -> String {
    crate::clients::body(&crate::clients::get(server.metrics(), "/metrics").await)
}

/// Takes INPUT0 of any length, and gives it to a model that takes sixteen.
const LOOSE: &str = r#"
name: "loose"
platform: "ensemble"
max_batch_size: 8
input [
  { name: "INPUT0" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "INPUT1" data_type: TYPE_INT32 dims: [ -1 ] }
]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ -1 ] } ]
ensemble_scheduling {
  step [ { model_name: "simple" model_version: -1
    input_map { key: "INPUT0" value: "INPUT0" } input_map { key: "INPUT1" value: "INPUT1" }
    output_map { key: "OUTPUT0" value: "OUTPUT0" } } ]
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_failed_requests_say_why() {
    let collector = Collector::start().await;
    let repository = Repository::new().simple("simple", "").model("loose", LOOSE);
    let server = exporting(&repository, &collector, &["rate=1"]);
    let fine = infer(&server, "simple", 1, 2).await;
    // Refused by the model, over both protocols; by a step; before the model was reached.
    let mut missing = simple("simple", 1, 2);
    missing.inputs.truncate(1);
    let over_http = within_limit(http(&server).infer(&missing)).await;
    let over_grpc = within_limit(grpc(&server).await.infer(&missing)).await;
    let short = |name| InferInput::new(name, &[1, 4], &[7; 4]);
    let short = InferRequest::new("loose").input(short("INPUT0")).input(short("INPUT1"));
    let by_a_step = within_limit(http(&server).infer(&short)).await;
    let no_request = {
        let path = "/v2/models/simple/infer";
        let answer = send(server.http(), Method::POST, path, &[], "{}").await;
        let json: serde_json::Value = answer.json().expect("an error is JSON");
        json["error"].as_str().expect("a text").to_owned()
    };
    server.stop();
    fine.expect("simple infers");
    let told = |answer: Result<InferResult, Error>| text(&answer.expect_err("it fails")).to_owned();
    let [over_http, over_grpc, by_a_step] = [over_http, over_grpc, by_a_step].map(told);
    assert!(over_http.contains("INPUT1") && by_a_step.contains("shape"), "{by_a_step}");

    let (_, spans) = collector.spans();
    let why = |name: &str| -> Vec<String> {
        named(&spans, name)
            .into_iter()
            .map(|span| {
                let status = span.status.clone().unwrap_or_default();
                let failed = status.code() == StatusCode::Error;
                assert_eq!(failed, !status.message.is_empty(), "{span:?}");
                status.message
            })
            .collect()
    };
    let whole = [String::new(), over_http.clone(), over_grpc, by_a_step.clone(), no_request];
    assert_eq!(why("InferRequest"), whole, "what clients were told, in this order");
    // A request that is none does not reach the model.
    let at_the_model = why("simple");
    assert_eq!(at_the_model[..3], [String::new(), over_http.clone(), over_http]);
    assert!(at_the_model.len() == 4 && by_a_step.contains(&at_the_model[3]), "{at_the_model:?}");
    assert_eq!(why("loose"), [by_a_step]);
    assert!(why("compute").iter().all(String::is_empty));
}
