//! Feedback over a database that comes and goes.

use super::{store::Later, *};
use std::{collections::BTreeMap, pin::Pin, sync::Mutex};
use tokio::sync::watch;

/// A row with this key.
pub(super) fn row(key: &str) -> Row {
    Row {
        key: key.to_owned(),
        recommendation: "r".to_owned(),
        film: "the-kid-1921".to_owned(),
        event: "liked".to_owned(),
        position: Some(0),
        kind: "plot".to_owned(),
        technique: "minilm".to_owned(),
        models: "{}".to_owned(),
        at_ms: 1,
    }
}

/// A database in memory that can be away, or commit without saying so.
#[derive(Debug, Default)]
struct Fickle {
    rows: Mutex<BTreeMap<String, Row>>,
    away: AtomicBool,
    silent: AtomicBool,
}

#[derive(Debug)]
struct Shared(Arc<Fickle>);

impl Store for Shared {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn insert<'a>(&'a self, rows: &'a [Row]) -> Later<'a, ()> {
        Box::pin(async move {
            if self.0.away.load(Ordering::Relaxed) {
                return Err(StoreError::Gone);
            }
            let mut known = self.0.rows.lock().expect("nobody panicked");
            for row in rows {
                known.entry(row.key.clone()).or_insert_with(|| row.clone());
            }
            if self.0.silent.load(Ordering::Relaxed) { Err(StoreError::Gone) } else { Ok(()) }
        })
    }

    fn check(&self) -> Later<'_, ()> {
        Box::pin(async {
            if self.0.away.load(Ordering::Relaxed) { Err(StoreError::Gone) } else { Ok(()) }
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

fn feedback(directory: &std::path::Path, most_bytes: u64) -> (Arc<Feedback>, Arc<Fickle>) {
    let fickle = Arc::new(Fickle::default());
    let journal = Journal::open(&directory.join("j"), most_bytes).expect("the directory is there");
    let feedback = Feedback::new(Box::new(Shared(Arc::clone(&fickle))), journal, Arc::default());
    (Arc::new(feedback), fickle)
}

fn keys(fickle: &Fickle) -> Vec<String> {
    fickle.rows.lock().expect("nobody panicked").keys().cloned().collect()
}

/// Lets the delivery run to its end once.
async fn delivered(feedback: &Arc<Feedback>) {
    let (stop, stopping) = watch::channel(false);
    stop.send_replace(true);
    Arc::clone(feedback).deliver(stopping).await;
}

#[tokio::test]
async fn rows_go_straight_to_a_database_that_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (feedback, fickle) = feedback(directory.path(), 1 << 20);
    feedback.look().await.expect("it is there");
    feedback.accept(vec![row("a")]).await.expect("it is kept");
    assert_eq!(keys(&fickle), ["a"]);
    assert_eq!(feedback.waiting(), Waiting::default());
}

#[tokio::test]
async fn rows_wait_for_a_database_that_is_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let (feedback, fickle) = feedback(directory.path(), 1 << 20);
    feedback.look().await.expect("it is there");
    fickle.away.store(true, Ordering::Relaxed);
    feedback.accept(vec![row("a"), row("b")]).await.expect("it is kept");
    feedback.accept(vec![row("c")]).await.expect("it is kept");
    delivered(&feedback).await;
    assert_eq!((keys(&fickle).len(), feedback.waiting().events), (0, 3));
    fickle.away.store(false, Ordering::Relaxed);
    delivered(&feedback).await;
    assert_eq!(
        (keys(&fickle), feedback.waiting()),
        (["a", "b", "c"].map(str::to_owned).into(), Waiting::default())
    );
}

#[tokio::test]
async fn a_commit_that_nobody_heard_of_counts_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (feedback, fickle) = feedback(directory.path(), 1 << 20);
    feedback.look().await.expect("it is there");
    fickle.silent.store(true, Ordering::Relaxed);
    feedback.accept(vec![row("a")]).await.expect("it is kept");
    assert_eq!((keys(&fickle).len(), feedback.waiting().events), (1, 1));
    fickle.silent.store(false, Ordering::Relaxed);
    delivered(&feedback).await;
    assert_eq!((keys(&fickle).len(), feedback.waiting().events), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (feedback, _) = feedback(directory.path(), 100);
    let error = feedback.accept(vec![row("a")]).await.expect_err("100 bytes are too few");
    assert_eq!(error.status(), 503);
    assert!(error.to_string().contains("try again in 30 s"), "{error}");
}

#[tokio::test]
async fn sqlite_takes_a_key_once_and_notices_when_its_file_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a b%.db");
    let store = SqlStore::new(DatabaseUrl::sqlite(path.clone())).expect("it is a URL");
    store.check().await.expect("it is made");
    store.insert(&[row("a"), row("b")]).await.expect("it is there");
    let mut changed = row("a");
    (changed.event, changed.position) = ("shown".to_owned(), None);
    store.insert(&[changed, row("c")]).await.expect("a key that is there is no error");

    let aside = directory.path().join("aside");
    std::fs::rename(&path, &aside).expect("it is there");
    assert!(matches!(store.insert(&[row("d")]).await, Err(StoreError::Gone)));
    assert!(matches!(store.check().await, Err(StoreError::Gone)));
    assert!(!path.exists(), "none is made in its place");
    std::fs::rename(&aside, &path).expect("it is there");
    store.insert(&[row("d")]).await.expect("it is back");

    let open = store.connected().await.expect("it is there");
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT event_key, event FROM feedback ORDER BY event_key")
            .fetch_all(&open.pool)
            .await
            .expect("it is there");
    let expected = [("a", "liked"), ("b", "liked"), ("c", "liked"), ("d", "liked")];
    assert_eq!(rows, expected.map(|(key, event)| (key.to_owned(), event.to_owned())));
    store.close().await;
}
