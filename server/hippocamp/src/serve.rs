//! Runs the server: sockets first, so that a busy port is told at once and liveness answers while
//! models load; then the models; then the ready line; on a signal, drain and stop.

use crate::{
    build, endpoint, examples, memory, polling, reloaded::Reloaded, settings::Settings, systemd,
};
use anyhow::{Context as _, bail};
use hippocamp_core::InferenceServer;
use hippocamp_grpc::GrpcOptions;
use hippocamp_http::HttpOptions;
use hippocamp_shm::Regions;
use hippocamp_telemetry::{access::AccessLog, log};
use hippocamp_types::{Clock as _, MonotonicClock};
use sd_notify::NotifyState;
use std::{io::Write as _, sync::Arc, time::Duration};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

/// Time that the disk has for the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Time that is left for models to be finalised when the exit timeout has run out.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Time that a gRPC client has to close its connection once it is told that the server goes away;
/// its calls were answered before.
const GOAWAY_GRACE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT; writes `warnings` once there is a log.
///
/// # Errors
/// Why the server could not start, or did not end well.
pub(crate) fn run(settings: Settings, warnings: &[String]) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads)
        .thread_name("hippocamp-io")
        .enable_all()
        .build()
        .context("cannot start the threads that serve sockets")?;
    let served = runtime.block_on(serve(settings, warnings));
    // Without waiting: a load that hangs must not keep a server that was told to end.
    runtime.shutdown_background();
    served
}

async fn serve(settings: Settings, warnings: &[String]) -> anyhow::Result<()> {
    let log = log::init(settings.log.clone())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let access_log = settings.access_log.as_deref().map(AccessLog::open).transpose();
    let access_log = access_log.context("--access-log: cannot open it")?;
    let (stop, stopping) = watch::channel(false);
    let server = build::server(&settings)?;
    let regions = Arc::new(Regions::new(settings.allow_client_shm));
    let mut endpoints = JoinSet::new();
    let mut reloaded = Reloaded::new(settings.access.keys.clone());
    let mut ready = "ready".to_owned();
    let mut http = None;
    if let Some(listen) = &settings.listening.http {
        let (listener, tls) = endpoint::bind(listen, &[b"h2", b"http/1.1"])?;
        let address = listener.address()?.reachable();
        ready += &format!(" http={address}");
        http = Some(examples::Door::new(&address, listen.tls.as_ref()));
        reloaded.tls("http", tls);
        let options = HttpOptions {
            max_input_size: settings.max_input_size,
            log: log.clone(),
            guard: settings.access.http(),
            forwarded: settings.access.http_forwarded.clone(),
            access_log: access_log.clone(),
            regions: Arc::clone(&regions),
        };
        let router = hippocamp_http::router(Arc::clone(&server), options);
        endpoints.spawn(endpoint::serve(listener, router, stopping.clone(), settings.exit_timeout));
    }
    if let Some(listen) = &settings.listening.grpc {
        let (listener, tls) = endpoint::bind(listen, &[b"h2"])?;
        ready += &format!(" grpc={}", listener.address()?.reachable());
        reloaded.tls("grpc", tls);
        let options = GrpcOptions {
            keepalive: settings.grpc_keepalive,
            compress_responses: settings.grpc_compress_responses,
            log: log.clone(),
            guard: settings.access.grpc(),
            forwarded: settings.access.grpc_forwarded.clone(),
            access_log: access_log.clone(),
            regions: Arc::clone(&regions),
        };
        let stopped = || {
            let mut stopping = stopping.clone();
            async move {
                // An error means that `stop` is gone, which is the same.
                drop(stopping.wait_for(|stop| *stop).await);
            }
        };
        let served = hippocamp_grpc::serve(listener, Arc::clone(&server), options, stopped());
        let stopped = stopped();
        endpoints.spawn(async move {
            let grace = async {
                stopped.await;
                tokio::time::sleep(GOAWAY_GRACE).await;
            };
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::error!(%error, "the gRPC endpoint ended");
                },
                () = grace => tracing::warn!("some gRPC clients did not close their connections when told to"),
            }
        });
    }
    if let Some(listen) = &settings.listening.metrics {
        let (listener, tls) = endpoint::bind(listen, &[b"h2", b"http/1.1"])?;
        ready += &format!(" metrics={}", listener.address()?.reachable());
        reloaded.tls("metrics", tls);
        let (server, guard) = (Arc::clone(&server), settings.access.metrics());
        let stores = settings.stores.clone();
        let render = Arc::new(move || stores.metrics_after(server.metrics()));
        let router = hippocamp_http::metrics_router(render, guard);
        endpoints.spawn(endpoint::serve(listener, router, stopping.clone(), settings.exit_timeout));
    }
    let watching = tokio::spawn(reloaded.watch());
    memory::give_back(Arc::clone(&server))?;

    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut signalled = async move || {
        tokio::select! {
            _ = terminated.recv() => "SIGTERM",
            _ = interrupted.recv() => "SIGINT",
        }
    };
    let started = start(Arc::clone(&server), settings.exit_on_error);
    tokio::select! {
        started = started => started?,
        name = signalled() => {
            tracing::info!(signal = name, "shutting down while models are loading");
            systemd::tell(&[NotifyState::Stopping]);
            if let Some(log) = access_log {
                log.flush(LAST_LINES);
            }
            return Ok(());
        }
    }
    announce(&ready)?;
    systemd::tell(&[NotifyState::Ready, NotifyState::Status(&ready)]);
    let alive = tokio::spawn(systemd::keep_alive());
    let looking = settings
        .polling
        .clone()
        .map(|polling| tokio::spawn(polling::poll(Arc::clone(&server), polling)));
    if let Some(http) = http {
        for command in examples::commands(&server, &http, settings.access.keys.is_some()).await {
            tracing::info!("to try: {command}");
        }
    }

    let name = signalled().await;
    tracing::info!(signal = name, "shutting down");
    systemd::tell(&[NotifyState::Stopping]);
    watching.abort();
    if let Some(looking) = looking {
        looking.abort();
    }
    let ended = tokio::select! {
        ended = shut_down(&settings, &server, &stop, endpoints) => ended,
        name = signalled() => bail!("second signal ({name}): exiting at once"),
    };
    alive.abort();
    if let Some(log) = access_log {
        log.flush(LAST_LINES);
    }
    ended
}

