//! The metrics of the whole server, as Prometheus text. Made once by `core`; the metrics endpoint
//! calls [`Metrics::render`].

use crate::{
    CustomMetrics, ModelStatistics, Tracer,
    exposition::{Exposition, labels},
    histogram::HistogramReport,
    names::{self, Name},
    system::{CpuTimes, Memory, Process},
    totals::{Figures, Labels, Series, Sum},
};
use hippocamp_types::{Clock, MonotonicClock, Timestamp};
use metrics_exporter_prometheus::LabelSet;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// What to show.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// Our own latency histograms of every model; on by default.
    pub latency_histograms: bool,
    /// Triton's `counter_latencies`: the cumulative `nv_inference_*_duration_us`; on by default.
    pub counter_latencies: bool,
    /// Triton's `histogram_latencies`: time to the first response of decoupled models; off by
    /// default.
    pub histogram_latencies: bool,
    /// `--allow-cpu-metrics`: `nv_cpu_*`; on by default.
    pub cpu_metrics: bool,
    /// The least time between two looks at the machine; 2 s by default.
    pub interval: Duration,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            latency_histograms: true,
            counter_latencies: true,
            histogram_latencies: false,
            cpu_metrics: true,
            interval: Duration::from_secs(2),
        }
    }
}

/// Every metric of the server. A model's series appear with its statistics and vanish with the last
/// of them.
#[derive(Debug)]
pub struct Metrics {
    options: MetricsOptions,
    clock: Arc<dyn Clock>,
    /// By labels; those of models that are gone are swept out at each render.
    models: Mutex<Models>,
    machine: Mutex<Machine>,
    /// Loads that succeeded and that failed, by model.
    loads: Mutex<BTreeMap<String, [u64; 2]>>,
    custom: Arc<CustomMetrics>,
    tracer: OnceLock<Arc<Tracer>>,
}

/// Which series a model version counts into.
#[derive(Clone, Copy, Debug)]
pub struct ModelSeries<'a> {
    /// The model.
    pub name: &'a str,
    /// Its repository, where repositories are namespaces.
    pub namespace: Option<&'a str>,
    /// The version.
    pub version: u64,
    /// The configuration's `metric_tags`.
    pub tags: &'a BTreeMap<String, String>,
}

type Models = BTreeMap<Labels, Weak<Series>>;

/// One of a model's histograms, if it has it.
type ReadHistogram = fn(&Figures) -> Option<HistogramReport>;

/// The last look at the machine.
#[derive(Debug)]
struct Machine {
    looked: Timestamp,
    times: Option<CpuTimes>,
    utilization: f64,
}

impl Metrics {
    /// Metrics of a server that begins now.
    pub fn new(options: MetricsOptions) -> Self {
        Self::with_clock(options, Arc::new(MonotonicClock))
    }

    fn with_clock(options: MetricsOptions, clock: Arc<dyn Clock>) -> Self {
        let machine = Machine { looked: clock.now(), times: CpuTimes::read(), utilization: 0.0 };
        Self {
            options,
            clock,
            models: Mutex::default(),
            machine: Mutex::new(machine),
            loads: Mutex::default(),
            custom: Arc::default(),
            tracer: OnceLock::new(),
        }
    }

    /// Statistics of one generation of a model version, shown under Triton's names. `max_batch_size` is
    /// the configuration's, 0 for none.
    pub fn model_statistics(
        &self,
        of: &ModelSeries<'_>,
        max_batch_size: usize,
        decoupled: bool,
    ) -> Arc<ModelStatistics> {
        // Triton puts an underscore before each tag, so that none can hide a label of its own.
        let mut labels: Labels =
            of.tags.iter().map(|(key, value)| (format!("_{key}"), value.clone())).collect();
        labels.insert("model".to_owned(), of.name.to_owned());
        labels.insert("version".to_owned(), of.version.to_string());
        if let Some(namespace) = of.namespace {
            labels.insert("namespace".to_owned(), namespace.to_owned());
        }

        let mut models = self.lock_models();
        let known = models.entry(labels.clone()).or_default();
        let series = known.upgrade().unwrap_or_else(|| {
            let series = Arc::new(Series::new(labels));
            *known = Arc::downgrade(&series);
            series
        });
        let statistics = ModelStatistics::new(of.name, of.version, max_batch_size, decoupled);
        Arc::new(statistics.counting_into(series))
    }

