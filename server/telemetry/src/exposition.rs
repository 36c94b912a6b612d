//! The Prometheus text format, written by the exporter's own formatting functions.
//!
//! Not by its recorder: that keeps every histogram sample until somebody runs its upkeep, cannot
//! forget the series of a model that was unloaded, and writes its families in random order. The
//! figures live in our own atomics instead, and the text is made from them at each scrape.

use crate::{histogram::HistogramReport, names::Name};
use ::metrics::{Key, Label};
use metrics_exporter_prometheus::{LabelSet, formatting};
use std::fmt::Display;

/// Text in the making.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

/// Labels in the order in which they are printed.
pub(crate) fn labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> LabelSet {
    let labels =
        labels.into_iter().map(|(key, value)| Label::new(key.to_owned(), value.to_owned()));
    LabelSet::from_key_and_global(
        &Key::from_parts("", labels.collect::<Vec<_>>()),
        &Default::default(),
    )
}

impl Exposition {
    /// Opens a counter family; its samples follow.
    pub(crate) fn counter(&mut self, name: Name) {
        self.family(name, "counter");
    }

    /// Opens a gauge family; its samples follow.
    pub(crate) fn gauge(&mut self, name: Name) {
        self.family(name, "gauge");
    }

    /// Opens a histogram family; its samples follow.
    pub(crate) fn histogram(&mut self, name: Name) {
        self.family(name, "histogram");
    }

    /// One value of a counter or gauge.
    pub(crate) fn sample(&mut self, name: Name, labels: &LabelSet, value: impl Display) {
        let text = &mut self.text;
        formatting::write_metric_line::<&str, _>(text, name.name, None, labels, None, value, None);
    }

    /// The lines of one histogram, in units of `unit_ns` nanoseconds.
    pub(crate) fn histogram_sample(
        &mut self,
        name: Name,
        labels: &LabelSet,
        report: &HistogramReport,
        unit_ns: u64,
    ) {
        let (text, name) = (&mut self.text, name.name);
        let mut bucket = |le: &dyn Display, count: u64| {
            let le = Some(("le", le));
            formatting::write_metric_line(text, name, Some("bucket"), labels, le, count, None);
        };
        for &(bound_ns, count) in &report.cumulative {
            bucket(&in_units(bound_ns, unit_ns), count);
        }
        bucket(&"+Inf", report.count);
        let mut line = |suffix, value: &dyn Display| {
            let text = &mut self.text;
            formatting::write_metric_line::<&str, _>(
                text,
                name,
                Some(suffix),
                labels,
                None,
                value,
                None,
            );
        };
        line("sum", &in_units(report.sum_ns, unit_ns));
        line("count", &report.count);
    }

    /// Opens a family that a backend made; its samples follow.
    pub(crate) fn custom_family(&mut self, name: &str, help: &str, kind: &str) {
        formatting::write_help_line(&mut self.text, name, None, None, help);
        formatting::write_type_line(&mut self.text, name, None, None, kind);
    }

    /// One line of a family that a backend made; `le` is a histogram's bound.
    pub(crate) fn custom_sample(
        &mut self,
        name: &str,
        suffix: Option<&'static str>,
        labels: &LabelSet,
        le: Option<&str>,
        value: &str,
    ) {
        let le = le.map(|le| ("le", le));
        formatting::write_metric_line(&mut self.text, name, suffix, labels, le, value, None);
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: Name, kind: &str) {
        formatting::write_help_line(&mut self.text, name.name, None, None, name.help);
        formatting::write_type_line(&mut self.text, name.name, None, None, kind);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a double in the end")]
fn in_units(ns: u64, unit_ns: u64) -> f64 {
    ns as f64 / unit_ns as f64
}
