//! Statistics of one model version, as the statistics extension and the metrics show them.

use crate::{
    MemoryUsage, ResponseReport, ResponseTimes,
    responses::Responses,
    totals::{Series, Sum, Totals},
};
use hippocamp_types::{Error, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// When one successful request passed each point of its way; as a backend reports it.
#[derive(Clone, Copy, Debug)]
pub struct RequestTimes {
    /// The front-end had the whole request.
    pub received: Timestamp,
    /// It entered the queue.
    pub queued: Timestamp,
    /// When its batch ran.
    pub execution: ExecutionTimes,
}

/// When one batch passed each point of its execution; as a backend reports it.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionTimes {
    /// The backend has the batch.
    pub exec_start: Timestamp,
    /// Inputs are gathered; computing begins.
    pub compute_start: Timestamp,
    /// Computing has ended; outputs are written.
    pub compute_end: Timestamp,
    /// The backend has sent its responses.
    pub exec_end: Timestamp,
}

/// How often, and how long in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationCount {
    /// Events.
    pub count: u64,
    /// Sum of their durations.
    pub ns: u64,
}

/// Statistics of one model version at one moment; the fields are those of the extension.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct StatisticsReport {
    pub name: String,
    pub version: u64,
    /// Milliseconds since the epoch; 0 for never.
    pub last_inference_ms: u64,
    pub inference_count: u64,
    pub execution_count: u64,
    pub success: DurationCount,
    pub fail: DurationCount,
    pub queue: DurationCount,
    pub compute_input: DurationCount,
    pub compute_infer: DurationCount,
    pub compute_output: DurationCount,
    pub cache_hit: DurationCount,
    pub cache_miss: DurationCount,
    /// Ascending by batch size.
    pub batches: Vec<BatchReport>,
    /// By a response's place among those of its request.
    pub responses: Vec<ResponseReport>,
    pub memory_usage: Vec<MemoryUsage>,
}

/// Executions of one batch size.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct BatchReport {
    pub batch_size: u64,
    pub compute_input: DurationCount,
    pub compute_infer: DurationCount,
    pub compute_output: DurationCount,
}

/// Label `reason` of `nv_inference_request_failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum FailureReason {
    Rejected,
    Canceled,
    Backend,
    Other,
}

/// Live statistics of one model version. Shared by its scheduler, its instances and its requests'
/// observers; every method is cheap and takes `&self`. Made by
/// [`Metrics::model_statistics`](crate::Metrics::model_statistics), or by
/// [`ModelStatistics::new`] where no metrics are wanted.
#[derive(Debug)]
pub struct ModelStatistics {
    name: String,
    version: u64,
    /// At least 1: also the most entries that `batches` can have.
    max_batch_size: u64,
    totals: Arc<Totals>,
    /// By batch size. Locked once an execution, not once a request.
    batches: Mutex<BTreeMap<u64, BatchReport>>,
    last_inference_ms: AtomicU64,
    responses: Responses,
    /// Nothing is counted: the model is being warmed up.
    quiet: AtomicBool,
    /// The metrics that this generation counts into.
    series: Option<Arc<Series>>,
}

impl ModelStatistics {
    /// Statistics that no metrics show. `max_batch_size` is the configuration's, 0 for none.
    pub fn new(name: &str, version: u64, max_batch_size: usize, decoupled: bool) -> Self {
        Self {
            name: name.to_owned(),
            version,
            max_batch_size: (max_batch_size as u64).max(1),
            totals: Arc::new(Totals::new(decoupled)),
            batches: Mutex::default(),
            last_inference_ms: AtomicU64::new(0),
            responses: Responses::default(),
            quiet: AtomicBool::new(false),
            series: None,
        }
    }

    /// The same, counting into `series` too.
    pub(crate) fn counting_into(mut self, series: Arc<Series>) -> Self {
        series.join(&self.totals);
        self.series = Some(series);
        self
    }