    /// A load of a model of the repository has ended. Models that are gone are still shown: what was
    /// counted once is not taken back.
    pub fn load_ended(&self, model: &str, success: bool) {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let [succeeded, failed] = loads.entry(model.to_owned()).or_default();
        *(if success { succeeded } else { failed }) += 1;
    }

    /// The metrics that backends make; shown after the server's own.
    pub fn custom(&self) -> &Arc<CustomMetrics> {
        &self.custom
    }

    /// Shows what `tracer` has lost; the first one stays.
    pub fn watch(&self, tracer: &Arc<Tracer>) {
        self.tracer.get_or_init(|| Arc::clone(tracer));
    }

    /// Everything, in Prometheus' text format.
    pub fn render(&self) -> String {
        let models = self.models();
        let mut text = Exposition::default();
        render_counts(&mut text, &models);
        if self.options.counter_latencies {
            render_durations(&mut text, &models);
        }
        render_gauges(&mut text, &models);
        render_memory(&mut text, &models);
        self.render_loads(&mut text);
        if self.options.histogram_latencies {
            let first: ReadHistogram = |figures| figures.first_response.clone();
            render_histogram(&mut text, &models, names::FIRST_RESPONSE, first, MILLISECOND_NS);
        }
        if self.options.latency_histograms {
            let families: [(Name, ReadHistogram); 3] = [
                (names::REQUEST_SECONDS, |figures| Some(figures.request.clone())),
                (names::QUEUE_SECONDS, |figures| Some(figures.queue.clone())),
                (names::COMPUTE_SECONDS, |figures| Some(figures.compute.clone())),
            ];
            for (name, histogram) in families {
                render_histogram(&mut text, &models, name, histogram, SECOND_NS);
            }
        }
        if self.options.cpu_metrics {
            self.render_machine(&mut text);
        }
        if let Some(tracer) = self.tracer.get() {
            text.counter(names::TRACES_LOST);
            text.sample(names::TRACES_LOST, &labels([]), tracer.lost());
        }
        render_process(&mut text);
        self.custom.render(&mut text);
        text.finish()
    }

    /// Every model that lives, with its figures, ordered by labels.
    fn models(&self) -> Vec<Model> {
        let mut models = self.lock_models();
        models.retain(|_, series| series.strong_count() > 0);
        models
            .values()
            .filter_map(Weak::upgrade)
            .map(|series| Model { figures: series.figures(), series })
            .collect()
    }

    fn render_loads(&self, text: &mut Exposition) {
        text.counter(names::MODEL_LOADS);
        let loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        for (model, [succeeded, failed]) in &*loads {
            for (outcome, count) in [("success", succeeded), ("failure", failed)] {
                let labels = labels([("model", model.as_str()), ("outcome", outcome)]);
                text.sample(names::MODEL_LOADS, &labels, count);
            }
        }
    }

    fn render_machine(&self, text: &mut Exposition) {
        let utilization = {
            let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            if now.since(machine.looked) >= self.options.interval {
                machine.look(now);
            }
            machine.utilization
        };
        let none = labels([]);
        text.gauge(names::CPU_UTILIZATION);
        text.sample(names::CPU_UTILIZATION, &none, utilization);
        if let Some(memory) = Memory::read() {
            text.gauge(names::CPU_MEMORY_TOTAL);
            text.sample(names::CPU_MEMORY_TOTAL, &none, memory.total);
            text.gauge(names::CPU_MEMORY_USED);
            text.sample(names::CPU_MEMORY_USED, &none, memory.used);
        }
    }

    fn lock_models(&self) -> MutexGuard<'_, Models> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn look(&mut self, now: Timestamp) {
        let times = CpuTimes::read();
        if let (Some(now), Some(before)) = (times, self.times)
            && let Some(utilization) = now.utilization_since(before)
        {
            self.utilization = utilization;
        }
        self.times = times;
        self.looked = now;
    }
}

/// A model version at the time of a scrape.
struct Model {
    series: Arc<Series>,
    figures: Figures,
}

