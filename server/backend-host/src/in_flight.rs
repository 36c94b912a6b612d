//! Requests, responses and factories of an instance that its backend still holds. An instance is not
//! finalised before they are back.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Counts what an instance's backend holds.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    count: Mutex<usize>,
    changed: Condvar,
}

/// One thing held; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<InFlight>);

impl InFlight {
    /// Counts one more.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ticket(Arc::clone(self))
    }

    /// Waits until nothing is held, or for `patience`; the number of things still held.
    pub(crate) fn wait(&self, patience: Duration) -> usize {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(count, patience, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}
