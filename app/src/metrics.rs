//! What was done so far, as Prometheus text. The figures are ours and the text is made when somebody
//! asks, as in the server (docs/decisions/0001); labels come from closed sets.

use crate::feedback::Event;
use metrics_exporter_prometheus::{LabelSet, formatting};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Upper bounds of the latency histograms, in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Versions of models that feedback may name; others are counted together.
const MOST_VERSIONS: usize = 64;

/// Stands for versions that this application never answered with.
const OTHER: &str = "other";

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    /// By route and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    /// By route.
    seconds: BTreeMap<&'static str, Histogram>,
    /// By kind and technique.
    recommendations: BTreeMap<(&'static str, &'static str), u64>,
    /// By event, kind, technique and version of the model asked.
    feedback: BTreeMap<(&'static str, &'static str, &'static str, String), u64>,
    /// Versions that were answered with: model and version.
    versions: BTreeSet<(String, String)>,
    /// Events by how they came to the database.
    stored: BTreeMap<&'static str, u64>,
    /// Explanations by what they are of.
    explanations: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// Not cumulative; the last is above every bound.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

/// What is so now, asked for with the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    /// Whether the server answers.
    pub(crate) server_up: bool,
    /// Whether the database does.
    pub(crate) database_up: bool,
    /// Events that wait on disk.
    pub(crate) journal_events: u64,
    /// Bytes that they take.
    pub(crate) journal_bytes: u64,
}

impl Metrics {
    /// A request was answered.
    pub(crate) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        let mut figures = self.lock();
        *figures.requests.entry((route, status)).or_default() += 1;
        figures.seconds.entry(route).or_default().add(took.as_secs_f64());
    }

    /// Films were recommended.
    pub(crate) fn recommended(&self, kind: &'static str, technique: &'static str) {
        *self.lock().recommendations.entry((kind, technique)).or_default() += 1;
    }

    /// These versions were answered with, so that feedback may name them.
    pub(crate) fn version(&self, models: &BTreeMap<String, String>) {
        let mut figures = self.lock();
        for (model, version) in models {
            if figures.versions.len() < MOST_VERSIONS {
                figures.versions.insert((model.clone(), version.clone()));
            }
        }
    }

    /// Feedback came.
    pub(crate) fn fed_back(
        &self,
        event: Event,
        kind: &'static str,
        technique: &'static str,
        model: &str,
        version: Option<&str>,
    ) {
        let mut figures = self.lock();
        let known = version.filter(|version| {
            figures.versions.contains(&(model.to_owned(), (*version).to_owned()))
        });
        let version = known.unwrap_or(OTHER).to_owned();
        *figures.feedback.entry((event.name(), kind, technique, version)).or_default() += 1;
    }

    /// Events reached the database, at once (`direct`) or by the journal (`delivered`), or were
    /// written to the journal (`journaled`).
    pub(crate) fn stored(&self, how: &'static str, events: usize) {
        *self.lock().stored.entry(how).or_default() += u64::try_from(events).unwrap_or(0);
    }

    /// Something was explained.
    pub(crate) fn explained(&self, what: &'static str) {
        *self.lock().explanations.entry(what).or_default() += 1;
    }

    /// Everything, in Prometheus' text format.
    pub(crate) fn render(&self, state: State) -> String {
        let figures = self.lock();
        let mut text = Text::default();
        text.family("hippocamp_app_requests_total", "counter", "Requests by route and status.");
        for ((route, status), count) in &figures.requests {
            text.sample(&[("route", route), ("status", &status.to_string())], count);
        }
        text.family("hippocamp_app_request_seconds", "histogram", "Time to answer, by route.");
        for (route, histogram) in &figures.seconds {
            text.histogram(&[("route", route)], histogram);
        }
        text.family(
            "hippocamp_app_recommendations_total",
            "counter",
            "Answers by kind and technique.",
        );
        for ((kind, technique), count) in &figures.recommendations {
            text.sample(&[("kind", kind), ("technique", technique)], count);
        }
        text.family(
            "hippocamp_app_feedback_total",
            "counter",
            "Events by kind and technique of the recommendation and version of the model asked.",
        );
        for ((event, kind, technique, version), count) in &figures.feedback {
            let labels = [
                ("event", *event),
                ("kind", *kind),
                ("technique", *technique),
                ("version", version),
            ];
            text.sample(&labels, count);
        }
        text.family(
            "hippocamp_app_feedback_stored_total",
            "counter",
            "Events: written to the database at once (direct), to the journal (journaled), from there to the database (delivered).",
        );
        for (how, count) in &figures.stored {
            text.sample(&[("how", how)], count);
        }
        text.family("hippocamp_app_explanations_total", "counter", "Explanations made.");
        for (what, count) in &figures.explanations {
            text.sample(&[("of", what)], count);
        }
        for (name, help, value) in [
            (
                "hippocamp_app_server_up",
                "Whether the inference server answers.",
                u64::from(state.server_up),
            ),
            (
                "hippocamp_app_database_up",
                "Whether the database takes feedback.",
                u64::from(state.database_up),
            ),
            (
                "hippocamp_app_journal_events",
                "Events that wait for the database.",
                state.journal_events,
            ),
            ("hippocamp_app_journal_bytes", "Bytes of the journal.", state.journal_bytes),
        ] {
            text.family(name, "gauge", help);
            text.sample(&[], value);
        }
        text.text
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[at] += 1;
        self.sum += seconds;
    }
}

