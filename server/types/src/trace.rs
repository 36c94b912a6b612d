//! Traces of requests: what happened to one, when, and to which requests it led.
//!
//! Telemetry decides which requests are traced and makes their [`Trace`]; everybody on the way of a
//! request writes into it, if there is one; the last to let go of it hands it to its [`TraceSink`].
//! Writing is a push onto a list: no text is made, nothing is sent.

use crate::{Tensor, Timestamp, TraceContext};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Marks, and tensors, of one trace; backends may report any number of them.
const MAX_MARKS: usize = 4096;

/// Traces that belong to one request of a client; further ones are not kept.
const MAX_TRACES: usize = 10_000;

/// Bytes of an error's text: it may quote what a client sent.
const MAX_ERROR: usize = 1024;

/// A point on the way of a request, under Triton's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum Activity {
    RequestStart,
    QueueStart,
    ComputeStart,
    ComputeInputEnd,
    ComputeOutputStart,
    ComputeEnd,
    RequestEnd,
    InferResponseComplete,
    HttpRecvStart,
    HttpRecvEnd,
    HttpSendStart,
    HttpSendEnd,
    GrpcWaitreadStart,
    GrpcWaitreadEnd,
    GrpcSendStart,
    GrpcSendEnd,
}

impl Activity {
    /// Triton's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestStart => "REQUEST_START",
            Self::QueueStart => "QUEUE_START",
            Self::ComputeStart => "COMPUTE_START",
            Self::ComputeInputEnd => "COMPUTE_INPUT_END",
            Self::ComputeOutputStart => "COMPUTE_OUTPUT_START",
            Self::ComputeEnd => "COMPUTE_END",
            Self::RequestEnd => "REQUEST_END",
            Self::InferResponseComplete => "INFER_RESPONSE_COMPLETE",
            Self::HttpRecvStart => "HTTP_RECV_START",
            Self::HttpRecvEnd => "HTTP_RECV_END",
            Self::HttpSendStart => "HTTP_SEND_START",
            Self::HttpSendEnd => "HTTP_SEND_END",
            Self::GrpcWaitreadStart => "GRPC_WAITREAD_START",
            Self::GrpcWaitreadEnd => "GRPC_WAITREAD_END",
            Self::GrpcSendStart => "GRPC_SEND_START",
            Self::GrpcSendEnd => "GRPC_SEND_END",
        }
    }
}

/// Where a tensor was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorActivity {
    /// An input, as the request enters its queue.
    QueueInput,
    /// An output, as the backend sends its response.
    BackendOutput,
}

impl TensorActivity {
    /// Triton's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueInput => "TENSOR_QUEUE_INPUT",
            Self::BackendOutput => "TENSOR_BACKEND_OUTPUT",
        }
    }
}

/// What a mark is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkName {
    /// A point that every request passes.
    Known(Activity),
    /// One that a backend named.
    Custom(String),
}

impl MarkName {
    /// As it is shown.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(activity) => activity.name(),
            Self::Custom(name) => name,
        }
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub name: MarkName,
    /// When.
    pub at: Timestamp,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceLevel {
    /// Marks.
    pub timestamps: bool,
    /// Tensors, with their values.
    pub tensors: bool,
}

impl TraceLevel {
    /// Nothing is recorded.
    pub const fn is_off(self) -> bool {
        !self.timestamps && !self.tensors
    }
}

/// What happened to one request at one model, told when it is over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceRecord {
    /// Unique in the server, from 1.
    pub id: u64,
    /// The trace it was spawned from; 0 for none.
    pub parent_id: u64,
    /// Its span in a distributed trace.
    pub span_id: u64,
    /// The parent's span.
    pub parent_span_id: u64,
    /// The model.
    pub model: String,
    /// Its version, if the request got as far as that.
    pub version: Option<u64>,
    /// The request's id; empty for none.
    pub request_id: String,
    /// In the order they were reported, which need not be that of time.
    pub marks: Vec<Mark>,
    /// In the order they were seen.
    pub tensors: Vec<(TensorActivity, Tensor)>,
    /// Why the model gave no response, or not all of them; `None` if it did.
    pub error: Option<String>,
}

