//! Control mode POLL: looks at the repository at intervals, and soon after the system has told of a
//! change in it.

use anyhow::Context as _;
use hippocamp_core::InferenceServer;
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// Directories that are watched; what changes in others is seen by the next look.
const MAX_WATCHED: usize = 4096;

/// Levels of directories that are watched: repository, model, version, and what a version is made of.
const MAX_DEPTH: usize = 5;

/// When and where to look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Polling {
    /// `--model-repository`.
    pub(crate) roots: Vec<PathBuf>,
    /// Between two looks, if the system tells of no change.
    pub(crate) interval: Duration,
    /// Files that have not been written for so long are whole.
    pub(crate) settle: Duration,
}

/// Polls for ever.
pub(crate) async fn poll(server: Arc<InferenceServer>, polling: Polling) {
    let watch = Watch::new()
        .inspect_err(|error| {
            let error = format!("{error:#}");
            tracing::warn!(error, "changes in the repository are seen at intervals alone");
        })
        .ok()
        .map(Arc::new);
    // What was being written when the server started was left out.
    let mut restless = true;
    // The first round only watches.
    let mut polls = false;
    loop {
        // Directories may be slow, or hang: no thread that serves waits for them.
        let (server, watched, settle) = (Arc::clone(&server), watch.clone(), polling.settle);
        let roots = polling.roots.clone();
        let looked = tokio::task::spawn_blocking(move || {
            // Before they are looked at: what changes after that is told.
            if let Some(watch) = watched {
                watch.cover(&roots);
            }
            polls.then(|| server.poll(settle))
        });
        match looked.await {
            Ok(Some(Ok(outcome))) => restless = outcome.restless,
            Ok(Some(Err(error))) => {
                tracing::error!(%error, "the repository cannot be listed; what serves goes on");
                restless = false;
            }
            Ok(None) => polls = true,
            Err(panic) => {
                tracing::error!(%panic, "a look at the repository panicked; what serves goes on");
                return;
            }
        }
        tokio::select! {
            // Files that are being written are looked at again when they may have come to rest.
            () = sleep(polling.settle), if restless => {}
            () = sleep(polling.interval) => {}
            () = changed(watch.as_deref()), if !restless => {}
        }
    }
}

async fn changed(watch: Option<&Watch>) {
    match watch {
        Some(watch) => watch.told.notified().await,
        None => std::future::pending().await,
    }
}

/// What the system tells of directories.
struct Watch {
    events: Arc<OwnedFd>,
    told: Arc<Notify>,
}

impl Watch {
    fn new() -> anyhow::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC).context("inotify is not to be had")?;
        let watch = Self { events: Arc::new(events), told: Arc::default() };
        let (events, told) = (Arc::clone(&watch.events), Arc::clone(&watch.told));
        // It waits in a read until the process ends.
        thread::Builder::new()
            .name("repository".to_owned())
            .spawn(move || {
                let mut piece = [0; 4096];
                loop {
                    match rustix::io::read(&events, &mut piece) {
                        Ok(_) => told.notify_one(),
                        Err(Errno::INTR) => {}
                        Err(_) => break,
                    }
                }
            })
            .context("its thread cannot be started")?;
        Ok(watch)
    }

    /// Watches what is below `roots` now; what is watched already stays so.
    fn cover(&self, roots: &[PathBuf]) {
        let mut left = MAX_WATCHED;
        for root in roots {
            self.cover_directory(root, MAX_DEPTH, &mut left);
        }
    }

    fn cover_directory(&self, directory: &Path, depth: usize, left: &mut usize) {
        let events = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVE
            | WatchFlags::ONLYDIR;
        if *left == 0 || inotify::add_watch(&self.events, directory, events).is_err() {
            return;
        }
        *left -= 1;
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries.take(if depth > 1 { usize::MAX } else { 0 }) {
            if entry.path().is_dir() {
                self.cover_directory(&entry.path(), depth - 1, left);
            }
        }
    }
}
