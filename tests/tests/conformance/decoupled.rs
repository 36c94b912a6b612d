//! What every decoupled backend must do, asked through the host alone: responses come one by one, also
//! after the batch has ended, and stop when nobody waits for them.

use crate::suite::{Loading, Model, Server, tensor};
use hippocamp_backend::{
    Backend, BackendContext, Batch, Instance, InstanceContext, ModelContext, ResponseStreams,
    as_bytes,
};
use hippocamp_backend_host::BackendTable;
use hippocamp_types::{
    Clock, DataType, Error, ErrorCode, InferRequest, MonotonicClock, Reply, Responder,
    ResponseSink, Tensor,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

/// Nothing here may hang.
const LIMIT: Duration = Duration::from_secs(30);

/// What an instance of `repeat` or `square` answers at a time.
const MOST_REQUESTS: usize = 256;

/// A decoupled backend under test. A model of it needs no configuration but its backend's name.
pub(crate) struct Subject {
    pub(crate) backend: &'static str,
    pub(crate) table: BackendTable,
    pub(crate) library: &'static str,
    /// Added to the configuration so that a request for [`Self::slow`] is not answered in this hour.
    pub(crate) slow_config: &'static str,
    pub(crate) slow: fn() -> Vec<Tensor>,
    /// Such a request has no response before that.
    pub(crate) slow_for: Duration,
    /// Inputs of a request with so many responses.
    pub(crate) inputs: fn(i32) -> Vec<Tensor>,
    /// Outputs of each of these responses.
    pub(crate) outputs: fn(i32) -> Vec<Vec<Tensor>>,
    /// Inputs that fit the configuration and are refused all the same, and why.
    pub(crate) refused: fn() -> (Vec<Tensor>, &'static str),
}

pub(crate) fn repeat() -> Subject {
    fn inputs(values: &[i32], delays: &[u32]) -> Vec<Tensor> {
        let size = |size: usize| i64::try_from(size).unwrap();
        let values_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let delays_data = delays.iter().flat_map(|delay| delay.to_le_bytes()).collect();
        vec![
            tensor("IN", DataType::Int32, &[size(values.len())], values_data),
            tensor("DELAY", DataType::Uint32, &[size(delays.len())], delays_data),
            tensor("WAIT", DataType::Uint32, &[1], vec![0; 4]),
        ]
    }
    Subject {
        backend: "repeat",
        table: hippocamp_backend::backend!(hippocamp_repeat::Repeat),
        library: "libtriton_repeat.so",
        slow_config: "",
        slow: || inputs(&[1], &[3_600_000]),
        slow_for: Duration::from_hours(1),
        inputs: |count| {
            let values: Vec<_> = (0..count).map(|value| value * 10).collect();
            let delays: Vec<_> = (0..count).map(|value| u32::from(value % 2 == 0)).collect();
            inputs(&values, &delays)
        },
        outputs: |count| {
            let outputs = |index: i32| {
                let (value, index) = ((index * 10).to_le_bytes(), index.to_le_bytes());
                vec![
                    tensor("OUT", DataType::Int32, &[1], value.to_vec()),
                    tensor("IDX", DataType::Uint32, &[1], index.to_vec()),
                ]
            };
            (0..count).map(outputs).collect()
        },
        refused: || {
            (inputs(&[1, 2], &[1]), "expected IN and DELAY shape to match, got [2] and [1]")
        },
    }
}

pub(crate) fn square() -> Subject {
    fn number(name: &str, value: i32) -> Vec<Tensor> {
        vec![tensor(name, DataType::Int32, &[1], value.to_le_bytes().to_vec())]
    }
    Subject {
        backend: "square",
        table: hippocamp_backend::backend!(hippocamp_square::Square),
        library: "libtriton_square.so",
        slow_config: r#"parameters { key: "CUSTOM_INFER_DELAY_NS" value { string_value: "4000000000" } }"#,
        slow: || number("IN", 1000),
        slow_for: Duration::from_secs(4),
        inputs: |count| number("IN", count),
        outputs: |count| (0..count).map(|_| number("OUT", count)).collect(),
        refused: || (number("IN", -1), "IN is -1: expected a number of responses, 0 or more"),
    }
}

/// Any number of responses, in order, then the end; the figures tell of one request.
pub(crate) fn any_number_of_responses(subject: &Subject, loading: Loading) {
    let (_server, loaded) = load(subject, loading, "");
    let mut instances = loaded.instances();
    for (count, executions) in [(3, 1), (1, 2), (0, 3)] {
        let (request, client) = request((subject.inputs)(count));
        instances[0].execute(vec![request]);
        for expect in (subject.outputs)(count) {
            let (response, last) = client.next();
            assert_eq!(response.unwrap().unwrap().outputs, expect);
            assert!(!last);
        }
        assert!(matches!(client.next(), (None, true)));
        let report = loaded.statistics.report();
        assert_eq!((report.success.count, report.execution_count), (executions, executions));
    }
}

/// The instance executes the next request while the one before is still being answered.
pub(crate) fn the_next_request_waits_for_no_response(subject: &Subject, loading: Loading) {
    let (server, loaded) = load(subject, loading, subject.slow_config);
    let mut instances = loaded.instances();
    let begun = MonotonicClock.now();
    let (first, first_client) = request((subject.slow)());
    let (second, second_client) = request((subject.slow)());
    instances[0].execute(vec![first]);
    instances[0].execute(vec![second]);
    // Both were taken, and neither is answered.
    for client in [first_client, second_client] {
        client.cancel();
        let error = loop {
            let (response, last) = client.next();
            let response = response.unwrap();
            assert_eq!(last, response.is_err());
            let Err(error) = response else {
                // The test was held up so long that the first response came before.
                assert!(MonotonicClock.now().since(begun) >= subject.slow_for, "it is not slow");
                continue;
            };
            break error;
        };
        assert_eq!(error.code(), ErrorCode::Cancelled);
    }
    drop((instances, loaded));
    assert!(server.loaded_backends().is_empty());
}

/// A request that is refused is answered once, with the reason, and harms nothing.
pub(crate) fn a_bad_request(subject: &Subject, loading: Loading) {
    let (_server, loaded) = load(subject, loading, "");
    let mut instances = loaded.instances();
    let (inputs, because) = (subject.refused)();
    for (inputs, because) in [(inputs, because), (Vec::new(), "IN")] {
        let (bad, client) = request(inputs);
        instances[0].execute(vec![bad]);
        let (response, last) = client.next();
        let error: Error = response.unwrap().unwrap_err();
        assert!(last && error.message().contains(because), "{error}");
    }
    assert_eq!(loaded.statistics.report().success.count, 0);
    let (good, client) = request((subject.inputs)(1));
    instances[0].execute(vec![good]);
    assert_eq!(client.next().0.unwrap().unwrap().outputs, (subject.outputs)(1)[0]);
}

/// One request more than an instance may answer at a time is refused, and waits for nobody.
pub(crate) fn more_than_it_may(subject: &Subject, loading: Loading) {
    let (_server, loaded) = load(subject, loading, subject.slow_config);
    let mut instances = loaded.instances();
    let mut clients = Vec::new();
    for _ in 0..=MOST_REQUESTS {
        let (request, client) = request((subject.slow)());
        instances[0].execute(vec![request]);
        clients.push(client);
    }
    let (response, last) = clients.pop().expect("the one too many").next();
    let error = response.unwrap().unwrap_err();
    assert!(last && error.code() == ErrorCode::Unavailable, "{error}");
    assert!(error.message().contains("256 requests already"), "{error}");
    for client in &clients {
        client.cancel();
    }
    for client in &clients {
        // Of one that has waited long enough responses may have come before.
        let error = std::iter::repeat_with(|| client.next().0.unwrap()).find_map(Result::err);
        assert_eq!(error.unwrap().code(), ErrorCode::Cancelled);
    }
}

/// A backend whose responses end in a panic.
pub(crate) struct Panics;

pub(crate) struct PanickingInstance(ResponseStreams);

impl Backend for Panics {
    type Model = Self;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, _: &mut ModelContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl hippocamp_backend::Model for Panics {
    type Instance = PanickingInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<PanickingInstance, Error> {
        Ok(PanickingInstance(ResponseStreams::new(2)))
    }
}

impl Instance for PanickingInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.requests().iter().try_for_each(|request| {
            let input = request.input("IN")?.values::<i32>()?.into_owned();
            self.0.answer(request, move |stream| {
                let mut response = stream.response()?;
                response.output("OUT", DataType::Int32, &[1], as_bytes(&input))?;
                response.send_more()?;
                panic!("on purpose");
            })
        })
    }
}

/// A panic beside the batch is an error of its request, behind the responses that were sent.
#[test]
fn a_panic_ends_its_request() {
    let table = hippocamp_backend::backend!(Panics);
    let server = Server::of("panics", table, "", Loading::LinkedIn);
    let tensors = r#"input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
        output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
        model_transaction_policy { decoupled: true }"#;
    let loaded = server.load_with(tensors).unwrap();
    let mut instances = loaded.instances();
    for value in [1, 2] {
        let (request, client) = request((square().inputs)(value));
        instances[0].execute(vec![request]);
        assert_eq!(client.next().0.unwrap().unwrap().outputs, (square().outputs)(value).remove(0));
        let (response, last) = client.next();
        let error = response.unwrap().unwrap_err();
        assert!(last && error.code() == ErrorCode::Internal, "{error}");
        assert!(error.message().contains("the backend panicked: on purpose"), "{error}");
    }
}

/// The server and a model whose configuration says `more`, and no tensors.
fn load(subject: &Subject, loading: Loading, more: &'static str) -> (Server, Model) {
    let server = Server::of(subject.backend, subject.table, subject.library, loading);
    let loaded = server.load_with(more).unwrap();
    assert!(loaded.config().decoupled, "the backend completes the transaction policy");
    (server, loaded)
}

/// Who waits for the responses to a request.
struct Client {
    replies: Receiver<Reply>,
    cancelled: Arc<AtomicBool>,
}

struct Sink {
    replies: SyncSender<Reply>,
    cancelled: Arc<AtomicBool>,
}

impl ResponseSink for Sink {
    fn accept(&self, reply: Reply) {
        // What a backend sends after the test has seen enough goes nowhere.
        let sent = self.replies.try_send(reply);
        assert!(!matches!(sent, Err(TrySendError::Full(_))), "there is room for every reply");
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Client {
    fn next(&self) -> (Option<Result<hippocamp_types::InferResponse, Error>>, bool) {
        let reply = self.replies.recv_timeout(LIMIT).expect("a reply in time");
        (reply.response, reply.last)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

fn request(inputs: Vec<Tensor>) -> (InferRequest, Client) {
    let (sender, replies) = sync_channel(16);
    let cancelled = Arc::<AtomicBool>::default();
    let sink = Sink { replies: sender, cancelled: Arc::clone(&cancelled) };
    let mut request = InferRequest::new(MonotonicClock.now(), Responder::new(sink));
    request.inputs = inputs;
    request.batch_size = 1;
    (request, Client { replies, cancelled })
}
