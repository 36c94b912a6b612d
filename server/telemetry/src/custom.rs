//! Metrics that backends make, under names of their own. A family or series is shown as long as
//! somebody holds it: those of a model that was unloaded vanish.

use crate::{
    exposition::{Exposition, labels},
    names,
};
use hippocamp_types::{Error, ErrorCode};
use metrics_exporter_prometheus::LabelSet;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

const MAX_FAMILIES: usize = 1024;
const MAX_SERIES: usize = 10_000;
const MAX_BUCKETS: usize = 1024;

/// What a family's series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A value that is set.
    Gauge,
    /// Observations, counted by size.
    Histogram,
}

/// The families of one server.
#[derive(Debug, Default)]
pub struct CustomMetrics {
    families: Mutex<BTreeMap<String, Weak<MetricFamily>>>,
}

/// Series of one name, told apart by their labels.
#[derive(Debug)]
pub struct MetricFamily {
    name: String,
    help: String,
    kind: MetricKind,
    series: Mutex<BTreeMap<BTreeMap<String, String>, Weak<Metric>>>,
}

/// One series.
#[derive(Debug)]
pub struct Metric {
    kind: MetricKind,
    value: Mutex<Value>,
}

#[derive(Debug)]
enum Value {
    /// Of a counter or gauge.
    Number(f64),
    /// One count more than there are bounds: the last is of what is above them all.
    Histogram { bounds: Vec<f64>, counts: Vec<u64>, sum: f64 },
}

impl MetricKind {
    /// The name in Prometheus' format.
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// The name in the C API.
    fn c_name(self) -> &'static str {
        match self {
            Self::Counter => "TRITONSERVER_METRIC_KIND_COUNTER",
            Self::Gauge => "TRITONSERVER_METRIC_KIND_GAUGE",
            Self::Histogram => "TRITONSERVER_METRIC_KIND_HISTOGRAM",
        }
    }
}

impl CustomMetrics {
    /// The family `name`: a new one, or the one that somebody holds already, with its help text.
    ///
    /// # Errors
    /// If the name is none, or that of a family of another kind or of the server's own.
    pub fn family(
        &self,
        kind: MetricKind,
        name: &str,
        help: &str,
    ) -> Result<Arc<MetricFamily>, Error> {
        if !is_name(name, &[':', '_']) {
            return Err(Error::invalid(format!(
                "a metric's name is of letters, digits, '_' and ':' and begins with no digit, got '{name}'"
            )));
        }
        if names::is_ours(name) {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("metric '{name}' is one of the server's own: choose another name"),
            ));
        }
        let mut families = lock(&self.families);
        if let Some(known) = families.get(name).and_then(Weak::upgrade) {
            if known.kind != kind {
                return Err(Error::invalid(format!(
                    "metric '{name}' is a {} already, and cannot be a {}",
                    known.kind.name(),
                    kind.name()
                )));
            }
            return Ok(known);
        }
        families.retain(|_, family| family.strong_count() > 0);
        bounded("metric families", families.len(), MAX_FAMILIES)?;
        let (name, help) = (name.to_owned(), help.to_owned());
        let family =
            Arc::new(MetricFamily { name: name.clone(), help, kind, series: Mutex::default() });
        families.insert(name, Arc::downgrade(&family));
        Ok(family)
    }

    pub(crate) fn render(&self, text: &mut Exposition) {
        let families: Vec<_> = lock(&self.families).values().filter_map(Weak::upgrade).collect();
        families.iter().for_each(|family| family.render(text));
    }
}

impl MetricFamily {
    /// What its series are.
    pub fn kind(&self) -> MetricKind {
        self.kind
    }

