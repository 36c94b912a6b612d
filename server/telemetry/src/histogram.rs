//! A latency histogram with fixed buckets: one atomic add per observation, memory that never grows.

use crate::totals::saturating_add;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of our own latency histograms in nanoseconds: 50 us to 10 s.
pub(crate) const LATENCY_BOUNDS_NS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Triton's bounds of the time to the first response, in nanoseconds.
pub(crate) const FIRST_RESPONSE_BOUNDS_NS: &[u64] =
    &[100_000_000, 500_000_000, 2_000_000_000, 5_000_000_000];

/// Live counts per bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds_ns: &'static [u64],
    /// One more than there are bounds: the last counts what is above them all.
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistogramReport {
    /// `(upper bound in ns, observations at or below it)`, ascending.
    pub(crate) cumulative: Vec<(u64, u64)>,
    pub(crate) count: u64,
    pub(crate) sum_ns: u64,
}

impl Histogram {
    pub(crate) fn new(bounds_ns: &'static [u64]) -> Self {
        Self {
            bounds_ns,
            buckets: (0..=bounds_ns.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_ns.partition_point(|&bound| bound < ns);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        saturating_add(&self.sum_ns, ns);
    }

    pub(crate) fn report(&self) -> HistogramReport {
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(self.bounds_ns.len());
        for (index, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            if let Some(&bound) = self.bounds_ns.get(index) {
                cumulative.push((bound, count));
            }
        }
        HistogramReport { cumulative, count, sum_ns: self.sum_ns.load(Ordering::Relaxed) }
    }
}

impl HistogramReport {
    /// Adds `other`, which has the same bounds, unless one of the two is empty.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.cumulative.is_empty() {
            self.clone_from(other);
            return;
        }
        for ((_, count), (_, more)) in self.cumulative.iter_mut().zip(&other.cumulative) {
            *count += more;
        }
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[10, 20]);
        for ns in [0, 10, 11, 20, 21, 1_000] {
            histogram.observe(Duration::from_nanos(ns));
        }
        let report = histogram.report();
        assert_eq!(report.cumulative, [(10, 2), (20, 4)]);
        assert_eq!((report.count, report.sum_ns), (6, 1_062));

        let mut sum = HistogramReport::default();
        sum.add(&report);
        sum.add(&report);
        assert_eq!(sum.cumulative, [(10, 4), (20, 8)]);
        assert_eq!((sum.count, sum.sum_ns), (12, 2_124));
    }

    #[test]
    fn sums_saturate() {
        let histogram = Histogram::new(LATENCY_BOUNDS_NS);
        histogram.observe(Duration::MAX);
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.report().sum_ns, u64::MAX);
    }
}
