//! How one request of a model ended, counted where its replies leave.

use crate::{FailureReason, ModelStatistics};
use hippocamp_types::{Clock, Error, ErrorCode, Outcome, RequestObserver, Timestamp};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Observes one request: its failure, its end-to-end latency, the time to its first response.
/// `core` attaches it to the request's responder once the request fits the model.
///
/// Successes are counted elsewhere: in `ModelStatistics::record_success`, by what the backend
/// reports, or in `ModelStatistics::record_ensemble`.
#[derive(Debug)]
pub struct RequestStatistics {
    statistics: Arc<ModelStatistics>,
    received: Timestamp,
    clock: Arc<dyn Clock>,
    /// Reason of an error whose code tells none.
    unnamed: FailureReason,
    first: AtomicBool,
    failed: OnceLock<FailureReason>,
}

impl RequestStatistics {
    /// For a request to a model with a backend: an error is the backend's unless its code says that
    /// the request was refused or cancelled.
    pub fn new(
        statistics: Arc<ModelStatistics>,
        received: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (first, failed) = (AtomicBool::new(true), OnceLock::new());
        Self { statistics, received, clock, unnamed: FailureReason::Backend, first, failed }
    }

    /// For a request to an ensemble, whose failures are those of its steps.
    pub fn of_ensemble(
        statistics: Arc<ModelStatistics>,
        received: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { unnamed: FailureReason::Other, ..Self::new(statistics, received, clock) }
    }

    fn reason(&self, error: &Error) -> FailureReason {
        match error.code() {
            ErrorCode::Unavailable => FailureReason::Rejected,
            ErrorCode::Cancelled => FailureReason::Canceled,
            ErrorCode::Unknown
            | ErrorCode::Internal
            | ErrorCode::NotFound
            | ErrorCode::InvalidArgument
            | ErrorCode::Unsupported
            | ErrorCode::AlreadyExists => self.unnamed,
        }
    }
}

impl RequestObserver for RequestStatistics {
    fn replied(&self, outcome: Outcome<'_>, last: bool) {
        let after = self.clock.now().since(self.received);
        match outcome {
            Outcome::Success => {
                if self.first.swap(false, Ordering::Relaxed) {
                    self.statistics.observe_first_response(after);
                }
            }
            // An error in the middle of a stream fails the request; the first one names the reason.
            Outcome::Failure(error) => drop(self.failed.set(self.reason(error))),
        }
        if last {
            match self.failed.get() {
                Some(&reason) => self.statistics.record_failure(reason, after),
                None => self.statistics.observe_request(after),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metrics, MetricsOptions, ModelSeries};
    use std::collections::BTreeMap;

    #[derive(Debug)]
    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(5_000)
        }
    }

    /// Replies of one request -> `(failures by reason, end-to-end observations)`.
    fn observe(ensemble: bool, replies: &[(Option<ErrorCode>, bool)]) -> (Vec<&'static str>, u64) {
        let metrics = Metrics::new(MetricsOptions::default());
        let statistics = metrics.model_statistics(
            &ModelSeries { name: "m", namespace: None, version: 1, tags: &BTreeMap::new() },
            0,
            true,
        );
        let received = Timestamp::from_nanos(1_000);
        let make = if ensemble { RequestStatistics::of_ensemble } else { RequestStatistics::new };
        let observer = make(Arc::clone(&statistics), received, Arc::new(Stopped));
        for &(code, last) in replies {
            match code.map(|code| Error::new(code, "no")) {
                None => observer.replied(Outcome::Success, last),
                Some(error) => observer.replied(Outcome::Failure(&error), last),
            }
        }
        let text = metrics.render();
        let has = |line: String| text.lines().any(|l| l == line);
        let reasons = ["REJECTED", "CANCELED", "BACKEND", "OTHER"];
        let failures = reasons.into_iter().filter(|reason| {
            has(format!(
                r#"nv_inference_request_failure{{model="m",reason="{reason}",version="1"}} 1"#
            ))
        });
        let name = r#"hippocamp_inference_request_duration_seconds_count{model="m",version="1"}"#;
        let fail = statistics.report().fail;
        assert_eq!(fail.ns, fail.count * 4_000);
        (failures.collect(), u64::from(has(format!("{name} 1"))))
    }

    #[test]
    fn failures_are_counted_once_by_reason() {
        let check = |ensemble, replies: &[_], expect: (&[&'static str], u64)| {
            assert_eq!(observe(ensemble, replies), (expect.0.to_vec(), expect.1), "{replies:?}");
        };
        check(false, &[(None, true)], (&[], 1));
        check(false, &[(None, false), (None, true)], (&[], 1));
        check(false, &[(None, false)], (&[], 0));
        check(false, &[(Some(ErrorCode::Unavailable), true)], (&["REJECTED"], 0));
        check(false, &[(Some(ErrorCode::Cancelled), true)], (&["CANCELED"], 0));
        check(false, &[(Some(ErrorCode::Internal), true)], (&["BACKEND"], 0));
        check(false, &[(Some(ErrorCode::InvalidArgument), true)], (&["BACKEND"], 0));
        check(true, &[(Some(ErrorCode::Internal), true)], (&["OTHER"], 0));
        check(true, &[(Some(ErrorCode::Unavailable), true)], (&["REJECTED"], 0));
        check(false, &[(Some(ErrorCode::Internal), false), (None, true)], (&["BACKEND"], 0));
    }
}
