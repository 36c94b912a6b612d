//! From the journal into the database, as soon as that is there again.

use super::Feedback;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Rows of one transaction.
const BATCH: usize = 500;

/// Pause after a failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Feedback {
    /// Delivers what waits, until it is told to stop; then once more.
    pub(crate) async fn deliver(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let stopped = if self.is_done() {
                tokio::select! {
                    () = self.journaled.notified() => false,
                    _ = stopping.wait_for(|stop| *stop) => true,
                }
            } else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => false,
                    _ = stopping.wait_for(|stop| *stop) => true,
                }
            };
            let reached = self.deliver_what_waits().await;
            pause = if reached { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            if stopped {
                return;
            }
        }
    }

    /// Nothing waits, and nothing needs to be found out.
    fn is_done(&self) -> bool {
        self.last_seen_up() && self.waiting().events == 0
    }

    /// Whether the database was there for all of it.
    async fn deliver_what_waits(&self) -> bool {
        let mut delivered = 0;
        let reached = loop {
            let journal = Arc::clone(&self.journal);
            let batch = match tokio::task::spawn_blocking(move || journal.batch(BATCH)).await {
                Ok(Ok(batch)) => batch,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the journal cannot be read");
                    break false;
                }
                Err(_panicked) => break false,
            };
            if batch.rows.is_empty() && batch.unreadable.is_empty() {
                break self.last_seen_up() || self.look().await.is_ok();
            }
            if let Err(error) = self.write(&batch.rows).await {
                self.is_down_quietly(&error);
                break false;
            }
            self.is_up();
            delivered += batch.rows.len();
            let journal = Arc::clone(&self.journal);
            match tokio::task::spawn_blocking(move || journal.delivered(&batch)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    // It is delivered again, which the database takes for what it is.
                    tracing::error!(%error, "the journal cannot be shortened");
                    break false;
                }
                Err(_panicked) => break false,
            }
        };
        if delivered > 0 {
            self.metrics.stored("delivered", delivered);
            tracing::info!(events = delivered, "feedback that had waited is in the database");
        }
        reached
    }
}