impl Model {
    fn labels(&self) -> LabelSet {
        labels(self.series.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    fn labels_with_reason(&self, reason: &'static str) -> LabelSet {
        let mut all: BTreeMap<&str, &str> =
            self.series.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        all.insert("reason", reason);
        labels(all)
    }
}

fn render_counts(text: &mut Exposition, models: &[Model]) {
    let family = |text: &mut Exposition, name, sum| {
        text.counter(name);
        for model in models {
            text.sample(name, &model.labels(), model.figures.get(sum));
        }
    };
    family(text, names::REQUEST_SUCCESS, Sum::Success);
    text.counter(names::REQUEST_FAILURE);
    for model in models {
        let reasons = [
            ("REJECTED", Sum::Rejected),
            ("CANCELED", Sum::Canceled),
            ("BACKEND", Sum::Backend),
            ("OTHER", Sum::Other),
        ];
        for (reason, sum) in reasons {
            let labels = model.labels_with_reason(reason);
            text.sample(names::REQUEST_FAILURE, &labels, model.figures.get(sum));
        }
    }
    family(text, names::INFERENCE_COUNT, Sum::Inferences);
    family(text, names::EXECUTION_COUNT, Sum::Executions);
}

/// Nanoseconds are summed and divided here, so that no request's remainder is lost.
fn render_durations(text: &mut Exposition, models: &[Model]) {
    let families = [
        (names::REQUEST_DURATION, Sum::RequestNs),
        (names::QUEUE_DURATION, Sum::QueueNs),
        (names::COMPUTE_INPUT_DURATION, Sum::ComputeInputNs),
        (names::COMPUTE_INFER_DURATION, Sum::ComputeInferNs),
        (names::COMPUTE_OUTPUT_DURATION, Sum::ComputeOutputNs),
    ];
    for (name, sum) in families {
        text.counter(name);
        for model in models {
            text.sample(name, &model.labels(), model.figures.get(sum) / 1_000);
        }
    }
}

fn render_gauges(text: &mut Exposition, models: &[Model]) {
    text.gauge(names::PENDING_REQUESTS);
    for model in models {
        text.sample(names::PENDING_REQUESTS, &model.labels(), model.figures.pending);
    }
    text.gauge(names::LOAD_DURATION);
    for model in models.iter().filter(|model| model.figures.load_ns != 0) {
        let seconds = Duration::from_nanos(model.figures.load_ns).as_secs_f64();
        text.sample(names::LOAD_DURATION, &model.labels(), seconds);
    }
}

/// What the backends say that their models need.
fn render_memory(text: &mut Exposition, models: &[Model]) {
    text.gauge(names::MODEL_MEMORY);
    for model in models {
        for usage in &model.figures.memory {
            let id = usage.id.to_string();
            let own = model.series.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let labels = labels(own.chain([("type", usage.kind), ("id", id.as_str())]));
            text.sample(names::MODEL_MEMORY, &labels, usage.byte_size);
        }
    }
}

fn render_histogram(
    text: &mut Exposition,
    models: &[Model],
    name: Name,
    histogram: ReadHistogram,
    unit_ns: u64,
) {
    text.histogram(name);
    for model in models {
        if let Some(report) = histogram(&model.figures) {
            text.histogram_sample(name, &model.labels(), &report, unit_ns);
        }
    }
}

fn render_process(text: &mut Exposition) {
    let Some(process) = Process::read() else { return };
    let none = labels([]);
    text.counter(names::PROCESS_CPU);
    text.sample(names::PROCESS_CPU, &none, process.cpu_seconds);
    text.gauge(names::PROCESS_THREADS);
    text.sample(names::PROCESS_THREADS, &none, process.threads);
    if let Some(bytes) = process.resident_bytes {
        text.gauge(names::PROCESS_MEMORY);
        text.sample(names::PROCESS_MEMORY, &none, bytes);
    }
    if let Some(fds) = process.open_fds {
        text.gauge(names::PROCESS_FDS);
        text.sample(names::PROCESS_FDS, &none, fds);
    }
    if let Some(boot) = process.boot {
        let started = Duration::from_secs(boot).as_secs_f64() + process.started;
        text.gauge(names::PROCESS_START);
        text.sample(names::PROCESS_START, &none, started);
    }
}

#[cfg(test)]
mod tests;
