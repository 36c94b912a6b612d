//! Statistics by response: a decoupled model answers a request several times, and each answer is
//! counted under its place in that order.

use crate::DurationCount;
use hippocamp_types::{Error, ErrorCode, Timestamp};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Places that are told apart; what comes later counts under the last of them.
const MAX_PLACES: usize = 1024;

/// When one response passed each point of its making; as a backend reports it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseTimes {
    /// The backend began to make it.
    pub start: Timestamp,
    /// Its outputs were computed; `None` where it has none.
    pub output_start: Option<Timestamp>,
    /// It was sent.
    pub end: Timestamp,
    /// It was an error.
    pub error: Option<ErrorCode>,
}

/// Responses at one place in the order of their requests' responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the extension's")]
pub struct ResponseReport {
    pub compute_infer: DurationCount,
    pub compute_output: DurationCount,
    pub success: DurationCount,
    pub fail: DurationCount,
    pub empty_response: DurationCount,
    pub cancel: DurationCount,
}

/// What there is so far, of one model version.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    places: Mutex<Vec<ResponseReport>>,
}

impl Responses {
    /// Counts a response at `place`, 0 for the first of its request.
    ///
    /// # Errors
    /// If its times do not follow each other.
    pub(crate) fn record(&self, place: u64, times: &ResponseTimes) -> Result<(), Error> {
        let ResponseTimes { start, output_start, end, error } = *times;
        let computed = output_start.unwrap_or(end);
        if start > computed {
            return Err(Error::invalid("Response start cannot happen after compute output start"));
        }
        if computed > end {
            return Err(Error::invalid("Compute output start cannot happen after response end"));
        }
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(MAX_PLACES - 1);
        let mut places = lock(&self.places);
        if places.len() <= place {
            places.resize_with(place + 1, ResponseReport::default);
        }
        let report = &mut places[place];
        let whole = end.since(start);
        match error {
            Some(ErrorCode::Cancelled) => {
                add(&mut report.cancel, whole);
                return Ok(());
            }
            None if output_start.is_none() => {
                add(&mut report.empty_response, whole);
                return Ok(());
            }
            None => add(&mut report.success, whole),
            Some(_) => add(&mut report.fail, whole),
        }
        add(&mut report.compute_infer, computed.since(start));
        if output_start.is_some() {
            add(&mut report.compute_output, end.since(computed));
        }
        Ok(())
    }

    pub(crate) fn report(&self) -> Vec<ResponseReport> {
        lock(&self.places).clone()
    }
}

fn add(to: &mut DurationCount, duration: Duration) {
    to.count += 1;
    to.ns = to.ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(start: u64, output: Option<u64>, end: u64, error: Option<ErrorCode>) -> ResponseTimes {
        let at = Timestamp::from_nanos;
        ResponseTimes { start: at(start), output_start: output.map(at), end: at(end), error }
    }

    #[test]
    fn responses_count_where_they_stand() {
        let responses = Responses::default();
        let record = |place, times| responses.record(place, &times).unwrap();
        record(0, times(10, Some(30), 35, None));
        record(0, times(10, Some(20), 25, Some(ErrorCode::Internal)));
        record(0, times(0, None, 7, Some(ErrorCode::Unavailable)));
        record(2, times(5, None, 6, None));
        record(2, times(5, Some(6), 9, Some(ErrorCode::Cancelled)));
        record(u64::MAX, times(0, None, 1, None));
        let of = |count, ns| DurationCount { count, ns };
        let reports = responses.report();
        assert_eq!(reports.len(), MAX_PLACES);
        let first = ResponseReport {
            compute_infer: of(3, 37),
            compute_output: of(2, 10),
            success: of(1, 25),
            fail: of(2, 22),
            ..ResponseReport::default()
        };
        assert_eq!(reports[0], first);
        assert_eq!(reports[1], ResponseReport::default());
        let third = ResponseReport {
            empty_response: of(1, 1),
            cancel: of(1, 4),
            ..ResponseReport::default()
        };
        assert_eq!(reports[2], third);
        for backwards in
            [times(9, Some(8), 10, None), times(1, Some(8), 7, None), times(2, None, 1, None)]
        {
            assert!(responses.record(0, &backwards).is_err(), "{backwards:?}");
        }
        assert_eq!(responses.report()[0], first);
    }
}
