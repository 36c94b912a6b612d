//! Decoupled models over both protocols: any number of responses to a request, each when it is there.
//! The backends `repeat` and `square` are linked in.

use crate::clients::{body, get, grpc, http, index, text, within_limit};
use futures_util::{Stream, StreamExt as _, stream};
use hippocamp_client::{Error, InferInput, InferRequest, InferResult};
use hippocamp_tests::{Repository, Sandbox, Settings};
use hippocamp_types::{Clock as _, MonotonicClock};
use serde_json::{Value, json};
use std::time::Duration;

/// Nothing in these tests lasts as long.
const AN_HOUR_MS: u32 = 3_600_000;

fn models() -> Repository {
    let one_instance = "instance_group { count: 1 kind: KIND_CPU }";
    let wrong = "CUSTOM_FAIL_COUNT\" value { string_value: \"1\" } }
        parameters { key: \"CUSTOM_EMPTY_COUNT\" value { string_value: \"2";
    Repository::new()
        .model("repeat", &format!("backend: \"repeat\" {one_instance}"))
        .model("square", &format!("backend: \"square\" {one_instance}"))
        .model("batched", &format!("backend: \"square\" max_batch_size: 4 {one_instance}"))
        .model(
            "wrong",
            &format!("backend: \"square\" parameters {{ key: \"{wrong}\" }} }} {one_instance}"),
        )
}

fn repeat(id: &str, values: &[i32], delays: &[u32], wait: u32) -> InferRequest {
    let size = |size: usize| i64::try_from(size).expect("a few");
    InferRequest::new("repeat")
        .id(id)
        .input(InferInput::new("IN", &[size(values.len())], values))
        .input(InferInput::new("DELAY", &[size(delays.len())], delays))
        .input(InferInput::new("WAIT", &[1], &[wait]))
}

fn square(model: &str, shape: &[i64], value: i32) -> InferRequest {
    InferRequest::new(model).input(InferInput::new("IN", shape, &[value]))
}

/// Every result of a stream that sends `requests`.
async fn results(server: &Sandbox, requests: Vec<InferRequest>) -> Vec<Result<InferResult, Error>> {
    let client = grpc(server).await;
    let opened = within_limit(client.infer_stream(stream::iter(requests))).await;
    within_limit(opened.expect("the stream opens").collect()).await
}

/// A stream that has sent `requests`, and would send more.
async fn open(
    server: &Sandbox,
    requests: Vec<InferRequest>,
) -> impl Stream<Item = Result<InferResult, Error>> + use<> {
    let requests = stream::iter(requests).chain(stream::pending());
    let opened = within_limit(grpc(server).await.infer_stream(requests)).await;
    opened.expect("the stream opens")
}

/// The id of the next result, with OUT and IDX.
async fn next_repeat(
    results: &mut (impl Stream<Item = Result<InferResult, Error>> + Unpin),
) -> (String, i32, u32) {
    let result = within_limit(results.next()).await.expect("a result").expect("no error");
    let (out, idx) = (result.output("OUT").expect("OUT"), result.output("IDX").expect("IDX"));
    assert_eq!((&*out.shape, &*idx.shape), (&[1][..], &[1][..]));
    (result.id.clone(), out.as_i32().expect("INT32")[0], idx.values::<u32>().expect("UINT32")[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_element_is_a_response() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    let mut stream = open(&server, vec![repeat("a", &[4, 2, 0, 1], &[1, 0, 2, 0], 0)]).await;
    for (value, index) in [(4, 0), (2, 1), (0, 2), (1, 3)] {
        assert_eq!(next_repeat(&mut stream).await, ("a".to_owned(), value, index));
    }
    drop(stream);
    // Without an element there is no response, but its end for those who ask.
    let asked = |id| repeat(id, &[], &[], 0).parameter("triton_enable_empty_final_response", true);
    let found = results(&server, vec![repeat("silent", &[], &[], 0), asked("told")]).await;
    let [Ok(end)] = found.as_slice() else { panic!("one result expected, got {found:?}") };
    assert_eq!(end.id, "told");
    assert!(end.is_last() && end.outputs.is_empty());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_holds_up_its_own_request_only() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    // One instance; the second response of `slow` does not come in this test.
    let requests =
        vec![repeat("slow", &[1, 2], &[0, AN_HOUR_MS], 0), repeat("quick", &[3], &[1], 0)];
    let mut stream = open(&server, requests).await;
    let mut found = [next_repeat(&mut stream).await, next_repeat(&mut stream).await];
    found.sort();
    assert_eq!(found, [("quick".to_owned(), 3, 0), ("slow".to_owned(), 1, 0)]);
    drop(stream);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_holds_the_instance() {
    const WAIT: Duration = Duration::from_millis(300);
    let repository = models();
    let server = Sandbox::start(repository.path());
    let started = MonotonicClock.now();
    let requests = vec![repeat("holds", &[1], &[0], 300), repeat("waits", &[2], &[0], 0)];
    let mut stream = open(&server, requests).await;
    // Each is answered by a thread of its own, which may be late.
    let mut found = [next_repeat(&mut stream).await, next_repeat(&mut stream).await];
    found.sort();
    assert_eq!(found, [("holds".to_owned(), 1, 0), ("waits".to_owned(), 2, 0)]);
    let passed = MonotonicClock.now().since(started);
    assert!(passed >= WAIT, "the second request was executed after {passed:?}");
    drop(stream);
    server.stop();
}

/// Failures of `repeat` with this reason.
async fn failures(server: &Sandbox, reason: &str) -> u64 {
    let page = body(&get(server.metrics(), "/metrics").await);
    let of_interest = |line: &&str| {
        line.starts_with("nv_inference_request_failure{")
            && line.contains("model=\"repeat\"")
            && line.contains(&format!("reason=\"{reason}\""))
    };
    let line = page.lines().find(of_interest).unwrap_or_else(|| panic!("no such line: {page}"));
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_dropped_stops_its_responses() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    let slow = || repeat("slow", &[1, 2], &[0, AN_HOUR_MS], 0);
    let mut over_grpc = open(&server, vec![slow()]).await;
    assert_eq!(next_repeat(&mut over_grpc).await, ("slow".to_owned(), 1, 0));
    let question = json!({"IN": [1, 2], "DELAY": [0, AN_HOUR_MS], "WAIT": 0});
    let over_http = within_limit(http(&server).generate_stream("repeat", &question)).await;
    let mut over_http = over_http.expect("the stream opens");
    let first = within_limit(over_http.next()).await.expect("an event").expect("no error");
    assert_eq!((&first["OUT"], &first["IDX"]), (&json!(1), &json!(0)));
    assert_eq!(failures(&server, "CANCELED").await, 0);
    drop(over_grpc);
    drop(over_http);
    within_limit(async {
        while failures(&server, "CANCELED").await < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // Nothing is in flight, so nothing holds up an unload.
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_over_http() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    let client = http(&server);
    let stream = within_limit(client.generate_stream("square", &json!({"IN": 3}))).await;
    let events: Vec<_> = within_limit(stream.expect("the stream opens").collect()).await;
    let values: Vec<Value> =
        events.into_iter().map(|event| event.expect("no error")["OUT"].clone()).collect();
    assert_eq!(values, [json!(3), json!(3), json!(3)]);
    let one = within_limit(client.generate("square", &json!({"IN": 1}))).await;
    assert_eq!(one.expect("one response")["OUT"], json!(1));
    for count in [0, 2] {
        let error = within_limit(client.generate("square", &json!({"IN": count}))).await;
        assert!(text(&error.expect_err("not one response")).contains("exactly 1 response"));
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_responses_as_asked_for() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    for (model, shape) in [("square", &[1][..]), ("batched", &[1, 1][..])] {
        let found = results(&server, vec![square(model, shape, 5)]).await;
        assert_eq!(found.len(), 5);
        for result in found {
            let result = result.expect("no error");
            let out = result.output("OUT").expect("OUT");
            assert_eq!((&*out.shape, out.as_i32().expect("INT32")), (shape, vec![5]));
        }
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_the_middle_ends_nothing() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    // Of five responses the last two are left out, and one before them is an error.
    let found = results(&server, vec![square("wrong", &[1], 5)]).await;
    let [Ok(_), Ok(_), Err(error)] = found.as_slice() else { panic!("got {found:?}") };
    assert_eq!(text(error), "simulated failure");
    // What is refused is one answer, and the stream goes on behind it.
    let requests = vec![
        repeat("bad", &[1, 2], &[0], 0),
        square("square", &[1], -1),
        repeat("", &[7], &[0], 0),
    ];
    let found = results(&server, requests).await;
    let refusals: Vec<_> =
        found.iter().filter_map(|result| result.as_ref().err()).map(text).collect();
    assert_eq!((found.len(), refusals.len()), (3, 2), "{found:?}");
    for says in ["expected IN and DELAY shape to match, got [2] and [1]", "IN is -1"] {
        assert!(refusals.iter().any(|text| text.contains(says)), "{refusals:?}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_one_response_is_refused() {
    let repository = models();
    let server = Sandbox::start(repository.path());
    let request = square("square", &[1], 1);
    for result in [
        within_limit(http(&server).infer(&request)).await,
        within_limit(grpc(&server).await.infer(&request)).await,
    ] {
        let error = result.expect_err("the model is decoupled");
        assert!(text(&error).contains("decoupled transaction policy"), "{error}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_decoupled_does_not_load() {
    let tensors = "input { name: \"IN\" data_type: TYPE_INT32 dims: [ 1 ] }
        output { name: \"OUT\" data_type: TYPE_INT32 dims: [ 1 ] }";
    let repository = Repository::new()
        .model("batched", "backend: \"repeat\" max_batch_size: 8")
        .model("once", &format!("backend: \"square\" {tensors}"));
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let models = index(&server).await;
    for says in ["max_batch_size == 0", "model_transaction_policy { decoupled: true }"] {
        assert!(models.iter().any(|model| model.contains(says)), "{models:?}");
    }
    server.stop();
}
