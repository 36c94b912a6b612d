//! How these tests reach the server: the typed client over both protocols; and bytes on a socket for
//! what no client would send.

use hippocamp_client::{
    Error, GrpcClient, HttpClient, InferInput, InferRequest, InferResult, ModelStatistics,
    RawResponse, StatusCode,
};
use hippocamp_tests::Sandbox;
use http::Method;
use serde_json::Value;
use std::{future::Future, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Nothing here may hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Waits for `work`, and no longer than any of it should take.
pub(crate) async fn within_limit<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("an answer in time")
}

/// A client over HTTP.
pub(crate) fn http(server: &Sandbox) -> HttpClient {
    HttpClient::new(server.http()).expect("the sandbox gives an address")
}

/// A client over gRPC.
pub(crate) async fn grpc(server: &Sandbox) -> GrpcClient {
    within_limit(GrpcClient::connect(server.grpc())).await.expect("the server listens")
}

/// The status of an HTTP error.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error.code()? {
        StatusCode::Http(status) => Some(status),
        StatusCode::Grpc(_) => None,
    }
}

/// The text of a refusal.
pub(crate) fn text(error: &Error) -> &str {
    error.message().unwrap_or_else(|| panic!("no refusal of the server: {error}"))
}

/// What a path of an endpoint (`server.http()`, `server.metrics()`) answers, whatever its status.
pub(crate) async fn get(address: &str, path: &str) -> RawResponse {
    send(address, Method::GET, path, &[], Vec::new()).await
}

/// The JSON of a path that answers 200.
pub(crate) async fn get_json(server: &Sandbox, path: &str) -> Value {
    let answer = get(server.http(), path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json().expect("JSON")
}

/// Any request that HTTP can carry, and its answer whatever its status.
pub(crate) async fn send(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> RawResponse {
    let client = HttpClient::new(address).expect("the sandbox gives an address");
    within_limit(client.request(method, path, headers, body)).await.expect("the server answers")
}

/// The body of an answer as text.
pub(crate) fn body(answer: &RawResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// A request for the `simple` models: sixteen times `a` and sixteen times `b`, in binary.
pub(crate) fn simple(model: &str, a: i32, b: i32) -> InferRequest {
    InferRequest::new(model)
        .input(InferInput::new("INPUT0", &[1, 16], &[a; 16]))
        .input(InferInput::new("INPUT1", &[1, 16], &[b; 16]))
}

/// Sends `simple(model, a, b)` over HTTP.
pub(crate) async fn infer(
    server: &Sandbox,
    model: &str,
    a: i32,
    b: i32,
) -> Result<InferResult, Error> {
    within_limit(http(server).infer(&simple(model, a, b))).await
}

/// Asserts that sixteen times `value` is the output of this name.
pub(crate) fn assert_output(result: &InferResult, name: &str, value: i32) {
    let output = result.output(name).expect("the output is there");
    assert_eq!(output.as_i32().expect("INT32"), [value; 16], "{name}");
    assert_eq!(output.shape, [1, 16], "{name}");
}

/// Asserts that `result` is what the `simple` models answer to `simple(_, a, b)`.
pub(crate) fn assert_simple(result: &InferResult, a: i32, b: i32) {
    assert_output(result, "OUTPUT0", a + b);
    assert_output(result, "OUTPUT1", a - b);
}

/// Asserts that `server` infers with `model`.
pub(crate) async fn assert_serves(server: &Sandbox, model: &str) {
    assert_simple(&infer(server, model, 40, 2).await.expect("the model serves"), 40, 2);
}

/// Waits until so many requests of the server's one model are in its queue.
pub(crate) async fn until_pending(server: &Sandbox, requests: usize) {
    let says = format!(" {requests}");
    within_limit(async {
        loop {
            let page = body(&get(server.metrics(), "/metrics").await);
            let pending = page.lines().any(|line| {
                line.starts_with("nv_inference_pending_request_count{") && line.ends_with(&says)
            });
            if pending {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Statistics of the one version of `model`, once they tell of `inferences`: a backend reports them
/// after it has sent its responses.
pub(crate) async fn statistics(server: &Sandbox, model: &str, inferences: u64) -> ModelStatistics {
    let client = http(server);
    within_limit(async {
        let mut ended = false;
        loop {
            let found = client.statistics(Some(model), None).await.expect("the model is there");
            let [found] = found.try_into().expect("one version serves");
            let ModelStatistics { inference_count, execution_count, batch_stats, .. } = &found;
            let executed: u64 =
                batch_stats.iter().map(|batch| batch.batch_size * batch.compute_infer.count).sum();
            let executions: u64 = batch_stats.iter().map(|batch| batch.compute_infer.count).sum();
            let settled = *inference_count >= inferences
                && (executed, executions) == (*inference_count, *execution_count);
            if settled && ended {
                return found;
            }
            // Figures are read one by one: those of this report may be of the moment before.
            ended = settled;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

/// The state of each model in the index, `name: STATE`, with a reason behind it where there is one.
pub(crate) async fn index(server: &Sandbox) -> Vec<String> {
    let models = http(server).index(false).await.expect("the index can be read");
    let line = |model: hippocamp_client::IndexEntry| {
        format!("{}: {} {}", model.name, model.state, model.reason).trim_end().to_owned()
    };
    models.into_iter().map(line).collect()
}

/// Asserts that each of these models is unavailable, for a reason that says this.
pub(crate) async fn assert_unavailable(server: &Sandbox, reasons: &[(&str, &str)]) {
    let models = index(server).await;
    for (model, says) in reasons {
        let line = models.iter().find(|line| line.starts_with(&format!("{model}: UNAVAILABLE")));
        let line = line.unwrap_or_else(|| panic!("{model} is not unavailable: {models:?}"));
        assert!(line.contains(says), "{line}");
    }
}

/// Sends bytes as they are and reads until the server closes; the status of its answer, or `None`
/// if it closes without one.
pub(crate) async fn send_raw(address: &str, request: &[u8]) -> Option<u16> {
    within_limit(async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        // A server that refuses early may close before it has read all.
        drop(stream.write_all(request).await);
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
        let head = String::from_utf8_lossy(&bytes);
        head.split(' ').nth(1)?.parse().ok()
    })
    .await
}
