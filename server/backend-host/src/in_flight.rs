//! Requests of an instance that its backend still works on, and what it holds of those it has
//! done with. An instance is not finalised under work; a factory that a backend forgot of a request
//! that was answered and released keeps nothing from ending.

use crate::response::RequestContext;
use hippocamp_types::Error;
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// How long an instance waits for what its backend has done with: a thread of the backend may have
/// sent the last response just now, and be about to delete its factory.
const GRACE: Duration = Duration::from_secs(5);

/// Counts what an instance's backend holds.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    counts: Mutex<Counts>,
    changed: Condvar,
    /// Requests that were released before their last answer: nothing but a response or a factory of
    /// the backend's leads to them any more. Some of them may be gone.
    outliving: Mutex<Vec<Weak<RequestContext>>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Requests that are unanswered or not released.
    open: usize,
    /// Requests that are both, of which there are responses or factories still.
    done: usize,
}

/// What is left of an instance that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// Responses or factories of this many requests, which can do nothing any more.
    Forgotten(usize),
    /// Requests that the backend works on.
    Working(usize),
}

/// One request; dropping it says that nothing of the request is left.
#[derive(Debug)]
pub(crate) struct Ticket {
    in_flight: Arc<InFlight>,
    /// Steps until the backend has done with the request: its last answer, its release.
    steps: AtomicU8,
}

impl InFlight {
    /// Counts one more request.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        self.lock().open += 1;
        Ticket { in_flight: Arc::clone(self), steps: AtomicU8::new(2) }
    }

    /// Waits for `patience` until nothing is worked on, then for a while for what is forgotten.
    pub(crate) fn wait(&self, patience: Duration) -> Left {
        let counts = self.changed.wait_timeout_while(self.lock(), patience, |now| now.open > 0);
        let counts = counts.unwrap_or_else(PoisonError::into_inner).0;
        if counts.open > 0 {
            return Left::Working(counts.open);
        }
        let grace = patience.min(GRACE);
        let counts = self.changed.wait_timeout_while(counts, grace, |now| now.done > 0);
        match counts.unwrap_or_else(PoisonError::into_inner).0.done {
            0 => Left::Nothing,
            done => Left::Forgotten(done),
        }
    }

    /// Answers every request that was released and waits for a response that the backend has.
    pub(crate) fn fail_outliving(&self, error: &Error) {
        let mut outliving = self.outliving.lock().unwrap_or_else(PoisonError::into_inner);
        let contexts = std::mem::take(&mut *outliving);
        // An answer may call a backend, which may release a request.
        drop(outliving);
        for context in contexts.iter().filter_map(Weak::upgrade) {
            context.fail(error.clone());
        }
    }

    /// Requests of which it is known that they outlived their release.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.outliving.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The request was released before its last answer.
    pub(crate) fn outlives(&self, context: Weak<RequestContext>) {
        let outliving = &self.in_flight.outliving;
        let mut outliving = outliving.lock().unwrap_or_else(PoisonError::into_inner);
        if outliving.len() == outliving.capacity() {
            // So it grows with what is there, not with what has been.
            outliving.retain(|context| context.strong_count() > 0);
        }
        outliving.push(context);
    }

    /// The request had its last answer, or was released; called once for each.
    pub(crate) fn step(&self) {
        if self.steps.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut counts = self.in_flight.lock();
            counts.open -= 1;
            counts.done += 1;
            drop(counts);
            self.in_flight.changed.notify_all();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.in_flight.lock();
        match self.steps.get_mut() {
            0 => counts.done -= 1,
            _ => counts.open -= 1,
        }
        drop(counts);
        self.in_flight.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_from_what_was_forgotten() {
        let in_flight = Arc::new(InFlight::default());
        let left = || in_flight.wait(Duration::ZERO);
        let (first, second) = (in_flight.ticket(), in_flight.ticket());
        assert_eq!(left(), Left::Working(2));
        first.step();
        assert_eq!(left(), Left::Working(2));
        first.step();
        assert_eq!(left(), Left::Working(1));
        drop(second);
        assert_eq!(left(), Left::Forgotten(1));
        drop(first);
        assert_eq!(left(), Left::Nothing);
    }
}
