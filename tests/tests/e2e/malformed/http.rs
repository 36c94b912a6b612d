//! Malformed requests over HTTP/1, byte by byte.

use super::random::Random;
use crate::clients::within_limit;
use std::{fmt::Write as _, ops::Range};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Statuses that an answer may have: the client's fault, or what the server does not offer.
const STATUSES: [u16; 13] = [200, 400, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 503];

const METHODS: [&str; 7] = ["POST", "POST", "POST", "POST", "GET", "PUT", "DELETE"];

const PATHS: [&str; 24] = [
    "/v2/models/simple/infer",
    "/v2/models/simple/infer",
    "/v2/models/simple/versions/1/infer",
    "/v2/models/simple/versions/18446744073709551616/infer",
    "/v2/models/text/infer",
    "/v2/models/text/infer",
    "/v2/models/text/generate",
    "/v2/models/text/generate_stream",
    "/v2/models/half/infer",
    "/v2/models/ensemble/infer",
    "/v2/models/sim%70le/infer",
    "/v2/models/%00/infer",
    "/v2/models//infer",
    "/v2/models/simple/versions/-1",
    "/v2/models/simple/stats",
    "/v2/models/simple/config",
    "/v2/repository/index",
    "/v2/repository/models/simple/load",
    "/v2/repository/models/../../x/unload",
    "/v2/systemsharedmemory/region/r/register",
    "/v2/cudasharedmemory/region/r/register",
    "/v1/embeddings",
    "/rerank",
    "/v2",
];

const BODIES: [&str; 8] = [
    r#"{"id":"1","inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]},{"name":"INPUT1","shape":[1,16],"datatype":"INT32","data":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}],"outputs":[{"name":"OUTPUT0","parameters":{"classification":2}}]}"#,
    r#"{"inputs":[{"name":"INPUT0","shape":[2,1],"datatype":"BYTES","data":[["a"],["\u00fc\ud83d\ude00"]]}],"parameters":{"priority":1,"timeout":5,"x":[1]}}"#,
    r#"{"inputs":[{"name":"INPUT0","shape":[1,4],"datatype":"BYTES","parameters":{"binary_data_size":20}}]}ab\0\0cd"#,
    r#"{"inputs":[{"name":"INPUT0","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}}],"outputs":[{"name":"OUTPUT0","parameters":{"binary_data":true}}]}abcd"#,
    r#"{"INPUT0":["a","b"],"parameters":{"k":1}}"#,
    r#"{"key":"/x","offset":0,"byte_size":64}"#,
    r#"{"parameters":{"config":"{}","file:1/model.onnx":"AAAA"}}"#,
    r#"{"model":"simple","input":["a"],"encoding_format":"base64"}"#,
];

const WORDS: [&[u8]; 24] = [
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[[[[[[[[[",
    b"\"\\ud800\"",
    b"\"\\u0000\"",
    b"18446744073709551616",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"0.5",
    b"\"BYTES\"",
    b"\"FP32\"",
    b"\"name\":",
    b"\"shape\":[4294967296,4294967296]",
    b"\"binary_data_size\":18446744073709551615",
    b"\"shared_memory_region\":\"r\"",
    b"\xff\xfe",
    b",",
    b"\"",
];

const HEADERS: [&str; 12] = [
    "Inference-Header-Content-Length: 18446744073709551615",
    "Inference-Header-Content-Length: -1",
    "Inference-Header-Content-Length: x",
    "Content-Encoding: gzip",
    "Content-Encoding: deflate",
    "Content-Encoding: br",
    "Accept-Encoding: gzip;q=x, deflate;q=-1",
    "Content-Type: \u{1}",
    "traceparent: 00-0-0-01",
    "x-request-id: \u{e9}",
    "Expect: 200-ok",
    "Authorization: Bearer",
];

/// A request, and whether its head is damaged, so that it may announce what never comes.
fn request(random: &mut Random) -> (Vec<u8>, bool) {
    let mut body = random.pick(&BODIES).as_bytes().to_vec();
    let json = body.len() - random.below(24).min(body.len());
    random.damage(&mut body, &WORDS);
    let (method, path) = (random.pick(&METHODS), random.pick(&PATHS));
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
    let mut add = |line: &str| write!(head, "{line}\r\n").expect("strings take text");
    if random.once_in(3) {
        add(&format!("Inference-Header-Content-Length: {json}"));
    } else if random.once_in(4) {
        add(random.pick(&HEADERS));
    }
    // A length that is too large would only wait.
    let length = if random.once_in(50) { random.below(body.len() + 1) } else { body.len() };
    add(&format!("Content-Length: {length}"));
    let mut request = (head + "\r\n").into_bytes();
    let damaged = random.once_in(50);
    if damaged {
        random.damage(&mut request, &WORDS);
    }
    request.extend(body);
    (request, damaged)
}

/// Sends the requests of these seeds, each of which has to be answered, or its connection closed
/// where it is no HTTP.
pub(super) async fn client(address: String, seeds: Range<u64>) {
    let mut connection: Option<TcpStream> = None;
    for seed in seeds {
        let (request, damaged) = request(&mut Random::new(seed));
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&address).await.expect("the server listens"),
        };
        // The server may close while it still gets what it will not read.
        let mut sent = stream.write_all(&request).await.is_ok();
        if damaged {
            // Waiting for the rest would take the server's minute.
            sent &= stream.shutdown().await.is_ok();
        }
        let (answer, more) = within_limit(answer(&mut stream)).await;
        if let Some(status) = answer {
            let shown = || String::from_utf8_lossy(&request).into_owned();
            assert!(STATUSES.contains(&status), "seed {seed}: status {status} for {:?}", shown());
        }
        // What stands behind a request is another one, whose answer would be mixed up with the next.
        let whole = request.ends_with(b"}") && sent && !damaged;
        connection = (more && whole && answer == Some(200)).then_some(stream);
    }
}

/// The status of one answer, if there is one, and whether the connection goes on.
async fn answer(stream: &mut TcpStream) -> (Option<u16>, bool) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (None, false),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let header = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let Some(length) = header("content-length").and_then(|length| length.parse::<usize>().ok())
    else {
        // A stream of events; it would have to be read to its end.
        return (status, false);
    };
    while bytes.len() < head + length {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (status, false),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    (status, header("connection").is_none_or(|value| value != "close"))
}