    /// Counts nothing until the result is dropped: what a warm-up does is nobody's request.
    pub fn quiet(&self) -> Quiet<'_> {
        self.quiet.store(true, Ordering::Relaxed);
        Quiet(self)
    }

    /// One request of `batch_size` rows was answered; `now` is the end of it.
    pub fn record_success(&self, batch_size: usize, times: &RequestTimes, now: Timestamp) {
        if self.quiet.load(Ordering::Relaxed) {
            return;
        }
        let execution = &times.execution;
        let queue = execution.exec_start.since(times.queued);
        self.totals.add(Sum::Success, 1);
        self.totals.add(Sum::Inferences, (batch_size as u64).max(1));
        self.totals.add(Sum::RequestNs, nanos(now.since(times.received)));
        self.totals.add(Sum::QueueNs, nanos(queue));
        let [input, infer, output] = compute_ns(execution);
        self.totals.add(Sum::ComputeInputNs, input);
        self.totals.add(Sum::ComputeInferNs, infer);
        self.totals.add(Sum::ComputeOutputNs, output);
        self.totals.queue.observe(queue);
        self.totals.compute.observe(execution.exec_end.since(execution.exec_start));
    }

    /// One execution of a batch with `batch_size` rows in all has ended. A batch that is larger
    /// than the model allows is counted under the largest size.
    pub fn record_execution(&self, batch_size: usize, times: &ExecutionTimes) {
        if !self.quiet.load(Ordering::Relaxed) {
            self.count_execution(batch_size, compute_ns(times));
        }
    }

    /// One request failed `after` this time.
    pub fn record_failure(&self, reason: FailureReason, after: Duration) {
        self.totals.add(reason.into(), 1);
        self.totals.add(Sum::FailureNs, nanos(after));
    }

    /// One request (of a model without a backend of its own: an ensemble) took this long in all.
    /// What its steps computed stands in the statistics of their models.
    pub fn record_ensemble(&self, batch_size: usize, received: Timestamp, now: Timestamp) {
        self.totals.add(Sum::Success, 1);
        self.totals.add(Sum::Inferences, (batch_size as u64).max(1));
        self.totals.add(Sum::RequestNs, nanos(now.since(received)));
        self.count_execution(batch_size, [0; 3]);
    }

    /// One response was sent, at `place` among those of its request (0 for the first).
    ///
    /// # Errors
    /// If its times do not follow each other.
    pub fn record_response(&self, place: u64, times: &ResponseTimes) -> Result<(), Error> {
        if self.quiet.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.responses.record(place, times)
    }

    /// The model (`owner` empty) or an instance uses this much memory from now on.
    pub fn set_memory_usage(&self, owner: &str, usage: Vec<MemoryUsage>) {
        self.totals.memory.set(owner, usage);
    }

    /// Requests now waiting in the queue changed by `delta` (`nv_inference_pending_request_count`).
    pub fn pending_changed(&self, delta: i64) {
        self.totals.pending.fetch_add(delta, Ordering::Relaxed);
    }

    /// Loading this version took this long (`nv_model_load_duration_secs`).
    pub fn set_load_duration(&self, duration: Duration) {
        self.totals.load_ns.store(nanos(duration).max(1), Ordering::Relaxed);
    }

    /// A successful request's last response left `after` this time.
    pub(crate) fn observe_request(&self, after: Duration) {
        self.totals.request.observe(after);
    }

    /// A request's first response left `after` this time.
    pub(crate) fn observe_first_response(&self, after: Duration) {
        if let Some(histogram) = &self.totals.first_response {
            histogram.observe(after);
        }
    }

    /// What there is so far. Sums are read one by one: a report made while requests end may show
    /// one of them in some sums and not yet in others.
    pub fn report(&self) -> StatisticsReport {
        let figures = self.totals.figures();
        let of = |count, ns| DurationCount { count: figures.get(count), ns: figures.get(ns) };
        let reasons = [Sum::Rejected, Sum::Canceled, Sum::Backend, Sum::Other];
        let failures = reasons.map(|reason| figures.get(reason));
        StatisticsReport {
            name: self.name.clone(),
            version: self.version,
            last_inference_ms: self.last_inference_ms.load(Ordering::Relaxed),
            inference_count: figures.get(Sum::Inferences),
            execution_count: figures.get(Sum::Executions),
            success: of(Sum::Success, Sum::RequestNs),
            fail: DurationCount {
                count: failures.into_iter().fold(0, u64::saturating_add),
                ns: figures.get(Sum::FailureNs),
            },
            queue: of(Sum::Success, Sum::QueueNs),
            compute_input: of(Sum::Success, Sum::ComputeInputNs),
            compute_infer: of(Sum::Success, Sum::ComputeInferNs),
            compute_output: of(Sum::Success, Sum::ComputeOutputNs),
            cache_hit: DurationCount::default(),
            cache_miss: DurationCount::default(),
            batches: self.lock_batches().values().copied().collect(),
            responses: self.responses.report(),
            memory_usage: figures.memory,
        }
    }

    fn count_execution(&self, batch_size: usize, [input, infer, output]: [u64; 3]) {
        self.last_inference_ms.store(unix_ms(), Ordering::Relaxed);
        let batch_size = (batch_size as u64).clamp(1, self.max_batch_size);
        let mut batches = self.lock_batches();
        let batch = batches.entry(batch_size).or_default();
        batch.batch_size = batch_size;
        batch.compute_input.add(input);
        batch.compute_infer.add(infer);
        batch.compute_output.add(output);
        drop(batches);
        // Last, so that whoever sees it counted sees the rest.
        self.totals.add(Sum::Executions, 1);
    }

    fn lock_batches(&self) -> MutexGuard<'_, BTreeMap<u64, BatchReport>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`ModelStatistics::quiet`].
