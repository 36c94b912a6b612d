//! What feedback needs of a database.

use super::Row;
use std::{fmt::Debug, pin::Pin, time::Duration};

/// A result, in time.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A database.
pub(crate) trait Store: Debug + Send + Sync {
    /// Its name in answers.
    fn kind(&self) -> &'static str;

    /// Writes all rows or none. Those whose key is there already are left as they are.
    fn insert<'a>(&'a self, rows: &'a [Row]) -> Later<'a, ()>;

    /// Whether rows could be written now.
    fn check(&self) -> Later<'_, ()>;

    /// Lets go of it.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The database does not take feedback.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// What the database, or the way to it, says.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// It has another history than ours.
    #[error("its tables cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Another file, or none, is where it was.
    #[error(
        "the file of the database is gone; put it back, or start the application again to make a new one"
    )]
    Gone,
    /// It does not answer.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}
