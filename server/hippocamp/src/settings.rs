//! Arguments and settings file become validated settings, once.

use crate::{
    access::AccessSettings,
    arguments::{Arguments, ControlMode},
    flag, limits,
    listening::Listening,
    polling::Polling,
    stores::Stores,
    trace_flags::{self, TraceFlags},
};
use anyhow::{Context as _, bail, ensure};
use hippocamp_core::{ModelControl, RepositoryOptions, ServerOptions};
use hippocamp_grpc::Keepalive;
use hippocamp_telemetry::{
    MetricsOptions, TraceOptions,
    log::{LogFormat, LogSettings},
};
use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Where backends are looked for if no flag says where; as in Triton.
pub(crate) const DEFAULT_BACKEND_DIRECTORY: &str = "/opt/tritonserver/backends";

/// The settings file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "hippocamp.toml";

/// Everything the binary needs to know, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: ServerOptions,
    /// Buckets and hubs among the repositories.
    pub(crate) stores: Stores,
    /// In control mode POLL.
    pub(crate) polling: Option<Polling>,
    pub(crate) backend_directory: PathBuf,
    /// (backend or "" for all, key, value).
    pub(crate) backend_config: Vec<(String, String, String)>,
    pub(crate) exit_on_error: bool,
    pub(crate) exit_timeout: Duration,
    /// Serving on after a signal, with readiness false.
    pub(crate) drain: Duration,
    pub(crate) listening: Listening,
    pub(crate) access: AccessSettings,
    /// A file, or "-" for standard output.
    pub(crate) access_log: Option<String>,
    pub(crate) threads: usize,
    pub(crate) max_input_size: usize,
    pub(crate) allow_client_shm: bool,
    pub(crate) grpc_keepalive: Keepalive,
    pub(crate) grpc_compress_responses: bool,
    pub(crate) metrics_options: MetricsOptions,
    pub(crate) log: LogSettings,
    pub(crate) trace: TraceOptions,
}

