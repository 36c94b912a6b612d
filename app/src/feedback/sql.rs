//! SQLite and PostgreSQL through one set of statements; the URL decides which. A connection is made
//! when it is first needed, tables with the first one.

use super::{
    DatabaseUrl, Row,
    store::{Later, Store, StoreError},
};
use sqlx::{
    AnyPool, Connection as _, SqlSafeStr as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{Migration, MigrationType, Migrator},
};
use std::{
    fmt::Write as _,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::sync::Mutex;

/// The tables, as they came to be; both databases read the same text.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(1, "feedback", include_str!("../../migrations/0001_feedback.sql"))];

const INSERT: &str = "INSERT INTO feedback \
    (event_key, recommendation, film, event, position, kind, technique, models, at_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (event_key) DO NOTHING";

/// Time that a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// Connections to PostgreSQL; SQLite writes one at a time anyway.
const CONNECTIONS: u32 = 4;

/// The database of a URL.
#[derive(Debug)]
pub(super) struct SqlStore {
    url: DatabaseUrl,
    open: Mutex<Option<Open>>,
    /// A file is made once: one that vanishes later is to come back, not to be made anew and empty.
    made: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) pool: AnyPool,
    /// Of a file: device and number. What is written to a file that was moved away would be lost to
    /// whoever looks in its place.
    identity: Option<(u64, u64)>,
}

impl SqlStore {
    /// The database of `url`; nothing is opened yet.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub(super) fn new(url: DatabaseUrl) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let store = Self { url, open: Mutex::new(None), made: AtomicBool::new(false) };
        store.options(true)?;
        Ok(store)
    }

    fn options(&self, make: bool) -> Result<AnyConnectOptions, sqlx::Error> {
        match &self.url {
            DatabaseUrl::Postgres(url) => url.parse(),
            DatabaseUrl::Sqlite(path) => {
                let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
                let mode = if make { "rwc" } else { "rw" };
                format!("sqlite://{}?mode={mode}", escaped(&path)).parse()
            }
        }
    }

    /// The connections, made if there are none.
    pub(super) async fn connected(&self) -> Result<Open, StoreError> {
        let mut open = self.open.lock().await;
        if let Some(known) = open.as_ref() {
            if self.is_in_place(known) {
                return Ok(known.clone());
            }
            if let Some(gone) = open.take() {
                gone.pool.close().await;
            }
        }
        let made = self.made.load(Ordering::Relaxed);
        if made && self.identity().is_none() && matches!(self.url, DatabaseUrl::Sqlite(_)) {
            return Err(StoreError::Gone);
        }
        let pool = self.connect(!made).await?;
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.to_vec()).run(&pool).await?;
        self.made.store(true, Ordering::Relaxed);
        let now = Open { pool, identity: self.identity() };
        *open = Some(now.clone());
        Ok(now)
    }

    async fn connect(&self, make: bool) -> Result<AnyPool, StoreError> {
        let is_file = matches!(self.url, DatabaseUrl::Sqlite(_));
        let options = AnyPoolOptions::new()
            .max_connections(if is_file { 1 } else { CONNECTIONS })
            .acquire_timeout(CONNECT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_file {
                        // Waits a second for others who write; a commit is on the disk.
                        sqlx::query("PRAGMA busy_timeout = 1000").execute(&mut *connection).await?;
                        sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            });
        Ok(options.connect_with(self.options(make)?).await?)
    }

    /// Device and number of the file, if there is one.
    fn identity(&self) -> Option<(u64, u64)> {
        let DatabaseUrl::Sqlite(path) = &self.url else { return None };
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }

    fn is_in_place(&self, open: &Open) -> bool {
        open.identity == self.identity()
    }
}

impl Store for SqlStore {
    fn kind(&self) -> &'static str {
        match self.url {
            DatabaseUrl::Sqlite(_) => "sqlite",
            DatabaseUrl::Postgres(_) => "postgres",
        }
    }

    fn insert<'a>(&'a self, rows: &'a [Row]) -> Later<'a, ()> {
        Box::pin(async move {
            let open = self.connected().await?;
            let mut connection = open.pool.acquire().await?;
            let mut transaction = connection.begin().await?;
            for row in rows {
                sqlx::query(INSERT)
                    .bind(&row.key)
                    .bind(&row.recommendation)
                    .bind(&row.film)
                    .bind(&row.event)
                    .bind(row.position)
                    .bind(&row.kind)
                    .bind(&row.technique)
                    .bind(&row.models)
                    .bind(row.at_ms)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            // The file may have been moved away under the writing.
            if self.is_in_place(&open) { Ok(()) } else { Err(StoreError::Gone) }
        })
    }

    fn check(&self) -> Later<'_, ()> {
        Box::pin(async move {
            let open = self.connected().await?;
            sqlx::query("SELECT 1 FROM feedback LIMIT 1").fetch_optional(&open.pool).await?;
            Ok(())
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Some(open) = self.open.lock().await.take() {
                open.pool.close().await;
            }
        })
    }
}

/// A path as a part of a URL.
fn escaped(path: &Path) -> String {
    let mut escaped = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes any text");
        }
    }
    escaped
}
