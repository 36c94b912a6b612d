//! The sums behind one model version's statistics and metrics: live as atomics, read as figures.
//!
//! Two generations of one version may serve at once while a reload drains the old one. Each has
//! statistics of its own, but they share one [`Series`], so that a counter neither appears twice
//! nor falls when the old generation is gone. (Triton shares its counters likewise.)

use crate::{
    FailureReason, MemoryUsage,
    histogram::{FIRST_RESPONSE_BOUNDS_NS, Histogram, HistogramReport, LATENCY_BOUNDS_NS},
    memory::{self, Memory},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// Which sum. Durations are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sum {
    Success,
    Rejected,
    Canceled,
    Backend,
    Other,
    Inferences,
    Executions,
    RequestNs,
    FailureNs,
    QueueNs,
    ComputeInputNs,
    ComputeInferNs,
    ComputeOutputNs,
}

const SUMS: usize = Sum::ComputeOutputNs as usize + 1;

impl From<FailureReason> for Sum {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Rejected => Self::Rejected,
            FailureReason::Canceled => Self::Canceled,
            FailureReason::Backend => Self::Backend,
            FailureReason::Other => Self::Other,
        }
    }
}

/// Live sums of one generation of a model version.
#[derive(Debug)]
pub(crate) struct Totals {
    sums: [AtomicU64; SUMS],
    pub(crate) pending: AtomicI64,
    /// 0: not told.
    pub(crate) load_ns: AtomicU64,
    /// What the model and its instances use.
    pub(crate) memory: Memory,
    pub(crate) request: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) compute: Histogram,
    /// Decoupled models only.
    pub(crate) first_response: Option<Histogram>,
}

/// Sums at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    sums: [u64; SUMS],
    pub(crate) pending: i64,
    pub(crate) load_ns: u64,
    pub(crate) memory: Vec<MemoryUsage>,
    pub(crate) request: HistogramReport,
    pub(crate) queue: HistogramReport,
    pub(crate) compute: HistogramReport,
    pub(crate) first_response: Option<HistogramReport>,
}

/// Names and values.
pub(crate) type Labels = BTreeMap<String, String>;

/// The metrics of every generation of one model version: those that live and those that are gone.
#[derive(Debug)]
pub(crate) struct Series {
    /// Ordered by name, as Triton prints them.
    pub(crate) labels: Labels,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    gone: Figures,
    live: Vec<Arc<Totals>>,
}

impl Totals {
    pub(crate) fn new(decoupled: bool) -> Self {
        Self {
            sums: std::array::from_fn(|_| AtomicU64::new(0)),
            pending: AtomicI64::new(0),
            load_ns: AtomicU64::new(0),
            memory: Memory::default(),
            request: Histogram::new(LATENCY_BOUNDS_NS),
            queue: Histogram::new(LATENCY_BOUNDS_NS),
            compute: Histogram::new(LATENCY_BOUNDS_NS),
            first_response: decoupled.then(|| Histogram::new(FIRST_RESPONSE_BOUNDS_NS)),
        }
    }

    pub(crate) fn add(&self, sum: Sum, value: u64) {
        saturating_add(&self.sums[sum as usize], value);
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            sums: std::array::from_fn(|i| self.sums[i].load(Ordering::Relaxed)),
            pending: self.pending.load(Ordering::Relaxed),
            load_ns: self.load_ns.load(Ordering::Relaxed),
            memory: self.memory.usage(),
            request: self.request.report(),
            queue: self.queue.report(),
            compute: self.compute.report(),
            first_response: self.first_response.as_ref().map(Histogram::report),
        }
    }
}

impl Figures {
    pub(crate) fn get(&self, sum: Sum) -> u64 {
        self.sums[sum as usize]
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
            *sum = sum.saturating_add(*more);
        }
        self.pending = self.pending.saturating_add(other.pending);
        if other.load_ns != 0 {
            self.load_ns = other.load_ns;
        }
        if !other.memory.is_empty() {
            self.memory = memory::sum(self.memory.iter().chain(&other.memory));
        }
        self.request.add(&other.request);
        self.queue.add(&other.queue);
        self.compute.add(&other.compute);
        if let Some(more) = &other.first_response {
            self.first_response.get_or_insert_default().add(more);
        }
    }
}

impl Series {
    pub(crate) fn new(labels: Labels) -> Self {
        Self { labels, generations: Mutex::default() }
    }

    /// A generation begins to count.
    pub(crate) fn join(&self, totals: &Arc<Totals>) {
        self.lock().live.push(Arc::clone(totals));
    }

    /// A generation has ended; what it counted stays.
    pub(crate) fn leave(&self, totals: &Arc<Totals>) {
        let mut generations = self.lock();
        generations.live.retain(|live| !Arc::ptr_eq(live, totals));
        let mut last = totals.figures();
        last.pending = 0;
        last.memory.clear();
        generations.gone.add(&last);
    }

    pub(crate) fn figures(&self) -> Figures {
        let generations = self.lock();
        let mut figures = generations.gone.clone();
        for totals in &generations.live {
            figures.add(&totals.figures());
        }
        figures
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds without wrapping: a backend may report any time it likes.
pub(crate) fn saturating_add(sum: &AtomicU64, value: u64) {
    let add = |now: u64| Some(now.saturating_add(value));
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).expect("`add` never gives up");
}