    /// The series with these labels: a new one, or the one that somebody holds already. `bounds`
    /// are the upper bounds of a histogram's buckets, for a histogram alone.
    ///
    /// # Errors
    /// If a label's name is none, or the bounds do not ascend.
    pub fn metric(
        &self,
        of: BTreeMap<String, String>,
        bounds: Option<Vec<f64>>,
    ) -> Result<Arc<Metric>, Error> {
        let is_histogram = self.kind == MetricKind::Histogram;
        for label in of.keys() {
            if !is_name(label, &['_']) || label.starts_with("__") || (is_histogram && label == "le")
            {
                return Err(Error::invalid(format!(
                    "metric '{}': '{label}' cannot be the name of a label",
                    self.name
                )));
            }
        }
        let value = match (is_histogram, bounds) {
            (false, None) => Value::Number(0.0),
            (true, Some(bounds)) => {
                bounded("buckets", bounds.len(), MAX_BUCKETS)?;
                let ascend = bounds.windows(2).all(|pair| pair[0] < pair[1]);
                if !ascend || bounds.iter().any(|bound| bound.is_nan()) {
                    return Err(Error::invalid(format!(
                        "metric '{}': the bounds of its buckets do not ascend: {bounds:?}",
                        self.name
                    )));
                }
                Value::Histogram { counts: vec![0; bounds.len() + 1], bounds, sum: 0.0 }
            }
            (false, Some(_)) => {
                return Err(Error::invalid(format!(
                    "Unexpected args found in {} Metric constructor.",
                    self.kind.name()
                )));
            }
            (true, None) => {
                return Err(Error::invalid("Bucket boundaries not found in Metric args."));
            }
        };
        let mut series = lock(&self.series);
        if let Some(known) = series.get(&of).and_then(Weak::upgrade) {
            return Ok(known);
        }
        series.retain(|_, metric| metric.strong_count() > 0);
        bounded("series of a metric", series.len(), MAX_SERIES)?;
        let metric = Arc::new(Metric { kind: self.kind, value: Mutex::new(value) });
        series.insert(of, Arc::downgrade(&metric));
        Ok(metric)
    }

    fn render(&self, text: &mut Exposition) {
        text.custom_family(&self.name, &self.help, self.kind.name());
        for (of, metric) in lock(&self.series).iter() {
            if let Some(metric) = metric.upgrade() {
                let of = labels(of.iter().map(|(key, value)| (key.as_str(), value.as_str())));
                metric.render(&self.name, &of, text);
            }
        }
    }
}

impl Metric {
    /// The value of a counter or gauge.
    ///
    /// # Errors
    /// UNSUPPORTED for a histogram.
    pub fn value(&self) -> Result<f64, Error> {
        match &*lock(&self.value) {
            Value::Number(value) => Ok(*value),
            Value::Histogram { .. } => Err(self.unsupported("Value")),
        }
    }

    /// Adds to a counter or gauge.
    ///
    /// # Errors
    /// UNSUPPORTED for a histogram; INVALID_ARG for a counter that would fall.
    pub fn increment(&self, by: f64) -> Result<(), Error> {
        match &mut *lock(&self.value) {
            Value::Number(_) if self.kind == MetricKind::Counter && (by < 0.0 || by.is_nan()) => {
                Err(Error::invalid(
                    "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by non-negative values.",
                ))
            }
            Value::Number(value) => {
                *value += by;
                Ok(())
            }
            Value::Histogram { .. } => Err(self.unsupported("Increment")),
        }
    }

    /// Sets a gauge.
    ///
    /// # Errors
    /// UNSUPPORTED for other kinds.
    pub fn set(&self, to: f64) -> Result<(), Error> {
        match &mut *lock(&self.value) {
            Value::Number(value) if self.kind == MetricKind::Gauge => {
                *value = to;
                Ok(())
            }
            Value::Number(_) | Value::Histogram { .. } => Err(self.unsupported("Set")),
        }
    }

    /// Counts an observation into a histogram.
    ///
    /// # Errors
    /// UNSUPPORTED for other kinds.
    pub fn observe(&self, observed: f64) -> Result<(), Error> {
        match &mut *lock(&self.value) {
            Value::Number(_) => Err(self.unsupported("Observe")),
            Value::Histogram { bounds, counts, sum } => {
                // What is no number is above every bound.
                let bucket = bounds.iter().position(|bound| observed <= *bound);
                counts[bucket.unwrap_or(bounds.len())] += 1;
                *sum += observed;
                Ok(())
            }
        }
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::unsupported(format!("{} does not support {what}", self.kind.c_name()))
    }

    fn render(&self, name: &str, of: &LabelSet, text: &mut Exposition) {
        match &*lock(&self.value) {
            Value::Number(value) => text.custom_sample(name, None, of, None, &number(*value)),
            Value::Histogram { bounds, counts, sum } => {
                let mut cumulative: u64 = 0;
                let infinity = [f64::INFINITY];
                let is_finite = bounds.last().is_none_or(|last| last.is_finite());
                let bounds = bounds.iter().chain(infinity.iter().filter(|_| is_finite));
                for (bound, count) in bounds.zip(counts) {
                    cumulative += count;
                    let (le, count) = (number(*bound), cumulative.to_string());
                    text.custom_sample(name, Some("bucket"), of, Some(&le), &count);
                }
                let count = counts.iter().sum::<u64>().to_string();
                text.custom_sample(name, Some("sum"), of, None, &number(*sum));
                text.custom_sample(name, Some("count"), of, None, &count);
            }
        }
    }
}

/// A number as Prometheus reads it.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn is_name(name: &str, signs: &[char]) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || signs.contains(&c))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(&c))
}