impl Settings {
    /// Merges the settings file under the arguments and checks the result.
    ///
    /// # Errors
    /// Which setting is wrong, what was expected, and what came.
    pub(crate) fn new(arguments: Arguments) -> anyhow::Result<Self> {
        let given = match (&arguments.config, Path::new(DEFAULT_FILE)) {
            (Some(file), _) => merge(file, &arguments)?,
            (None, file) if file.exists() => merge(file, &arguments)?,
            (None, _) => arguments,
        };
        ensure!(
            !given.model_repository.is_empty(),
            "no model repository: pass --model-repository DIR, or set model-repository in {DEFAULT_FILE}"
        );
        let listening = Listening::new(&given)?;
        let access = AccessSettings::new(&given)?;
        let control = match (given.model_control_mode.unwrap_or_default(), given.load_model.clone())
        {
            (ControlMode::None, load) if load.is_empty() => ModelControl::None,
            (ControlMode::None, _) => {
                bail!(
                    "--load-model needs --model-control-mode explicit: in mode none every model is loaded"
                )
            }
            (ControlMode::Poll, load) if load.is_empty() => ModelControl::Poll,
            (ControlMode::Poll, _) => bail!(
                "--load-model needs --model-control-mode explicit: in mode poll every model is loaded"
            ),
            (ControlMode::Explicit, startup) => ModelControl::Explicit { startup },
        };
        let stores = Stores::open(&given)?;
        let polling = polling(&given, &control, &stores)?;
        let load_threads = given.model_load_thread_count.unwrap_or(4);
        ensure!(load_threads > 0, "--model-load-thread-count: expected at least 1, got 0");
        let backend_config = given
            .backend_config
            .iter()
            .map(|text| {
                flag::backend_config(text)
                    .map_err(|expected| anyhow::anyhow!("--backend-config '{text}': {expected}"))
            })
            .collect::<anyhow::Result<_>>()?;

        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let milliseconds = Duration::from_millis;
        Ok(Self {
            server: ServerOptions {
                id: given.id.unwrap_or_else(|| "triton".to_owned()),
                control,
                repository: RepositoryOptions {
                    roots: stores.roots.clone(),
                    external_links: given.allow_external_links.unwrap_or(false),
                    namespaces: given.model_namespacing.unwrap_or(false),
                    config_name: given.model_config_name,
                    load_threads,
                    load_retries: given.model_load_retry_count.unwrap_or(0),
                    kept_files: limits::kept_files(),
                },
                strict_readiness: given.strict_readiness.unwrap_or(true),
                auto_complete: !given.disable_auto_complete_config.unwrap_or(false),
                default_max_queue_size: given.max_queue_size.unwrap_or(10_000).max(1),
            },
            stores,
            polling,
            backend_directory: given
                .backend_directory
                .unwrap_or_else(|| PathBuf::from(DEFAULT_BACKEND_DIRECTORY)),
            backend_config,
            exit_on_error: given.exit_on_error.unwrap_or(true),
            exit_timeout: Duration::from_secs(given.exit_timeout_secs.unwrap_or(30)),
            drain: Duration::from_secs(given.drain_secs.unwrap_or(0)),
            listening,
            access,
            access_log: given.access_log,
            threads: given.http_thread_count.unwrap_or(cores).max(1),
            max_input_size: given.http_max_input_size.unwrap_or(64 << 20),
            allow_client_shm: given.allow_client_shm.unwrap_or(false),
            grpc_keepalive: Keepalive {
                time: milliseconds(given.grpc_keepalive_time.unwrap_or(7_200_000)),
                timeout: milliseconds(given.grpc_keepalive_timeout.unwrap_or(20_000)),
                max_connection_age: given.grpc_max_connection_age.map(milliseconds),
                max_connection_age_grace: given.grpc_max_connection_age_grace.map(milliseconds),
            },
            grpc_compress_responses: compress(
                given.grpc_infer_response_compression_level.as_deref(),
            )?,
            metrics_options: metrics_options(
                &given.metrics_config,
                MetricsOptions {
                    cpu_metrics: given.allow_cpu_metrics.unwrap_or(true),
                    interval: milliseconds(given.metrics_interval_ms.unwrap_or(2000)),
                    ..MetricsOptions::default()
                },
            )?,
            trace: trace_flags::options(&TraceFlags {
                config: &given.trace_config,
                file: given.trace_file.as_deref(),
                levels: &given.trace_level,
                rate: given.trace_rate.as_deref(),
                count: given.trace_count.as_deref(),
                log_frequency: given.trace_log_frequency.as_deref(),
            })?,
            log: LogSettings {
                file: given.log_file.unwrap_or_default(),
                info: given.log_info.unwrap_or(true),
                warning: given.log_warning.unwrap_or(true),
                error: given.log_error.unwrap_or(true),
                verbose_level: given.log_verbose.unwrap_or(0),
                format: given
                    .log_format
                    .as_deref()
                    .map_or(Ok(LogFormat::Default), str::parse)
                    .context("--log-format")?,
            },
        })
    }
}

