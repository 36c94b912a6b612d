//! Custom metrics through the C API.

use super::{REGISTRY, calls::result, client::ParameterGuard};
use crate::metrics;
use hippocamp_backend_abi::*;
use hippocamp_telemetry::{Metrics, MetricsOptions};
use std::{ffi::CStr, ptr};

fn family(
    kind: TRITONSERVER_MetricKind,
    name: &CStr,
) -> Result<*mut TRITONSERVER_MetricFamily, String> {
    let mut family = ptr::null_mut();
    // SAFETY: C strings.
    result(unsafe {
        TRITONSERVER_MetricFamilyNew(&raw mut family, kind, name.as_ptr(), c"Help".as_ptr())
    })?;
    Ok(family)
}

/// A metric with one label; with `bounds`, made with arguments.
fn metric(
    family: *mut TRITONSERVER_MetricFamily,
    label: &ParameterGuard,
    bounds: Option<&[f64]>,
) -> Result<*mut TRITONSERVER_Metric, String> {
    let (mut metric, mut args) = (ptr::null_mut(), ptr::null_mut());
    let mut labels = [label.0.cast_const()];
    let Some(bounds) = bounds else {
        // SAFETY: a live family and a live label.
        result(unsafe { TRITONSERVER_MetricNew(&raw mut metric, family, labels.as_mut_ptr(), 1) })?;
        return Ok(metric);
    };
    // SAFETY: a place for the result.
    result(unsafe { TRITONSERVER_MetricArgsNew(&raw mut args) })?;
    // SAFETY: live arguments, that many bounds.
    result(unsafe {
        TRITONSERVER_MetricArgsSetHistogram(args, bounds.as_ptr(), bounds.len() as u64)
    })?;
    // SAFETY: a live family, a live label, live arguments.
    let made = result(unsafe {
        TRITONSERVER_MetricNewWithArgs(&raw mut metric, family, labels.as_mut_ptr(), 1, args)
    });
    // SAFETY: ours, deleted once.
    result(unsafe { TRITONSERVER_MetricArgsDelete(args) })?;
    made.map(|()| metric)
}

fn value(metric: *mut TRITONSERVER_Metric) -> Result<f64, String> {
    let mut value = f64::NAN;
    // SAFETY: a live metric.
    result(unsafe { TRITONSERVER_MetricValue(metric, &raw mut value) })?;
    Ok(value)
}

#[test]
fn metrics_of_backends_are_shown_until_they_are_deleted() {
    let _registry = REGISTRY.lock();
    let shown = Metrics::new(MetricsOptions::default());
    metrics::attach(shown.custom());
    let check = |error| result(error).unwrap();
    let label = ParameterGuard::string("model", "m");

    let counters = family(TRITONSERVER_MetricKind::COUNTER, c"c_total").unwrap();
    let gauges = family(TRITONSERVER_MetricKind::GAUGE, c"g").unwrap();
    let histograms = family(TRITONSERVER_MetricKind::HISTOGRAM, c"h").unwrap();
    for (family, expect) in [(counters, 0), (gauges, 1), (histograms, 2)] {
        let mut kind = TRITONSERVER_MetricKind(9);
        // SAFETY: a live family.
        check(unsafe { TRITONSERVER_GetMetricFamilyKind(family, &raw mut kind) });
        assert_eq!(kind.0, expect);
    }
    let counter = metric(counters, &label, None).unwrap();
    let gauge = metric(gauges, &label, None).unwrap();
    let histogram = metric(histograms, &label, Some(&[1.0, 2.0])).unwrap();
    // SAFETY: live metrics.
    check(unsafe { TRITONSERVER_MetricIncrement(counter, 2.0) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_MetricSet(gauge, -4.5) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_MetricObserve(histogram, 1.5) });
    assert_eq!((value(counter), value(gauge)), (Ok(2.0), Ok(-4.5)));
    let text = shown.render();
    for line in [
        "# HELP c_total Help",
        "# TYPE c_total counter",
        "c_total{model=\"m\"} 2",
        "g{model=\"m\"} -4.5",
        "h_bucket{model=\"m\",le=\"1\"} 0",
        "h_bucket{model=\"m\",le=\"2\"} 1",
        "h_bucket{model=\"m\",le=\"+Inf\"} 1",
        "h_sum{model=\"m\"} 1.5",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }

    let unsupported = "TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Value";
    assert_eq!(value(histogram).unwrap_err(), unsupported);
    assert!(family(TRITONSERVER_MetricKind(3), c"x").is_err());
    assert!(family(TRITONSERVER_MetricKind::GAUGE, c"not a name").is_err());
    assert!(family(TRITONSERVER_MetricKind::GAUGE, c"nv_inference_count").is_err());
    assert!(metric(histograms, &label, None).is_err());
    assert!(metric(counters, &label, Some(&[1.0])).is_err());
    let number = metric(counters, &ParameterGuard::int("n", 1), None).unwrap_err();
    assert!(number.starts_with("Parameter [n] must have a type"), "{number}");
    // SAFETY: no arguments are no error.
    check(unsafe { TRITONSERVER_MetricArgsDelete(ptr::null_mut()) });

    // A family that goes first leaves its metrics without a place.
    // SAFETY: ours, deleted once.
    check(unsafe { TRITONSERVER_MetricFamilyDelete(gauges) });
    assert_eq!(
        value(gauge).unwrap_err(),
        "Could not get metric value. Metric has been invalidated."
    );
    for metric in [counter, gauge, histogram] {
        // SAFETY: ours, deleted once.
        check(unsafe { TRITONSERVER_MetricDelete(metric) });
    }
    let text = shown.render();
    assert!(text.contains("# TYPE c_total") && !text.contains("c_total{"), "{text}");
    assert!(!text.contains("# TYPE g gauge"));
    for family in [counters, histograms] {
        // SAFETY: ours, deleted once.
        check(unsafe { TRITONSERVER_MetricFamilyDelete(family) });
    }
    assert!(!shown.render().contains("c_total"));
    drop(shown);
    assert!(family(TRITONSERVER_MetricKind::GAUGE, c"g").is_err());
}