fn bounded(what: &str, count: usize, limit: usize) -> Result<(), Error> {
    if count < limit {
        return Ok(());
    }
    Err(Error::unavailable(format!("there can be at most {limit} {what}")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(metrics: &CustomMetrics) -> String {
        let mut text = Exposition::default();
        metrics.render(&mut text);
        text.finish()
    }

    fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_kind_is_shown_as_long_as_it_is_held() {
        let metrics = CustomMetrics::default();
        let counters = metrics.family(MetricKind::Counter, "seen", "Things seen").unwrap();
        let seen = counters.metric(of(&[("b", "2"), ("a", "1 \"x\"")]), None).unwrap();
        seen.increment(1.5).unwrap();
        // The same labels are the same series.
        counters.metric(of(&[("a", "1 \"x\""), ("b", "2")]), None).unwrap().increment(1.0).unwrap();
        let gauges = metrics.family(MetricKind::Gauge, "vllm:level", "Level").unwrap();
        let level = gauges.metric(of(&[]), None).unwrap();
        level.set(4.0).unwrap();
        level.increment(-6.0).unwrap();
        let sizes = metrics.family(MetricKind::Histogram, "sizes", "Sizes").unwrap();
        let size = sizes.metric(of(&[("m", "x")]), Some(vec![0.5, 2.0])).unwrap();
        [0.5, 0.6, 7.0].into_iter().for_each(|observed| size.observe(observed).unwrap());
        let expect = "# HELP seen Things seen\n\
            # TYPE seen counter\n\
            seen{a=\"1 \\\"x\\\"\",b=\"2\"} 2.5\n\
            # HELP sizes Sizes\n\
            # TYPE sizes histogram\n\
            sizes_bucket{m=\"x\",le=\"0.5\"} 1\n\
            sizes_bucket{m=\"x\",le=\"2\"} 2\n\
            sizes_bucket{m=\"x\",le=\"+Inf\"} 3\n\
            sizes_sum{m=\"x\"} 8.1\n\
            sizes_count{m=\"x\"} 3\n\
            # HELP vllm:level Level\n\
            # TYPE vllm:level gauge\n\
            vllm:level -2\n";
        assert_eq!(render(&metrics).replace("\n\n", "\n"), expect);
        assert_eq!((seen.value().unwrap(), level.value().unwrap()), (2.5, -2.0));
        drop((seen, sizes, size, gauges, level));
        assert_eq!(render(&metrics).trim_end(), "# HELP seen Things seen\n# TYPE seen counter");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let metrics = CustomMetrics::default();
        let family = |kind, name: &str| metrics.family(kind, name, "");
        for name in ["", "9x", "a b", "grüße", "a{b}"] {
            assert!(family(MetricKind::Gauge, name).is_err(), "{name}");
        }
        let ours = family(MetricKind::Counter, "nv_inference_count").unwrap_err();
        assert_eq!(ours.code(), ErrorCode::AlreadyExists);
        let counters = family(MetricKind::Counter, "c").unwrap();
        assert_eq!(
            family(MetricKind::Gauge, "c").unwrap_err().message(),
            "metric 'c' is a counter already, and cannot be a gauge"
        );
        assert!(counters.metric(of(&[]), Some(vec![1.0])).is_err());
        assert!(counters.metric(of(&[("__x", "1")]), None).is_err());
        let counter = counters.metric(of(&[]), None).unwrap();
        for by in [-1.0, f64::NAN] {
            assert_eq!(counter.increment(by).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
        for error in [counter.set(1.0).unwrap_err(), counter.observe(1.0).unwrap_err()] {
            assert_eq!(error.code(), ErrorCode::Unsupported);
        }
        let histograms = family(MetricKind::Histogram, "h").unwrap();
        assert!(histograms.metric(of(&[]), None).is_err());
        assert!(histograms.metric(of(&[("le", "1")]), Some(vec![1.0])).is_err());
        for bounds in [vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN], vec![0.0; MAX_BUCKETS]] {
            assert!(histograms.metric(of(&[]), Some(bounds)).is_err());
        }
        let histogram = histograms.metric(of(&[]), Some(Vec::new())).unwrap();
        let refused = [
            histogram.value().unwrap_err(),
            histogram.set(1.0).unwrap_err(),
            histogram.increment(1.0).unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.code() == ErrorCode::Unsupported));
        histogram.observe(f64::NAN).unwrap();
        let many: Vec<_> =
            (0..MAX_FAMILIES).map(|n| family(MetricKind::Gauge, &format!("g{n}"))).collect();
        assert!(many[MAX_FAMILIES - 3].is_ok() && many[MAX_FAMILIES - 1].is_err());
    }
}