/// How control mode POLL looks; its flags are refused in the other modes.
fn polling(
    given: &Arguments,
    control: &ModelControl,
    stores: &Stores,
) -> anyhow::Result<Option<Polling>> {
    if *control != ModelControl::Poll {
        for (flag, is_given) in [
            ("--repository-poll-secs", given.repository_poll_secs.is_some()),
            ("--repository-settle-secs", given.repository_settle_secs.is_some()),
        ] {
            ensure!(!is_given, "{flag} needs --model-control-mode poll");
        }
        return Ok(None);
    }
    let interval = given.repository_poll_secs.unwrap_or(15);
    ensure!(interval > 0, "--repository-poll-secs: expected at least 1, got 0");
    let settle = given.repository_settle_secs.unwrap_or(2.0);
    let settle = Duration::try_from_secs_f64(settle)
        .ok()
        .filter(|settle| (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(settle));
    let settle = settle.context("--repository-settle-secs: expected 0.01 to 3600")?;
    let roots = stores.directories.clone();
    Ok(Some(Polling { roots, interval: Duration::from_secs(interval), settle }))
}

/// Whether `--grpc-infer-response-compression-level` asks for compression; the level itself is the
/// library's.
fn compress(level: Option<&str>) -> anyhow::Result<bool> {
    match level.unwrap_or("none") {
        "none" => Ok(false),
        "low" | "medium" | "high" => Ok(true),
        other => bail!(
            "--grpc-infer-response-compression-level: expected none, low, medium or high, got '{other}'"
        ),
    }
}

/// `--metrics-config` over `options`.
fn metrics_options(
    config: &[String],
    mut options: MetricsOptions,
) -> anyhow::Result<MetricsOptions> {
    for text in config {
        let expected = || {
            format!(
                "--metrics-config '{text}': expected counter_latencies=BOOL, histogram_latencies=BOOL or \
                 latency_histograms=BOOL"
            )
        };
        let (key, value) = text.split_once('=').with_context(expected)?;
        let option = match key {
            "counter_latencies" => &mut options.counter_latencies,
            "histogram_latencies" => &mut options.histogram_latencies,
            "latency_histograms" => &mut options.latency_histograms,
            _ => bail!(expected()),
        };
        *option = flag::boolean(value).map_err(|_not_boolean| anyhow::anyhow!(expected()))?;
    }
    Ok(options)
}

/// The settings of `file` under those of `arguments`.
fn merge(file: &Path, arguments: &Arguments) -> anyhow::Result<Arguments> {
    let shown = file.display();
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read settings file '{shown}'"))?;
    // Typed first, so that what is wrong is told with its line.
    let written: Arguments =
        toml::from_str(&text).with_context(|| format!("settings file '{shown}'"))?;
    let mut merged = toml::Table::try_from(&written).context("settings are representable")?;
    merged.extend(toml::Table::try_from(arguments).context("arguments are representable")?);
    merged.try_into().with_context(|| format!("settings file '{shown}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn settings(flags: &[&str]) -> anyhow::Result<Settings> {
        Settings::new(Arguments::parse_from(["hippocamp"].iter().chain(flags)))
    }

    fn refusal(flags: &[&str]) -> String {
        format!("{:#}", settings(flags).expect_err("the settings are wrong"))
    }

    #[test]
    fn defaults_are_tritons() {
        let settings = settings(&["--model-repository", "m"]).unwrap();
        assert_eq!(settings.listening.http.unwrap().address.to_string(), "0.0.0.0:8000");
        assert_eq!(settings.listening.grpc.unwrap().address.to_string(), "0.0.0.0:8001");
        assert_eq!(settings.listening.metrics.unwrap().address.to_string(), "0.0.0.0:8002");
        assert_eq!(settings.exit_timeout, Duration::from_secs(30));
        assert_eq!(settings.max_input_size, 67_108_864);
        assert!(
            settings.exit_on_error
                && settings.server.strict_readiness
                && settings.server.auto_complete
        );
    }

    #[test]
    fn booleans_with_and_without_a_value() {
        let check = |flags: &[&str], expect| {
            let flags = [&["--model-repository", "m"], flags].concat();
            assert_eq!(settings(&flags).unwrap().exit_on_error, expect, "{flags:?}");
        };
        check(&["--exit-on-error=false"], false);
        check(&["--exit-on-error", "0"], false);
        check(&["--exit-on-error", "--id", "x"], true);
    }

    #[test]
    fn wrong_settings_name_themselves() {
        assert!(refusal(&[]).contains("--model-repository"));
        assert!(
            refusal(&["--model-repository", "m", "--load-model", "x"])
                .contains("--model-control-mode explicit")
        );
        assert!(
            refusal(&["--model-repository", "m", "--backend-config", "x"])
                .contains("'x': expected <backend>,<key>=<value>")
        );
        assert!(
            refusal(&["--model-repository", "m", "--http-address", "not an address"])
                .contains("--http-address")
        );
        assert!(
            refusal(&["--model-repository", "m", "--log-format", "x"]).contains("--log-format")
        );
    }

    #[test]
    fn the_file_is_under_the_flags() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "model-repository = [\"m\"]\nhttp-port = 1\ngrpc-port = 2\nmodel-control-mode = \"explicit\"\n").unwrap();
        let path = file.path().to_str().unwrap();
        let read = settings(&["--config", path, "--http-port", "3"]).unwrap();
        assert_eq!(read.listening.http.unwrap().address.to_string(), "0.0.0.0:3");
        assert_eq!(read.listening.grpc.unwrap().address.to_string(), "0.0.0.0:2");
        assert!(matches!(read.server.control, ModelControl::Explicit { .. }));

        fs::write(&file, "http-prot = 1\n").unwrap();
        let refusal = refusal(&["--config", path]);
        assert!(refusal.contains("http-prot") && refusal.contains("line 1"), "{refusal}");
    }
}
