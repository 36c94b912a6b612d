//! Custom metrics as backends hold them, and the one registry they are in: the C API makes metrics
//! without naming a server, so a process has one.

use crate::handles::{Object, tag};
use hippocamp_backend_abi::{
    TRITONSERVER_Metric, TRITONSERVER_MetricArgs, TRITONSERVER_MetricFamily,
};
use hippocamp_telemetry::{CustomMetrics, Metric, MetricFamily};
use hippocamp_types::Error;
use std::sync::{Arc, Mutex, PoisonError, Weak};

static REGISTRY: Mutex<Weak<CustomMetrics>> = Mutex::new(Weak::new());

/// New families go into `metrics` from now on.
pub(crate) fn attach(metrics: &Arc<CustomMetrics>) {
    *REGISTRY.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(metrics);
}

/// Where families go.
///
/// # Errors
/// If nobody would see them.
pub(crate) fn registry() -> Result<Arc<CustomMetrics>, Error> {
    let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    registry.ok_or_else(|| Error::unavailable("there is no server that shows metrics"))
}

/// `TRITONSERVER_MetricFamily`.
#[derive(Debug)]
pub(crate) struct FamilyObject {
    pub(crate) family: Arc<MetricFamily>,
}

/// `TRITONSERVER_Metric`.
#[derive(Debug)]
pub(crate) struct MetricObject {
    /// Deleting the family first leaves a metric that nobody would see.
    family: Weak<MetricFamily>,
    metric: Arc<Metric>,
}

/// `TRITONSERVER_MetricArgs`.
#[derive(Debug, Default)]
pub(crate) struct MetricArgsObject {
    /// Of a histogram.
    pub(crate) bounds: Mutex<Option<Vec<f64>>>,
}

impl Object for FamilyObject {
    type Opaque = TRITONSERVER_MetricFamily;
    const TAG: u64 = tag(b"hc mfmly");
    const NAME: &'static str = "family";
}

impl Object for MetricObject {
    type Opaque = TRITONSERVER_Metric;
    const TAG: u64 = tag(b"hc metrc");
    const NAME: &'static str = "metric";
}

impl Object for MetricArgsObject {
    type Opaque = TRITONSERVER_MetricArgs;
    const TAG: u64 = tag(b"hc margs");
    const NAME: &'static str = "args";
}

impl MetricObject {
    pub(crate) fn new(family: &Arc<MetricFamily>, metric: Arc<Metric>) -> Self {
        Self { family: Arc::downgrade(family), metric }
    }

    /// The metric; `what` is to be done with it.
    ///
    /// # Errors
    /// If its family was deleted.
    pub(crate) fn metric(&self, what: &str) -> Result<&Metric, Error> {
        if self.family.strong_count() == 0 {
            return Err(Error::internal(format!(
                "Could not {what} metric value. Metric has been invalidated."
            )));
        }
        Ok(&self.metric)
    }
}