/// Text in the making, written by the exporter's own formatting functions.
#[derive(Default)]
struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        formatting::write_help_line(&mut self.text, name, None, None, help);
        formatting::write_type_line(&mut self.text, name, None, None, kind);
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels = label_set(labels);
        formatting::write_metric_line::<&str, _>(
            &mut self.text,
            self.name,
            None,
            &labels,
            None,
            value,
            None,
        );
    }

    fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let labels = label_set(labels);
        let mut cumulative = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(histogram.counts) {
            cumulative += count;
            let le = Some(("le", bound.as_str()));
            formatting::write_metric_line(
                &mut self.text,
                self.name,
                Some("bucket"),
                &labels,
                le,
                cumulative,
                None,
            );
        }
        let mut line = |suffix, value: &dyn Display| {
            formatting::write_metric_line::<&str, _>(
                &mut self.text,
                self.name,
                Some(suffix),
                &labels,
                None,
                value,
                None,
            );
        };
        line("sum", &histogram.sum);
        line("count", &cumulative);
    }
}

fn label_set(labels: &[(&str, &str)]) -> LabelSet {
    let labels = labels
        .iter()
        .map(|(key, value)| ::metrics::Label::new((*key).to_owned(), (*value).to_owned()));
    LabelSet::from_key_and_global(
        &::metrics::Key::from_parts("", labels.collect::<Vec<_>>()),
        &Default::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_what_was_done() {
        let metrics = Metrics::default();
        metrics.answered("/predict", 200, Duration::from_millis(12));
        metrics.answered("/predict", 200, Duration::from_secs(60));
        metrics.recommended("plot", "bow");
        let models = BTreeMap::from([("recommend_by_plot".to_owned(), "3".to_owned())]);
        metrics.version(&models);
        metrics.fed_back(Event::Liked, "plot", "minilm", "recommend_by_plot", Some("3"));
        metrics.fed_back(Event::Liked, "plot", "minilm", "recommend_by_plot", Some("made up"));
        metrics.stored("direct", 2);
        let text = metrics.render(State { journal_events: 5, ..State::default() });
        for line in [
            "# TYPE hippocamp_app_requests_total counter",
            "hippocamp_app_requests_total{route=\"/predict\",status=\"200\"} 2",
            "hippocamp_app_request_seconds_bucket{route=\"/predict\",le=\"0.01\"} 0",
            "hippocamp_app_request_seconds_bucket{route=\"/predict\",le=\"0.02\"} 1",
            "hippocamp_app_request_seconds_bucket{route=\"/predict\",le=\"+Inf\"} 2",
            "hippocamp_app_request_seconds_count{route=\"/predict\"} 2",
            "hippocamp_app_recommendations_total{kind=\"plot\",technique=\"bow\"} 1",
            "hippocamp_app_feedback_total{event=\"liked\",kind=\"plot\",technique=\"minilm\",version=\"3\"} 1",
            "hippocamp_app_feedback_total{event=\"liked\",kind=\"plot\",technique=\"minilm\",version=\"other\"} 1",
            "hippocamp_app_feedback_stored_total{how=\"direct\"} 2",
            "hippocamp_app_journal_events 5",
            "hippocamp_app_server_up 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
    }
}
