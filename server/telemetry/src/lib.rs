//! Statistics, metrics (Triton's `nv_*` names and our own histograms), logs and traces.
//!
//! What happens on the way of a request goes into a few atomics of its model's
//! [`ModelStatistics`]; text is made only when somebody asks for it.
#![forbid(unsafe_code)]

pub mod access;
mod custom;
mod exposition;
mod histogram;
pub mod log;
mod memory;
mod metrics;
mod names;
mod observer;
mod responses;
mod statistics;
mod system;
mod totals;
mod trace;

pub use custom::{CustomMetrics, Metric, MetricFamily, MetricKind};
pub use log::{LogControl, LogFormat, LogSettings, LogUpdate};
pub use memory::MemoryUsage;
pub use metrics::{Metrics, MetricsOptions, ModelSeries};
pub use observer::RequestStatistics;
pub use responses::{ResponseReport, ResponseTimes};
pub use statistics::{
    BatchReport, DurationCount, ExecutionTimes, FailureReason, ModelStatistics, Quiet,
    RequestTimes, StatisticsReport,
};
pub use trace::{OtlpOptions, TraceMode, TraceOptions, TraceSettings, TraceUpdate, Tracer};
