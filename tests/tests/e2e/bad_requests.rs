//! Requests that no client should send: each gets a clear refusal or its connection closed, and the
//! server serves on. Beyond the recorded ones of tests/golden, which are replayed from tests/python.

use crate::clients::{assert_serves, get, grpc, send_raw, simple, within_limit};
use hippocamp_client::{InferInput, StatusCode};
use hippocamp_tests::{Repository, Sandbox};
use tonic::Code;

/// Wraps a body in a POST to `simple`.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v2/models/simple/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn with_length(body: &[u8]) -> Vec<u8> {
    post(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn tensor(shape: &str, data: &str) -> Vec<u8> {
    let input =
        |name| format!(r#"{{"name":"{name}","shape":{shape},"datatype":"INT32","data":{data}}}"#);
    let body = format!(r#"{{"inputs":[{},{}]}}"#, input("INPUT0"), input("INPUT1"));
    with_length(body.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("an empty body", with_length(b""), &[400]),
        ("cut JSON", with_length(br#"{"inputs":[{"name":"INP"#), &[400]),
        ("not UTF-8", with_length(b"{\"inputs\":\"\xff\xfe\"}"), &[400]),
        ("deep nesting", with_length(&b"[".repeat(100_000)), &[400]),
        ("a dimension beyond 64 bits", tensor("[1,99999999999999999999]", "[1]"), &[400]),
        ("a product beyond 64 bits", tensor("[4294967296,4294967296,16]", "[1]"), &[400]),
        ("a huge shape", tensor("[8,9223372036854775807]", "[]"), &[400]),
        ("data of objects", tensor("[1,16]", "[{}]"), &[400]),
        ("a number beyond the datatype", tensor("[1,16]", "[1e300]"), &[400]),
        ("a fraction", tensor("[1,16]", "[0.5]"), &[400]),
        (
            "a binary tail longer than the body",
            post(
                "Content-Length: 2\r\nInference-Header-Content-Length: 18446744073709551615\r\n",
                b"{}",
            ),
            &[400],
        ),
        ("a body over the limit", post("Content-Length: 99999999999\r\n", b""), &[400, 413]),
        ("a length that is none", post("Content-Length: many\r\n", b""), &[400]),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", b"{}"), &[400]),
        ("a broken chunk", post("Transfer-Encoding: chunked\r\n", b"zz\r\nhello"), &[400]),
        (
            "no HTTP at all",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            &[400],
        ),
        ("another version of HTTP", b"GET /v2 HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (
            "a path of escapes",
            b"GET /v2/models/%00%ff/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                .to_vec(),
            &[400, 404],
        ),
        (
            "a path upwards",
            b"GET /docs/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(),
            &[400, 404],
        ),
    ];
    for (name, request, allowed) in cases {
        // Closing without an answer is an answer to what is no HTTP.
        if let Some(status) = send_raw(server.http(), &request).await {
            assert!(allowed.contains(&status), "{name}: {status}");
        }
        assert_eq!(get(server.http(), "/v2/health/live").await.status, 200, "after {name}");
    }
    assert_serves(&server, "simple").await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_grpc() {
    let repository = Repository::new().simple("simple", "");
    let server = Sandbox::start(repository.path());
    let client = grpc(&server).await;
    let good = || simple("simple", 40, 2);
    let mut cases = Vec::new();

    let mut request = good();
    request.model = "nope".to_owned();
    cases.push(("an unknown model", request, Code::NotFound));

    cases.push(("an unknown version", good().version(7), Code::NotFound));

    let mut request = good();
    request.inputs[0].tensor.shape = vec![i64::MAX, i64::MAX];
    cases.push(("a shape beyond all memory", request, Code::InvalidArgument));

    let mut request = good();
    request.inputs[0].tensor.shape = vec![-1, 16];
    cases.push(("a negative dimension", request, Code::InvalidArgument));

    let mut request = good();
    request.inputs[1] = InferInput::raw("INPUT1", &[1, 16], "INT32", vec![0; 63]);
    cases.push(("a byte too few", request, Code::InvalidArgument));

    let mut request = good();
    request.inputs[1].tensor.name = "INPUT0".to_owned();
    cases.push(("an input twice", request, Code::InvalidArgument));

    for (name, request, code) in cases {
        let error = within_limit(client.infer(&request)).await.expect_err(name);
        assert_eq!(error.code(), Some(StatusCode::Grpc(code)), "{name}: {error}");
        assert!(error.message().is_some_and(|text| !text.is_empty()), "{name}");
    }
    within_limit(client.infer(&good())).await.expect("it serves on");
    server.stop();
}