/// Loads the models; an error if one fails and `exit_on_error` is set.
async fn start(server: Arc<InferenceServer>, exit_on_error: bool) -> anyhow::Result<()> {
    let failed = tokio::task::spawn_blocking(move || server.start())
        .await
        .context("loading the models panicked")??;
    if failed.is_empty() || !exit_on_error {
        return Ok(());
    }
    let reasons: Vec<String> =
        failed.iter().map(|(name, error)| format!("\n  {name}: {error}")).collect();
    bail!(
        "failed to load {} of the models; mend or remove them, or serve the others with --exit-on-error=false:{}",
        failed.len(),
        reasons.concat()
    )
}

/// The one line on standard output: whoever started the server learns its ports from it.
fn announce(ready: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")
        .and_then(|()| stdout.flush())
        .context("cannot write the ready line")?;
    tracing::info!("{ready}");
    Ok(())
}

async fn shut_down(
    settings: &Settings,
    server: &Arc<InferenceServer>,
    stop: &watch::Sender<bool>,
    mut endpoints: JoinSet<()>,
) -> anyhow::Result<()> {
    let deadline = MonotonicClock.now() + settings.exit_timeout + settings.drain;
    let left = move || deadline.since(MonotonicClock.now());
    let drained = server.drain(settings.drain, settings.exit_timeout).await;
    stop.send_replace(true);
    let closed = tokio::time::timeout(left().max(Duration::from_millis(100)), async {
        while endpoints.join_next().await.is_some() {}
    });
    let closed = closed.await.is_ok();
    let server = Arc::clone(server);
    let last = move || left().max(Duration::from_millis(100));
    let stopping = tokio::task::spawn_blocking(move || server.stop(last()));
    // It waits for a load that is under way.
    let stopped = match tokio::time::timeout(last() + LAST_MOMENT, stopping).await {
        Ok(stopped) => stopped.context("stopping the models panicked")?,
        Err(_elapsed) => false,
    };
    if !(drained && closed && stopped) {
        bail!(
            "requests were still in flight when the exit timeout ran out, or models still loading (see --exit-timeout-secs)"
        );
    }
    Ok(())
}
