//! The trace that a request carries, which ends with the request.

use crate::{Activity, Trace};
use std::{ops::Deref, sync::Arc};

/// The trace of a request, held by the request: REQUEST_END is when it is dropped, and every step of
/// the request is over, if the request has reached its model.
#[derive(Debug)]
pub struct RequestTrace(Arc<Ending>);

#[derive(Debug)]
struct Ending {
    trace: Trace,
    /// Of the ensemble that this is a step of; ends later.
    _whole: Option<Arc<Ending>>,
}

impl RequestTrace {
    /// Of a request that is about to be made.
    pub fn new(trace: Trace) -> Self {
        Self(Arc::new(Ending { trace, _whole: None }))
    }

    /// Of a step of this request.
    #[must_use]
    pub fn step(&self) -> Self {
        let whole = Some(Arc::clone(&self.0));
        Self(Arc::new(Ending { trace: self.child(), _whole: whole }))
    }
}

impl Deref for RequestTrace {
    type Target = Trace;

    fn deref(&self) -> &Trace {
        &self.0.trace
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.trace.with(|record| record.version.is_some()) {
            self.trace.record_now(Activity::RequestEnd);
        }
    }
}
