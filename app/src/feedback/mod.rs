//! Feedback: into the database, and while that is away into a journal on disk, from which it is
//! delivered later. What was accepted is never lost and never counted twice: an event has a key from
//! the moment it is accepted, and the database takes a key once.

mod deliver;
mod event;
mod journal;
mod sql;
mod store;
mod url;

pub(crate) use event::{Event, Events, Row};
pub(crate) use url::DatabaseUrl;

use crate::{error::AppError, metrics::Metrics, settings::Settings};
use anyhow::Context as _;
use journal::{Journal, JournalError, Waiting};
use sql::SqlStore;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::{Store, StoreError};
use tokio::sync::Notify;

/// Seconds after which a client may try again when nothing can be kept.
const COME_AGAIN_S: u64 = 30;

/// Time that one write to the database may take before the journal takes it instead.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where feedback goes.
#[derive(Debug)]
pub(crate) struct Feedback {
    store: Box<dyn Store>,
    journal: Arc<Journal>,
    metrics: Arc<Metrics>,
    /// Whether the last attempt reached the database: while it did not, nobody waits for another.
    up: AtomicBool,
    /// Told when something came into the journal.
    journaled: Notify,
}

impl Feedback {
    /// The database and the journal of `settings`. The database need not be there.
    ///
    /// # Errors
    /// If the journal cannot be opened.
    pub(crate) fn open(settings: &Settings, metrics: Arc<Metrics>) -> anyhow::Result<Arc<Self>> {
        let path = settings.data_dir.join("feedback.journal");
        let journal = Journal::open(&path, settings.max_journal_bytes)
            .with_context(|| format!("--data-dir: cannot open '{}'", path.display()))?;
        let store = SqlStore::new(settings.database.clone()).context("--database-url")?;
        Ok(Arc::new(Self::new(Box::new(store), journal, metrics)))
    }

    fn new(store: Box<dyn Store>, journal: Journal, metrics: Arc<Metrics>) -> Self {
        let (up, journaled) = (AtomicBool::new(false), Notify::new());
        Self { store, journal: Arc::new(journal), metrics, up, journaled }
    }

    /// Keeps rows: in the database, or on disk until it is there again.
    ///
    /// # Errors
    /// If neither takes them; then none is kept.
    pub(crate) async fn accept(&self, rows: Vec<Row>) -> Result<(), AppError> {
        if self.up.load(Ordering::Relaxed) {
            match self.write(&rows).await {
                Ok(()) => {
                    self.metrics.stored("direct", rows.len());
                    return Ok(());
                }
                Err(error) => self.is_down(&error),
            }
        }
        let (count, journal) = (rows.len(), Arc::clone(&self.journal));
        let kept = tokio::task::spawn_blocking(move || journal.append(&rows)).await;
        match kept.map_err(AppError::internal)? {
            Ok(()) => {
                self.metrics.stored("journaled", count);
                self.journaled.notify_one();
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, events = count, "feedback is refused");
                let message = match error {
                    JournalError::Full { .. } => {
                        "the database is away, and as much feedback as may wait for it does"
                    }
                    JournalError::Disk(_) => "the database is away, and the disk takes no feedback",
                };
                Err(AppError::Unavailable { message: message.to_owned(), seconds: COME_AGAIN_S })
            }
        }
    }

    /// Whether the database takes feedback now.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let seen = tokio::time::timeout(PATIENCE, self.store.check()).await;
        let seen = seen.unwrap_or(Err(StoreError::Late(PATIENCE)));
        match &seen {
            Ok(()) => self.is_up(),
            Err(error) => self.is_down(error),
        }
        seen
    }

    /// Whether the last attempt reached the database.
    pub(crate) fn last_seen_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// What waits in the journal.
    pub(crate) fn waiting(&self) -> Waiting {
        self.journal.waiting()
    }

    /// `sqlite` or `postgres`.
    pub(crate) fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Closes the database.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        let written = tokio::time::timeout(PATIENCE, self.store.insert(rows)).await;
        written.unwrap_or(Err(StoreError::Late(PATIENCE)))
    }

    fn is_up(&self) {
        if !self.up.swap(true, Ordering::Relaxed) {
            tracing::info!(database = self.kind(), "the database takes feedback");
        }
    }

    fn is_down(&self, error: &StoreError) {
        self.is_down_quietly(error);
        // Whoever delivers finds out when it is there again.
        self.journaled.notify_one();
    }

    fn is_down_quietly(&self, error: &StoreError) {
        if self.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(database = self.kind(), %error, "feedback waits on disk for the database");
        }
    }
}

#[cfg(test)]
mod tests;
