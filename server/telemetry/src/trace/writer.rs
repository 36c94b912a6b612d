//! The thread that writes traces, and the queue before it. Whoever ends a trace hands it over and
//! goes on; what the queue has no room for is dropped and counted.

use super::{file::Files, otlp::Otlp, setting::Setting, settings::TraceMode};
use hippocamp_types::{Clock, TraceId, TraceRecord, TracedRequest};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Traces that may wait.
const QUEUE: usize = 2048;

/// Pause between two looks whether the thread has ended.
const STOP_INTERVAL: Duration = Duration::from_millis(5);

/// Bytes that traces which wait may hold, their tensors above all.
const QUEUED_BYTES: usize = 64 << 20;

enum Message {
    Finished {
        setting: Arc<Setting>,
        request: TracedRequest,
        weight: Weight,
    },
    /// A setting was replaced; what it collected may be complete.
    Changed,
    Stop,
}

/// What a trace takes while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weight {
    bytes: usize,
    spans: usize,
}

/// What the settings share with the writer.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) mode: TraceMode,
    pub(crate) clock: Arc<dyn Clock>,
    ids: RandomIdGenerator,
    traces: AtomicU64,
    numbers: AtomicU64,
    queued_bytes: AtomicUsize,
    queued_spans: AtomicUsize,
    max_spans: usize,
    lost: AtomicU64,
    /// There once the first setting traces anything.
    sender: OnceLock<SyncSender<Message>>,
    /// Until the thread is started.
    output: Mutex<Option<Output>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where traces go.
#[derive(Debug)]
pub(crate) enum Output {
    Files(Files),
    Otlp(Box<Otlp>),
}

impl Shared {
    pub(crate) fn new(
        mode: TraceMode,
        output: Output,
        max_spans: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            mode,
            clock,
            ids: RandomIdGenerator::default(),
            traces: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            queued_bytes: AtomicUsize::new(0),
            queued_spans: AtomicUsize::new(0),
            max_spans,
            lost: AtomicU64::new(0),
            sender: OnceLock::new(),
            output: Mutex::new(Some(output)),
            thread: Mutex::default(),
        }
    }

    /// The number of a new setting.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The id of a new trace, from 1.
    pub(crate) fn next_trace(&self) -> u64 {
        self.traces.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A new span; the id of the trace is left to the caller.
    pub(crate) fn new_id(&self) -> TraceId {
        TraceId { id: 0, span_id: u64::from_be_bytes(self.ids.new_span_id().to_bytes()) }
    }

    pub(crate) fn new_trace_id(&self) -> u128 {
        u128::from_be_bytes(self.ids.new_trace_id().to_bytes())
    }

    /// Traces that were lost: dropped before the writer, or refused by the disk or the collector.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn lose(&self, traces: u64) {
        self.lost.fetch_add(traces, Ordering::Relaxed);
    }

    /// Starts the thread, unless it runs or has run.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let Some(output) = lock(&self.output).take() else { return Ok(()) };
        let (sender, receiver) = sync_channel(QUEUE);
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("hippocamp-trace".to_owned());
        let thread = thread.spawn(move || write(&shared, &receiver, output))?;
        *lock(&self.thread) = Some(thread);
        // Set once: the output was taken by this call alone.
        self.sender.get_or_init(|| sender);
        Ok(())
    }

    /// Lets the writer look for settings that nobody uses any more.
    pub(crate) fn changed(&self) {
        if let Some(sender) = self.sender.get() {
            // A queue that is full wakes the writer as well.
            sender.try_send(Message::Changed).unwrap_or_default();
        }
    }

    /// Writes what was handed over, and ends; what is not written within `limit`, because a disk
    /// or a collector does not take it, is left.
    pub(crate) fn stop(&self, limit: Duration) {
        // Held until the thread has ended, so that a second call waits, too.
        let mut thread = lock(&self.thread);
        let (Some(sender), Some(thread)) = (self.sender.get(), thread.take()) else { return };
        let end = self.clock.now() + limit;
        let mut told = false;
        while !thread.is_finished() {
            // A queue that is full has no room for the word to stop either.
            told = told || sender.try_send(Message::Stop).is_ok();
            if self.clock.now() >= end {
                tracing::warn!("traces that were not written yet are left: time is up");
                return;
            }
            thread::sleep(STOP_INTERVAL);
        }
        if thread.join().is_err() {
            tracing::error!("the writer of traces panicked");
        }
    }

    pub(crate) fn hand_over(&self, setting: Arc<Setting>, request: TracedRequest) {
        let weight = weigh(&request.traces);
        let bytes = self.queued_bytes.fetch_add(weight.bytes, Ordering::Relaxed);
        let spans = self.queued_spans.fetch_add(weight.spans, Ordering::Relaxed);
        // One that is too large by itself passes alone.
        let fits = (bytes == 0 || bytes.saturating_add(weight.bytes) <= QUEUED_BYTES)
            && (spans == 0 || spans.saturating_add(weight.spans) <= self.max_spans);
        let message = Message::Finished { setting, request, weight };
        let sent = self.sender.get().is_some_and(|sender| fits && sender.try_send(message).is_ok());
        if !sent {
            self.take(weight);
            if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    "traces come faster than they are written: some are lost; hippocamp_traces_lost_total counts them"
                );
            }
        }
    }

    /// A trace waits no longer.
    fn take(&self, weight: Weight) {
        self.queued_bytes.fetch_sub(weight.bytes, Ordering::Relaxed);
        self.queued_spans.fetch_sub(weight.spans, Ordering::Relaxed);
    }
}

fn weigh(traces: &[TraceRecord]) -> Weight {
    let bytes = |trace: &TraceRecord| {
        let tensors: usize = trace.tensors.iter().map(|(_, tensor)| tensor.data.len()).sum();
        let error = trace.error.as_ref().map_or(0, String::len);
        tensors + trace.request_id.len() + error + 256 + 64 * trace.marks.len()
    };
    // A span for each model, one for its computation, one for the whole.
    Weight { bytes: traces.iter().map(bytes).sum(), spans: 2 * traces.len() + 1 }
}

/// The life of the thread.
fn write(shared: &Shared, receiver: &Receiver<Message>, mut output: Output) {
    loop {
        let message = match output.patience() {
            None => receiver.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
            Some(patience) => receiver.recv_timeout(patience),
        };
        match message {
            Ok(Message::Finished { setting, request, weight }) => {
                shared.take(weight);
                output.accept(shared, &setting, &request);
            }
            Ok(Message::Changed) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
        }
        output.settle(shared);
    }
    output.finish(shared);
}

impl Output {
    /// How long the writer may sleep; `None` for ever.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Files(_) => None,
            Self::Otlp(otlp) => otlp.patience(),
        }
    }

    fn accept(&mut self, shared: &Shared, setting: &Arc<Setting>, request: &TracedRequest) {
        match self {
            Self::Files(files) => files.accept(shared, setting, request),
            Self::Otlp(otlp) => otlp.accept(request),
        }
    }

    /// Does what is due.
    fn settle(&mut self, shared: &Shared) {
        match self {
            Self::Files(files) => files.settle(shared),
            Self::Otlp(otlp) => otlp.settle(shared),
        }
    }

    fn finish(&mut self, shared: &Shared) {
        match self {
            Self::Files(files) => files.finish(shared),
            Self::Otlp(otlp) => otlp.finish(shared),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
