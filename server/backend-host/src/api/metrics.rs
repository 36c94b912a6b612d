//! Custom metrics. A family is deleted after its metrics; what is deleted is no longer shown.

use crate::{
    handles::{Arg, Array, Handle, Out, Text, guard},
    message::{NamedValue, ParameterObject},
    metrics::{FamilyObject, MetricArgsObject, MetricObject, registry},
};
use hippocamp_backend_abi::{
    TRITONSERVER_Error, TRITONSERVER_Metric, TRITONSERVER_MetricArgs, TRITONSERVER_MetricFamily,
    TRITONSERVER_MetricKind, TRITONSERVER_Parameter,
};
use hippocamp_telemetry::MetricKind;
use hippocamp_types::Error;
use std::{collections::BTreeMap, sync::PoisonError};

/// Bound of the labels of a metric, and of the buckets of a histogram.
const MAX_COUNT: u64 = 1024;

/// The family is new and the caller's. One of the same name and kind is the same family.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricFamilyNew(
    family: Out<*mut TRITONSERVER_MetricFamily>,
    kind: TRITONSERVER_MetricKind,
    name: Text,
    description: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let kind = match kind {
            TRITONSERVER_MetricKind::COUNTER => MetricKind::Counter,
            TRITONSERVER_MetricKind::GAUGE => MetricKind::Gauge,
            TRITONSERVER_MetricKind::HISTOGRAM => MetricKind::Histogram,
            unknown => {
                return Err(Error::invalid(format!("there is no metric kind {}", unknown.0)));
            }
        };
        let made = registry()?.family(kind, &name.get()?, &description.or_empty())?;
        let object = Handle::give(FamilyObject { family: made });
        family.set(object).inspect_err(|_no_place| drop(Arg::<FamilyObject>::new(object).take()))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricFamilyDelete(
    family: Arg<FamilyObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| family.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_GetMetricFamilyKind(
    family: Arg<FamilyObject>,
    kind: Out<TRITONSERVER_MetricKind>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        kind.set(match family.get()?.family.kind() {
            MetricKind::Counter => TRITONSERVER_MetricKind::COUNTER,
            MetricKind::Gauge => TRITONSERVER_MetricKind::GAUGE,
            MetricKind::Histogram => TRITONSERVER_MetricKind::HISTOGRAM,
        })
    })
}

/// The arguments are new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricArgsNew(
    args: Out<*mut TRITONSERVER_MetricArgs>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let object = Handle::give(MetricArgsObject::default());
        args.set(object).inspect_err(|_no_place| drop(Arg::<MetricArgsObject>::new(object).take()))
    })
}

/// The bounds are copied.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricArgsSetHistogram(
    args: Arg<MetricArgsObject>,
    buckets: Array<f64>,
    buckets_count: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let bounds = buckets.copy(counted(buckets_count)?)?;
        *args.get()?.bounds.lock().unwrap_or_else(PoisonError::into_inner) = Some(bounds);
        Ok(())
    })
}

/// Frees the arguments; none are no error.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricArgsDelete(
    args: Arg<MetricArgsObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| if args.is_null() { Ok(()) } else { args.take().map(drop) })
}

/// The metric is new and the caller's; the labels stay the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricNew(
    metric: Out<*mut TRITONSERVER_Metric>,
    family: Arg<FamilyObject>,
    labels: Array<*mut TRITONSERVER_Parameter>,
    label_count: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| new_metric(&metric, &family, &labels, label_count, None))
}

/// As above; the arguments stay the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricNewWithArgs(
    metric: Out<*mut TRITONSERVER_Metric>,
    family: Arg<FamilyObject>,
    labels: Array<*mut TRITONSERVER_Parameter>,
    label_count: u64,
    args: Arg<MetricArgsObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let bounds = if args.is_null() {
            None
        } else {
            args.get()?.bounds.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        new_metric(&metric, &family, &labels, label_count, bounds)
    })
}

fn new_metric(
    place: &Out<*mut TRITONSERVER_Metric>,
    family: &Arg<FamilyObject>,
    labels: &Array<*mut TRITONSERVER_Parameter>,
    label_count: u64,
    bounds: Option<Vec<f64>>,
) -> Result<(), Error> {
    let family = &family.get()?.family;
    let mut of = BTreeMap::new();
    for label in labels.copy(counted(label_count)?)? {
        let label = Arg::<ParameterObject>::new(label);
        let ParameterObject { name, value } = label.get()?;
        let NamedValue::String(value) = value else {
            return Err(Error::invalid(format!(
                "Parameter [{name}] must have a type of TRITONSERVER_PARAMETER_STRING to be added as a label."
            )));
        };
        of.insert(name.clone(), value.clone());
    }
    let metric = family.metric(of, bounds)?;
    let object = Handle::give(MetricObject::new(family, metric));
    place.set(object).inspect_err(|_no_place| drop(Arg::<MetricObject>::new(object).take()))
}

fn counted(count: u64) -> Result<usize, Error> {
    if count > MAX_COUNT {
        return Err(Error::invalid(format!(
            "a metric has at most {MAX_COUNT} labels or buckets, got {count}"
        )));
    }
    usize::try_from(count).map_err(|_large| Error::invalid("the count is too large"))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricDelete(
    metric: Arg<MetricObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| metric.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricValue(
    metric: Arg<MetricObject>,
    value: Out<f64>,
) -> *mut TRITONSERVER_Error {
    guard(|| value.set(metric.get()?.metric("get")?.value()?))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricIncrement(
    metric: Arg<MetricObject>,
    value: f64,
) -> *mut TRITONSERVER_Error {
    guard(|| metric.get()?.metric("increment")?.increment(value))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricSet(
    metric: Arg<MetricObject>,
    value: f64,
) -> *mut TRITONSERVER_Error {
    guard(|| metric.get()?.metric("set")?.set(value))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MetricObserve(
    metric: Arg<MetricObject>,
    value: f64,
) -> *mut TRITONSERVER_Error {
    guard(|| metric.get()?.metric("set")?.observe(value))
}
