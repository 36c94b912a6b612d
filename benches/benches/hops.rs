//! One bench for each hop of a request's way; `benches/PROMISES.md` holds the figures.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hippocamp_benches::{Bench, input};
use hippocamp_config::DynamicBatching;
use hippocamp_core::unary_reply;
use hippocamp_http::codec::{Classes, OutputPlan, Target, decode_request, encode_response};
use hippocamp_scheduler::{Next, Queue, QueueOptions};
use hippocamp_types::{InferRequest, InferResponse, Timestamp};
use std::{collections::HashMap, hint::black_box, sync::Arc};

const JSON: &str = r#"{"id":"42","inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]},{"name":"INPUT1","shape":[1,16],"datatype":"INT32","data":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}]}"#;
const HEADER: &str = r#"{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","parameters":{"binary_data_size":64}},{"name":"INPUT1","shape":[1,16],"datatype":"INT32","parameters":{"binary_data_size":64}}]}"#;

/// Hop 2 and its way back: bytes to a request, a response to bytes.
fn http_codec(criterion: &mut Criterion) {
    let target = Target { model: "simple", max_input_size: 64 << 20 };
    let mut group = criterion.benchmark_group("http_codec");

    let json = Bytes::from_static(JSON.as_bytes());
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("decode_json_2x16", |bench| {
        bench.iter(|| decode_request(black_box(&json), None, target).expect("the body is good"));
    });

    let binary = Bytes::from([HEADER.as_bytes(), &[1; 128]].concat());
    group.throughput(Throughput::Bytes(binary.len() as u64));
    group.bench_function("decode_binary_2x16", |bench| {
        bench.iter(|| {
            decode_request(black_box(&binary), Some(HEADER.len()), target)
                .expect("the body is good")
        });
    });

    let numbers: Vec<String> =
        (0..100_000).map(|i| format!("{}.{:03}", i % 97, i % 1000)).collect();
    let large = Bytes::from(format!(
        r#"{{"inputs":[{{"name":"X","shape":[100000],"datatype":"FP32","data":[{}]}}]}}"#,
        numbers.join(",")
    ));
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("decode_json_100k_fp32", |bench| {
        bench.iter(|| decode_request(black_box(&large), None, target).expect("the body is good"));
    });

    let labels = HashMap::new();
    let classes = Classes { labels: &labels, batched: true };
    let response = InferResponse {
        model_name: Arc::from("simple"),
        model_version: 1,
        id: String::new(),
        parameters: Vec::new(),
        outputs: vec![input(), input()],
    };
    group.throughput(Throughput::Elements(1));
    for (name, binary_default) in [("encode_json_2x16", false), ("encode_binary_2x16", true)] {
        let plan = OutputPlan { binary_default, ..OutputPlan::default() };
        group.bench_function(name, |bench| {
            bench.iter(|| {
                encode_response(black_box(&response), &plan, classes).expect("the response is good")
            });
        });
    }
    group.finish();
}

/// Hops 3 to 10 and the way up, in one process: resolve, check, queue, instance thread, backend
/// through the C API, response. The difference between two chains is the cost of one more step.
fn core(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(1));
    for model in ["identity", "chain_1", "chain_2", "chain_4"] {
        group.bench_function(model, |bencher| {
            bencher.iter(|| runtime.block_on(bench.infer(model)).expect("the server answers"));
        });
    }
    group.finish();
}

/// Hops 6 and 7: into the queue, and out again as a batch of eight.
fn queue(criterion: &mut Criterion) {
    let mut queue = Queue::new(QueueOptions {
        max_batch_size: 8,
        batching: Some(DynamicBatching::default()),
        ragged_inputs: Vec::new(),
        default_max_queue_size: 64,
        strategy: None,
    });
    let now = Timestamp::from_nanos(1);
    let request = || {
        let (responder, reply) = unary_reply();
        let mut request = InferRequest::new(now, responder);
        request.inputs.push(input());
        // Who drops the reply cancels the request.
        (request, reply)
    };
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(8));
    group.bench_function("push_8_take_8", |bench| {
        bench.iter_batched(
            || std::array::from_fn::<_, 8, _>(|_| request()),
            |requests| {
                let replies = requests.map(|(request, reply)| {
                    queue.push(request).expect("the queue has room");
                    reply
                });
                match queue.next_batch(now) {
                    Next::Ready(batch) => (batch, replies),
                    next => panic!("expected a batch, got {next:?}"),
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(hops, http_codec, queue, core);
criterion_main!(hops);