#[derive(Debug)]
pub struct Quiet<'a>(&'a ModelStatistics);

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        self.0.quiet.store(false, Ordering::Relaxed);
    }
}

impl Drop for ModelStatistics {
    fn drop(&mut self) {
        if let Some(series) = &self.series {
            series.leave(&self.totals);
        }
    }
}

impl DurationCount {
    fn add(&mut self, ns: u64) {
        self.count += 1;
        self.ns = self.ns.saturating_add(ns);
    }
}

/// Input, infer and output; a time that lies before the one it should follow counts as none.
fn compute_ns(times: &ExecutionTimes) -> [u64; 3] {
    [
        nanos(times.compute_start.since(times.exec_start)),
        nanos(times.compute_end.since(times.compute_start)),
        nanos(times.exec_end.since(times.compute_end)),
    ]
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the statistics extension shows wall time; nothing is computed with it"
)]
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ns: u64) -> Timestamp {
        Timestamp::from_nanos(ns)
    }

    fn execution(points: [u64; 4]) -> ExecutionTimes {
        let [exec_start, compute_start, compute_end, exec_end] = points.map(at);
        ExecutionTimes { exec_start, compute_start, compute_end, exec_end }
    }

    #[test]
    fn durations_lie_between_tritons_points() {
        let statistics = ModelStatistics::new("m", 3, 8, false);
        let execution = execution([100, 110, 160, 165]);
        let times = RequestTimes { received: at(10), queued: at(40), execution };
        statistics.record_success(2, &times, at(170));
        statistics.record_success(1, &times, at(180));
        statistics.record_execution(3, &execution);
        statistics.record_failure(FailureReason::Rejected, Duration::from_nanos(7));
        statistics.record_failure(FailureReason::Other, Duration::from_nanos(3));

        let report = statistics.report();
        let count = |count, ns| DurationCount { count, ns };
        assert_eq!((report.name.as_str(), report.version), ("m", 3));
        assert_eq!((report.inference_count, report.execution_count), (3, 1));
        assert_eq!(report.success, count(2, 330));
        assert_eq!(report.fail, count(2, 10));
        assert_eq!(report.queue, count(2, 120));
        assert_eq!(report.compute_input, count(2, 20));
        assert_eq!(report.compute_infer, count(2, 100));
        assert_eq!(report.compute_output, count(2, 10));
        assert!(report.last_inference_ms > 1_600_000_000_000);
        let [batch] = report.batches.as_slice() else { panic!("{:?}", report.batches) };
        assert_eq!(batch.batch_size, 3);
        assert_eq!(batch.compute_infer, count(1, 50));
    }

    #[test]
    fn nonsense_from_a_backend_does_no_harm() {
        let statistics = ModelStatistics::new("m", 1, 4, true);
        for points in [[9, 8, 7, 6], [u64::MAX, 0, u64::MAX, 0], [0, u64::MAX, 0, u64::MAX]] {
            let execution = execution(points);
            let times = RequestTimes { received: at(u64::MAX), queued: at(5), execution };
            statistics.record_success(usize::MAX, &times, at(0));
            statistics.record_execution(usize::MAX, &execution);
            statistics.record_execution(0, &execution);
        }
        let report = statistics.report();
        assert_eq!(report.success, DurationCount { count: 3, ns: 0 });
        assert_eq!(report.compute_input.ns, u64::MAX);
        assert_eq!(report.inference_count, u64::MAX);
        let sizes: Vec<_> = report.batches.iter().map(|batch| batch.batch_size).collect();
        assert_eq!(sizes, [1, 4], "sizes stay within the model's");
    }

    #[test]
    fn an_ensemble_counts_requests_and_executions() {
        let statistics = ModelStatistics::new("e", 1, 0, false);
        assert_eq!(statistics.report().last_inference_ms, 0, "never");
        statistics.record_ensemble(1, at(100), at(350));
        let report = statistics.report();
        assert_eq!((report.inference_count, report.execution_count), (1, 1));
        assert_eq!(report.success, DurationCount { count: 1, ns: 250 });
        assert_eq!(report.queue, DurationCount { count: 1, ns: 0 });
    }
}