/// A request of a client with every request that it led to, ascending by id.
#[derive(Clone, Debug)]
pub struct TracedRequest {
    /// Of the span of the whole request.
    pub context: TraceContext,
    /// The caller's span; `None` if the caller said none.
    pub caller: Option<u64>,
    /// One for each model that took part.
    pub traces: Vec<TraceRecord>,
    /// What the client was told instead of an answer.
    pub error: Option<String>,
}

/// The identity of a new trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceId {
    /// Unique in the server, from 1.
    pub id: u64,
    /// Random, never 0.
    pub span_id: u64,
}

/// Takes traces when they are over. Telemetry implements it.
pub trait TraceSink: Send + Sync + fmt::Debug {
    /// The present.
    fn now(&self) -> Timestamp;

    /// Whether traces become spans, which requests to other servers may continue.
    fn is_distributed(&self) -> bool;

    /// A new identity.
    fn new_id(&self) -> TraceId;

    /// Takes what was recorded. Called from the threads of backends, too: it must not block.
    fn finished(&self, request: TracedRequest);
}

/// A handle to write into the trace of one request at one model. Clones write into the same one.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    whole: Arc<Whole>,
    record: Mutex<TraceRecord>,
    id: TraceId,
    parent_id: u64,
}

/// A client's request and all it led to. Dropped with the last trace of it.
struct Whole {
    sink: Arc<dyn TraceSink>,
    level: TraceLevel,
    context: TraceContext,
    caller: Option<u64>,
    traces: AtomicUsize,
    finished: Mutex<Vec<TraceRecord>>,
    error: Mutex<Option<String>>,
}

impl Trace {
    /// A trace of a client's request to `model`; `context` is that of the span of the request.
    pub fn new(
        sink: Arc<dyn TraceSink>,
        level: TraceLevel,
        context: TraceContext,
        caller: Option<u64>,
        model: &str,
    ) -> Self {
        let parent_span_id = context.span_id;
        let (traces, finished, error) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
        let whole = Arc::new(Whole { sink, level, context, caller, traces, finished, error });
        Self::within(whole, 0, parent_span_id, model)
    }

    fn within(whole: Arc<Whole>, parent_id: u64, parent_span_id: u64, model: &str) -> Self {
        let id = whole.sink.new_id();
        let record = Mutex::new(TraceRecord {
            id: id.id,
            parent_id,
            span_id: id.span_id,
            parent_span_id,
            model: model.to_owned(),
            ..TraceRecord::default()
        });
        Self(Arc::new(Inner { whole, record, id, parent_id }))
    }

    /// The trace of a request that this one makes.
    #[must_use]
    pub fn child(&self) -> Self {
        let Inner { whole, id, .. } = &*self.0;
        Self::within(Arc::clone(whole), id.id, id.span_id, "")
    }

    /// The trace of a further request that the client's one led to, not below this one but beside it.
    #[must_use]
    pub fn beside(&self) -> Self {
        let whole = Arc::clone(&self.0.whole);
        let parent_span_id = whole.context.span_id;
        Self::within(whole, 0, parent_span_id, "")
    }

    /// Unique in the server, from 1.
    pub fn id(&self) -> u64 {
        self.0.id.id
    }

    /// The trace that this one was spawned from; 0 for none.
    pub fn parent_id(&self) -> u64 {
        self.0.parent_id
    }

    /// What is recorded.
    pub fn level(&self) -> TraceLevel {
        self.0.whole.level
    }

    /// The present, by the clock of the trace.
    pub fn now(&self) -> Timestamp {
        self.0.whole.sink.now()
    }

    /// The context of the span of the whole request, if there will be one: what its client is told.
    pub fn request_context(&self) -> Option<&TraceContext> {
        let Whole { sink, context, .. } = &*self.0.whole;
        sink.is_distributed().then_some(context)
    }

    /// The context of this trace's own span: what a request to another server carries.
    pub fn context(&self) -> Option<TraceContext> {
        let whole = self.request_context()?;
        Some(TraceContext { span_id: self.0.id.span_id, ..whole.clone() })
    }

