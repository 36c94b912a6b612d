//! Runs the application: the catalogue, the socket, a first look at server and database, then the
//! ready line; on a signal, no new requests, and feedback is written down.

use crate::{
    app::{App, LogHandle},
    catalogue::Catalogue,
    explain::FilmVectors,
    feedback::Feedback,
    inference::Inference,
    listen,
    metrics::Metrics,
    openapi,
    page::Page,
    routes,
    settings::Settings,
};
use anyhow::{Context as _, bail};
use hippocamp_net::{ListenOptions, Listener};
use hippocamp_telemetry::{access::AccessLog, log};
use hippocamp_types::MonotonicClock;
use std::{fs, io::Write as _, sync::Arc, time::Duration};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
};

/// Time that the disk has for the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Time that the database has to take what waits, at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(3);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Why the application could not start, or did not end well.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads)
        .thread_name("hippocamp-app")
        .enable_all()
        .build()
        .context("cannot start the threads that serve the socket")?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    log::init(settings.log.clone())?;
    let access_log = settings.access_log.as_deref().map(AccessLog::open).transpose();
    let access_log = access_log.context("--access-log: cannot open it")?;
    fs::create_dir_all(&settings.data_dir)
        .with_context(|| format!("--data-dir: cannot make '{}'", settings.data_dir.display()))?;
    let options = ListenOptions { address: settings.listen.clone(), share_port: false, tls: None };
    let listener = Listener::bind(options).context("choose another place with --listen")?;
    let address = listener.address()?.reachable();

    let metrics = Arc::new(Metrics::default());
    let feedback = Feedback::open(&settings, Arc::clone(&metrics))?;
    let app = Arc::new(App {
        catalogue: Catalogue::load(settings.catalogue.as_deref())?,
        inference: Inference::new(&settings.server, settings.max_inferences).context("--server")?,
        feedback: Arc::clone(&feedback),
        metrics,
        page: Page::new(settings.page_dir.clone()),
        documents: openapi::Documents::new(),
        film_vectors: FilmVectors::default(),
        explanations: Semaphore::new(settings.max_explanations),
        uploads: App::upload_permits(),
        access_log: access_log.clone().map(LogHandle),
        clock: Arc::new(MonotonicClock),
    });
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut signalled = async move || {
        tokio::select! {
            _ = terminated.recv() => "SIGTERM",
            _ = interrupted.recv() => "SIGINT",
        }
    };
    // Neither has to be there: what needs them says so until they are.
    let (_served, _database) = tokio::join!(app.inference.look(), feedback.look());
    let watching = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.inference.watch().await }
    });
    let (stop, stopping) = watch::channel(false);
    let delivering = tokio::spawn(Arc::clone(&feedback).deliver(stopping.clone()));
    let serving = tokio::spawn(listen::serve(
        listener,
        routes::router(&app),
        stopping,
        settings.exit_timeout,
    ));
    announce(&format!("ready app={address}"))?;

    let name = signalled().await;
    tracing::info!(signal = name, "shutting down");
    watching.abort();
    stop.send_replace(true);
    tokio::select! {
        ended = serving => ended.context("serving panicked")?,
        name = signalled() => bail!("second signal ({name}): exiting at once"),
    }
    // What does not get there in time is in the journal, and is delivered after the next start.
    drop(tokio::time::timeout(LAST_DELIVERY, delivering).await);
    feedback.close().await;
    if let Some(log) = access_log {
        log.flush(LAST_LINES);
    }
    Ok(())
}

/// The one line on standard output: whoever started the application learns its port from it.
fn announce(ready: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")
        .and_then(|()| stdout.flush())
        .context("cannot write the ready line")?;
    tracing::info!("{ready}");
    Ok(())
}
