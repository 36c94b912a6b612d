//! Whether requests are taken, and how many are in flight: what readiness and draining stand on.

use hippocamp_types::Error;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

const STARTING: u8 = 0;
const OPEN: u8 = 1;
/// Still taking requests, while load balancers notice that readiness is false.
const LEAVING: u8 = 2;
const DRAINING: u8 = 3;

/// The door of the server.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    phase: AtomicU8,
    in_flight: AtomicUsize,
    left: Notify,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Admission>);

impl Admission {
    /// Begins to take requests, unless draining has begun meanwhile.
    pub(crate) fn open(&self) {
        // Fails when a signal came during start-up, which then wins.
        self.phase
            .compare_exchange(STARTING, OPEN, Ordering::AcqRel, Ordering::Acquire)
            .unwrap_or_default();
    }

    /// Is no longer ready, but takes requests still.
    pub(crate) fn leave(&self) {
        self.phase.store(LEAVING, Ordering::Release);
    }

    /// Takes no further request.
    pub(crate) fn close(&self) {
        self.phase.store(DRAINING, Ordering::Release);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase.load(Ordering::Acquire) == OPEN
    }

    /// Lets one request in.
    ///
    /// # Errors
    /// UNAVAILABLE before start-up has ended and from draining on.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<InFlight, Error> {
        // Counted before the phase is read: whoever closes the door sees every request behind it.
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        let entered = InFlight(Arc::clone(self));
        match self.phase.load(Ordering::Acquire) {
            OPEN | LEAVING => Ok(entered),
            STARTING => {
                Err(Error::unavailable("the server is starting: its models are not loaded yet"))
            }
            _ => Err(Error::unavailable(
                "the server is shutting down and takes no new requests; send this one to another replica",
            )),
        }
    }

    /// Waits until no request is in flight; false if some are left after `timeout`.
    pub(crate) async fn wait_empty(&self, timeout: Duration) -> bool {
        let empty = async {
            loop {
                let left = self.left.notified();
                if self.in_flight.load(Ordering::Acquire) == 0 {
                    break;
                }
                left.await;
            }
        };
        tokio::time::timeout(timeout, empty).await.is_ok()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_waits_for_requests_in_flight() {
        let admission = Arc::new(Admission::default());
        assert!(admission.enter().is_err());
        admission.open();
        let request = admission.enter().expect("the door is open");
        admission.leave();
        assert!(!admission.is_open() && admission.enter().is_ok(), "not ready, but serving");
        admission.close();
        assert!(admission.enter().is_err() && !admission.is_open());
        assert!(!admission.wait_empty(Duration::ZERO).await);
        drop(request);
        assert!(admission.wait_empty(Duration::ZERO).await);
        admission.open();
        assert!(!admission.is_open(), "draining is final");
    }
}