    /// Looks at what was recorded so far.
    pub fn with<R>(&self, look: impl FnOnce(&TraceRecord) -> R) -> R {
        look(&self.lock())
    }

    /// The request reached its model: REQUEST_START, with whom it is for.
    pub fn started(&self, model: &str, version: u64, request_id: &str, at: Timestamp) {
        let mut record = self.lock();
        model.clone_into(&mut record.model);
        record.version = Some(version);
        request_id.clone_into(&mut record.request_id);
        drop(record);
        self.record(Activity::RequestStart, at);
    }

    /// A point that every request passes.
    pub fn record(&self, activity: Activity, at: Timestamp) {
        self.mark(at, || MarkName::Known(activity));
    }

    /// As [`Trace::record`], at the present.
    pub fn record_now(&self, activity: Activity) {
        if self.level().timestamps {
            self.record(activity, self.now());
        }
    }

    /// A point that a backend names.
    pub fn record_custom(&self, name: &str, at: Timestamp) {
        self.mark(at, || MarkName::Custom(name.to_owned()));
    }

    /// Tensors, if they are wanted. Their data are shared, not copied.
    pub fn tensors<'a>(
        &self,
        activity: TensorActivity,
        tensors: impl IntoIterator<Item = &'a Tensor>,
    ) {
        if self.level().tensors {
            let mut record = self.lock();
            for tensor in tensors {
                if record.tensors.len() < MAX_MARKS {
                    record.tensors.push((activity, tensor.clone()));
                }
            }
        }
    }

    /// The model failed the request; the first error is kept.
    pub fn failed(&self, error: &str) {
        self.lock().error.get_or_insert_with(|| shortened(error));
    }

    /// The client is told this error instead of an answer; the first one is kept.
    pub fn refused(&self, error: &str) {
        let mut told = self.0.whole.error.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert_with(|| shortened(error));
    }

    fn mark(&self, at: Timestamp, name: impl FnOnce() -> MarkName) {
        if self.level().timestamps {
            let mut record = self.lock();
            if record.marks.len() < MAX_MARKS {
                record.marks.push(Mark { name: name(), at });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, TraceRecord> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(error: &str) -> String {
    error[..error.floor_char_boundary(MAX_ERROR)].to_owned()
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let record = std::mem::take(self.record.get_mut().unwrap_or_else(PoisonError::into_inner));
        // Spawned, and never used.
        if self.parent_id != 0 && record.version.is_none() && record.marks.is_empty() {
            return;
        }
        if self.whole.traces.fetch_add(1, Ordering::Relaxed) < MAX_TRACES {
            self.whole.finished.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        let finished = self.finished.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut traces = std::mem::take(finished);
        traces.sort_unstable_by_key(|trace| trace.id);
        let (context, caller) = (self.context.clone(), self.caller);
        let error = self.error.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        self.sink.finished(TracedRequest { context, caller, traces, error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, RequestTrace, Shape};
    use std::sync::atomic::AtomicU64;

    #[derive(Debug, Default)]
    struct Recorder {
        next: AtomicU64,
        finished: Mutex<Vec<TracedRequest>>,
    }

    impl TraceSink for Recorder {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(99)
        }

        fn is_distributed(&self) -> bool {
            true
        }

        fn new_id(&self) -> TraceId {
            let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
            TraceId { id, span_id: id * 100 }
        }

        fn finished(&self, request: TracedRequest) {
            self.finished.lock().unwrap().push(request);
        }
    }

    fn trace(recorder: &Arc<Recorder>, level: TraceLevel) -> Trace {
        let context = TraceContext { trace_id: 7, span_id: 8, flags: 1, state: String::new() };
        Trace::new(Arc::clone(recorder) as Arc<dyn TraceSink>, level, context, None, "asked")
    }

    const BOTH: TraceLevel = TraceLevel { timestamps: true, tensors: true };

    #[test]
    fn it_is_told_whole_when_the_last_handle_is_gone() {
        let recorder = Arc::new(Recorder::default());
        let front = trace(&recorder, BOTH);
        front.record(Activity::HttpRecvStart, Timestamp::from_nanos(1));
        let request = RequestTrace::new(front.clone());
        request.started("m", 3, "r", Timestamp::from_nanos(2));
        let child = request.step();
        assert_eq!((child.id(), child.parent_id()), (2, 1));
        assert_eq!(child.context().unwrap().to_string(), format!("00-{:032x}-{:016x}-01", 7, 200));
        child.started("step", 1, "r", Timestamp::from_nanos(3));
        child.record_custom("MINE", Timestamp::from_nanos(4));
        let late = child.clone();
        drop(child.child());
        drop(request);
        let ended = |trace: &Trace| {
            trace.with(|record| record.marks.iter().any(|mark| mark.name.as_str() == "REQUEST_END"))
        };
        assert!(!ended(&front), "a step of it is not over");
        drop(child);
        assert!(ended(&front));
        drop(front);
        assert!(recorder.finished.lock().unwrap().is_empty(), "a handle is left");
        drop(late);
        let finished = recorder.finished.lock().unwrap();
        let [TracedRequest { traces, .. }] = finished.as_slice() else { panic!("{finished:?}") };
        let shown = traces.iter().map(|trace| {
            let marks = trace.marks.iter().map(|mark| (mark.name.as_str(), mark.at.as_nanos()));
            (trace.parent_id, trace.parent_span_id, trace.model.as_str(), marks.collect())
        });
        let parent = vec![("HTTP_RECV_START", 1), ("REQUEST_START", 2), ("REQUEST_END", 99)];
        let child = vec![("REQUEST_START", 3), ("MINE", 4), ("REQUEST_END", 99)];
        assert_eq!(
            shown.collect::<Vec<(u64, u64, &str, Vec<_>)>>(),
            [(0, 8, "m", parent), (1, 100, "step", child)]
        );
    }

    #[test]
    fn a_request_that_reached_no_model_has_no_end() {
        let recorder = Arc::new(Recorder::default());
        drop(RequestTrace::new(trace(&recorder, BOTH)));
        let finished = recorder.finished.lock().unwrap();
        assert_eq!(
            (finished[0].traces[0].model.as_str(), finished[0].traces[0].marks.len()),
            ("asked", 0)
        );
    }

    #[test]
    fn levels_and_bounds_hold() {
        let recorder = Arc::new(Recorder::default());
        let tensor = Tensor {
            name: "x".to_owned(),
            datatype: DataType::Int8,
            shape: Shape::new(&[1]),
            data: bytes::Bytes::from_static(&[1]),
        };
        for (timestamps, tensors) in [(true, false), (false, true)] {
            let trace = trace(&recorder, TraceLevel { timestamps, tensors });
            for _ in 0..MAX_MARKS + 1 {
                trace.record_now(Activity::QueueStart);
                trace.tensors(TensorActivity::QueueInput, [&tensor]);
            }
            let counts = trace.with(|record| (record.marks.len(), record.tensors.len()));
            let expect = |wanted| if wanted { MAX_MARKS } else { 0 };
            assert_eq!(counts, (expect(timestamps), expect(tensors)));
        }
    }

    #[test]
    fn the_first_error_is_told() {
        let recorder = Arc::new(Recorder::default());
        let first = trace(&recorder, BOTH);
        first.started("m", 1, "", Timestamp::from_nanos(1));
        let second = first.beside();
        second.started("m", 1, "", Timestamp::from_nanos(2));
        // Two bytes each, and the limit is even: it would fall between two of them.
        let long = format!("a{}", "ä".repeat(MAX_ERROR));
        second.failed(&long);
        second.failed("later");
        second.refused("told");
        first.refused("later");
        drop((first, second));
        let finished = recorder.finished.lock().unwrap();
        let [request] = finished.as_slice() else { panic!("{finished:?}") };
        assert_eq!(request.error.as_deref(), Some("told"));
        let shown: Vec<_> = request
            .traces
            .iter()
            .map(|trace| (trace.parent_id, trace.parent_span_id, trace.error.as_deref()))
            .collect();
        let cut = &long[..MAX_ERROR - 1];
        assert_eq!(shown, [(0, 8, None), (0, 8, Some(cut))]);
    }
}
