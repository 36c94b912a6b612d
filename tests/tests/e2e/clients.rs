//! How these tests reach the server: plain HTTP for what a typed client would not send or show, and
//! the requests for `simple` over both protocols.

use hippocamp_proto::inference::{
    ModelInferRequest, grpc_inference_service_client::GrpcInferenceServiceClient,
    model_infer_request::InferInputTensor,
};
use hippocamp_tests::Sandbox;
use serde_json::{Value, json};
use std::{future::Future, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::{Channel, Endpoint};

/// Nothing here may hang.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits for `work`, and no longer than any of it should take.
pub(crate) async fn within_limit<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("an answer in time")
}

/// An HTTP answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header of this name, lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The JSON body of an answer that must be 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The text of an error.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        json["error"].as_str().unwrap_or_else(|| panic!("no error text: {json}")).to_owned()
    }
}

/// Sends bytes as they are, closes that direction, and reads until the server closes; `None` if it
/// closes without a whole head.
pub(crate) async fn send_raw(address: &str, request: &[u8]) -> Option<Answer> {
    within_limit(async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        // A server that refuses early may close before it has read all.
        drop(stream.write_all(request).await);
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
        parse(&bytes)
    })
    .await
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("heads are text");
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    Some(answer)
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = str::from_utf8(&rest[..end]).expect("chunk sizes are text");
        let size = usize::from_str_radix(size, 16).expect("chunk sizes are hexadecimal");
        let data = &rest[end + 2..];
        body.extend_from_slice(&data[..size]);
        rest = data.get(size + 2..).unwrap_or_default();
    }
    body
}

/// A whole HTTP/1.1 request on a connection of its own.
pub(crate) async fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Answer {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    let request = [request.as_bytes(), body].concat();
    send_raw(address, &request).await.expect("the server answers")
}

pub(crate) async fn get(address: &str, path: &str) -> Answer {
    exchange(address, "GET", path, &[], &[]).await
}

pub(crate) async fn post(address: &str, path: &str, body: &Value) -> Answer {
    exchange(address, "POST", path, &[], body.to_string().as_bytes()).await
}

/// A request for the `simple` models in JSON: sixteen times `a` and sixteen times `b`.
pub(crate) fn simple_json(a: i32, b: i32) -> Value {
    let tensor = |name: &str, value: i32| json!({"name": name, "shape": [1, 16], "datatype": "INT32", "data": vec![value; 16]});
    json!({"inputs": [tensor("INPUT0", a), tensor("INPUT1", b)]})
}

/// Infers with `simple_json(a, b)`.
pub(crate) async fn infer(address: &str, model: &str, a: i32, b: i32) -> Answer {
    let path = format!("/v2/models/{model}/infer");
    post(address, &path, &simple_json(a, b)).await
}

/// The output of this name of a JSON response.
pub(crate) fn output<'a>(response: &'a Value, name: &str) -> &'a Value {
    let outputs = response["outputs"].as_array().expect("a response has outputs");
    outputs
        .iter()
        .find(|output| output["name"] == name)
        .unwrap_or_else(|| panic!("no output {name}: {response}"))
}

/// Asserts that `response` is what the `simple` models answer to `simple_json(a, b)`.
pub(crate) fn assert_simple(response: &Value, a: i32, b: i32) {
    for (name, value) in [("OUTPUT0", a + b), ("OUTPUT1", a - b)] {
        let output = output(response, name);
        assert_eq!(output["data"], json!(vec![value; 16]), "{name} of {response}");
        assert_eq!(output["shape"], json!([1, 16]));
        assert_eq!(output["datatype"], "INT32");
    }
}

pub(crate) type Grpc = GrpcInferenceServiceClient<Channel>;

pub(crate) async fn grpc(server: &Sandbox) -> Grpc {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc())).expect("an address");
    let channel = within_limit(endpoint.connect()).await.expect("the server listens");
    GrpcInferenceServiceClient::new(channel)
}

/// The request of [`simple_json`] as a message, its data raw.
pub(crate) fn simple_message(model: &str, a: i32, b: i32) -> ModelInferRequest {
    let tensor = |name: &str| InferInputTensor {
        name: name.to_owned(),
        datatype: "INT32".to_owned(),
        shape: vec![1, 16],
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: model.to_owned(),
        inputs: vec![tensor("INPUT0"), tensor("INPUT1")],
        raw_input_contents: [a, b].map(|value| little_endian(value).into()).to_vec(),
        ..ModelInferRequest::default()
    }
}

/// Sixteen times `value`, as a tensor's data.
pub(crate) fn little_endian(value: i32) -> Vec<u8> {
    value.to_le_bytes().repeat(16)
}

/// The state of each model in the index, `name: STATE`, with a reason behind it where there is one.
pub(crate) async fn index(server: &Sandbox) -> Vec<String> {
    let index = post(server.http(), "/v2/repository/index", &json!({})).await.ok();
    let models = index.as_array().expect("the index is a list");
    models
        .iter()
        .map(|model| {
            let text = |key: &str| model[key].as_str().unwrap_or_default();
            format!("{}: {} {}", text("name"), text("state"), text("reason")).trim_end().to_owned()
        })
        .collect()
}
