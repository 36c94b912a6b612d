//! The server's calls, as front-ends make them.

use crate::{
    IndexEntry, LoadOverrides, ModelMetadata, ModelVersion, ServerMetadata, admission::Admission,
    dispatch::dispatch, host::HostCalls, loader::Loader, model_metadata,
};
use hippocamp_backend_host::BackendHost;
use hippocamp_repository::{
    PollOutcome, Repository, RepositoryError, RepositoryOptions, RolledBack,
};
use hippocamp_telemetry::{Metrics, StatisticsReport, TraceSettings, TraceUpdate, Tracer};
use hippocamp_types::{Clock, Error, Host, InferRequest, Timestamp, Trace, TraceContext};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// The protocol extensions that work here, under Triton's names.
const EXTENSIONS: &[&str] = &[
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "system_shared_memory",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
];

/// How models come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelControl {
    /// Every model of the repository is loaded at start-up; load and unload calls are refused.
    None,
    /// Every model is loaded at start-up, and what changes in the repository after that; load and
    /// unload calls are refused. Whoever runs the server calls [`InferenceServer::poll`].
    Poll,
    /// Load and unload calls decide; `startup` names what is loaded at start-up, `*` stands for any text.
    Explicit {
        /// `--load-model`.
        startup: Vec<String>,
    },
}

impl ModelControl {
    /// Whether load and unload calls are allowed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Explicit { .. } => Ok(()),
            Self::None | Self::Poll => Err(Error::unavailable(
                "explicit model load / unload is not allowed if polling is enabled",
            )),
        }
    }
}

/// What the server is made with; the binary validates it.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `--id`.
    pub id: String,
    /// `--model-control-mode` and `--load-model`.
    pub control: ModelControl,
    /// `--model-repository` and how it is read.
    pub repository: RepositoryOptions,
    /// `--strict-readiness`: ready only if every model is.
    pub strict_readiness: bool,
    /// `--disable-auto-complete-config`, reversed.
    pub auto_complete: bool,
    /// Requests that may wait for a model that sets no `max_queue_size`.
    pub default_max_queue_size: usize,
}

/// The inference server. Shared by every front-end.
pub struct InferenceServer {
    options: ServerOptions,
    repository: Arc<Repository>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    tracer: Arc<Tracer>,
    admission: Arc<Admission>,
    /// Held for the backends, which reach it as long as the server is there.
    _host_calls: Arc<dyn Host>,
}

impl InferenceServer {
    /// A server that has loaded nothing yet and takes no requests: see [`Self::start`].
    pub fn new(
        options: ServerOptions,
        host: BackendHost,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        tracer: Arc<Tracer>,
    ) -> Self {
        metrics.watch(&tracer);
        let loader = Loader {
            host: host.clone(),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            auto_complete: options.auto_complete,
            default_max_queue_size: options.default_max_queue_size,
        };
        let repository = Arc::new(Repository::new(options.repository.clone(), Arc::new(loader)));
        let host_calls: Arc<dyn Host> = Arc::new(HostCalls {
            repository: Arc::clone(&repository),
            clock: Arc::clone(&clock),
            control: options.control.clone(),
        });
        host.attach(&host_calls, metrics.custom());
        Self {
            options,
            repository,
            metrics,
            clock,
            tracer,
            admission: Arc::default(),
            _host_calls: host_calls,
        }
    }

    /// Loads what the control mode asks for and begins to take requests. Blocks until every model
    /// is loaded or has failed.
    ///
    /// # Errors
    /// If the repository cannot be read. Models that fail are in the result, by name; the others
    /// serve.
    pub fn start(&self) -> Result<BTreeMap<String, Error>, RepositoryError> {
        let failed = match &self.options.control {
            ModelControl::None => self.repository.load_all()?,
            ModelControl::Poll => {
                self.repository.poll(&|| self.clock.now(), Duration::ZERO)?.failed
            }
            ModelControl::Explicit { startup } => self.repository.load_named(startup)?,
        };
        self.admission.open();
        Ok(failed)
    }

    /// Loads and unloads what has changed in the repository and has come to rest: not been written for
    /// `settle`. Blocks.
    ///
    /// # Errors
    /// If the repository cannot be listed; then nothing changes.
    pub fn poll(&self, settle: Duration) -> Result<PollOutcome, RepositoryError> {
        self.repository.poll(&|| self.clock.now(), settle)
    }

    /// Waits until more than `seen` model versions that were loaded have ended, and returns how many
    /// have: a time to give memory back. Blocks.
    pub fn wait_ended(&self, seen: u64) -> u64 {
        self.repository.wait_ended(seen)
    }

    /// Does `work` on each of the threads that load models. Blocks while they load.
    pub fn on_each_loader(&self, work: impl Fn() + Sync) {
        self.repository.on_each_loader(work);
    }

    /// Is not ready from now on; after `delay`, in which load balancers may notice, refuses new
    /// requests and waits for those in flight; false if some are left after `timeout`.
    pub async fn drain(&self, delay: Duration, timeout: Duration) -> bool {
        if !delay.is_zero() {
            self.admission.leave();
            tokio::time::sleep(delay).await;
        }
        self.admission.close();
        self.admission.wait_empty(timeout).await
    }

    /// Takes every model out of service and waits until their backends have finalised them; false
    /// if some have not within `timeout`. Writes what was traced. Blocks.
    pub fn stop(&self, timeout: Duration) -> bool {
        self.repository.unload_all();
        let end = self.clock.now() + timeout;
        let retired = self.repository.wait_retired(timeout);
        // Models that take all the time leave a moment for what was traced.
        let left = end.since(self.clock.now()).max(Duration::from_millis(100));
        self.tracer.shut_down(left);
        retired
    }

    /// Whether any request may be traced: all that an untraced request pays for.
    pub fn is_tracing(&self) -> bool {
        self.tracer.is_on()
    }

    /// The trace of a request to `model` that begins now, if it is to be traced; `caller` is what
    /// the request says of itself. It goes into [`InferRequest::trace`].
    pub fn sample(&self, model: &str, caller: Option<&TraceContext>) -> Option<Trace> {
        self.tracer.sample(model, caller)
    }

    /// The trace settings of a model, or of the server.
    ///
    /// # Errors
    /// If the model is not there, in Triton's words.
    pub fn trace_settings(&self, model: Option<&str>) -> Result<TraceSettings, Error> {
        if let Some(model) = model
            && !self.is_model_ready(model, None)
        {
            return Err(Error::invalid(format!("Request for unknown model : {model}")));
        }
        Ok(self.tracer.settings(model))
    }

    /// Changes them.
    ///
    /// # Errors
    /// As above; or if the settings would trace and cannot: then nothing is changed.
    pub fn update_trace_settings(
        &self,
        model: Option<&str>,
        update: &TraceUpdate,
    ) -> Result<TraceSettings, Error> {
        self.trace_settings(model)?;
        self.tracer.update(model, update)?;
        Ok(self.tracer.settings(model))
    }

    /// The present, for [`InferRequest::received`].
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes a request. Every outcome, refusals too, reaches the client through the request's
    /// responder. Never blocks.
    pub fn infer(&self, model: &str, version: Option<u64>, request: InferRequest) {
        match self.admission.enter() {
            Ok(in_flight) => {
                dispatch(
                    &self.repository.snapshot(),
                    &self.clock,
                    model,
                    version,
                    request,
                    Some(in_flight),
                );
            }
            Err(error) => request.responder.fail(error),
        }
    }

    /// A loaded model, for what a front-end must know of it (classification labels, raw requests,
    /// the generate extension, configuration).
    ///
    /// # Errors
    /// If it is not there, in Triton's words.
    pub fn model(&self, name: &str, version: Option<u64>) -> Result<Arc<ModelVersion>, Error> {
        self.repository.snapshot().resolve(name, version).cloned()
    }

    /// Whether the server runs at all.
    pub fn is_live(&self) -> bool {
        true
    }

    /// Whether the server takes requests: started, not draining, and (`--strict-readiness`) every
    /// model ready.
    pub fn is_ready(&self) -> bool {
        self.admission.is_open() && (!self.options.strict_readiness || self.repository.all_ready())
    }

    /// Whether this version (or the latest) serves.
    pub fn is_model_ready(&self, name: &str, version: Option<u64>) -> bool {
        self.admission.is_open() && self.repository.snapshot().resolve(name, version).is_ok()
    }

    /// Name, version, extensions.
    pub fn metadata(&self) -> ServerMetadata {
        ServerMetadata {
            name: self.options.id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            extensions: EXTENSIONS,
        }
    }

    /// Metadata of one model.
    ///
    /// # Errors
    /// If it is not there, in Triton's words.
    pub fn model_metadata(&self, name: &str, version: Option<u64>) -> Result<ModelMetadata, Error> {
        let snapshot = self.repository.snapshot();
        let model = snapshot.resolve(name, version)?;
        let versions = match version {
            Some(version) => vec![version],
            None => snapshot.models[name].versions.keys().copied().collect(),
        };
        Ok(model_metadata(&model.config, versions))
    }

    /// Statistics of every model, one model, or one version; ordered by name and version.
    ///
    /// # Errors
    /// INVALID_ARG if it is not there, in Triton's words.
    pub fn statistics(
        &self,
        name: Option<&str>,
        version: Option<u64>,
    ) -> Result<Vec<StatisticsReport>, Error> {
        let snapshot = self.repository.snapshot();
        let Some(name) = name else {
            let mut models: Vec<_> = snapshot.models.iter().collect();
            models.sort_by_key(|(name, _)| Arc::clone(name));
            let versions = models.iter().flat_map(|(_, model)| model.versions.values());
            return Ok(versions.map(|version| version.statistics.report()).collect());
        };
        let versions = snapshot.models.get(name).map(|model| &model.versions);
        let reports: Vec<_> = versions
            .into_iter()
            .flatten()
            .filter(|(number, _)| version.is_none_or(|version| version == **number))
            .map(|(_, version)| version.statistics.report())
            .collect();
        if reports.is_empty() {
            let which = version.map(|version| format!(" version {version}")).unwrap_or_default();
            return Err(Error::invalid(format!(
                "requested model '{name}'{which} is not available"
            )));
        }
        Ok(reports)
    }

    /// All metrics, as Prometheus reads them.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// Every model of the repository with its state, ordered by name and version.
    ///
    /// # Errors
    /// If the repository cannot be read.
    pub async fn index(self: &Arc<Self>, ready_only: bool) -> Result<Vec<IndexEntry>, Error> {
        let server = Arc::clone(self);
        blocking(move || Ok(server.repository.index(ready_only)?)).await
    }

    /// Loads (or reloads) a model and what it is made of; returns when it serves.
    ///
    /// # Errors
    /// UNAVAILABLE outside control mode EXPLICIT; otherwise why the load failed.
    pub async fn load(self: &Arc<Self>, name: &str, overrides: LoadOverrides) -> Result<(), Error> {
        self.options.control.check()?;
        let (server, name) = (Arc::clone(self), name.to_owned());
        blocking(move || server.repository.load(&name, &overrides)).await
    }

    /// Goes back to what served before the last change of a model and of what moved along with it;
    /// returns them when they serve.
    ///
    /// # Errors
    /// If nothing earlier is kept, or it does not load any more; what serves goes on.
    pub async fn roll_back(self: &Arc<Self>, name: &str) -> Result<Vec<RolledBack>, Error> {
        let (server, name) = (Arc::clone(self), name.to_owned());
        blocking(move || server.repository.roll_back(&name)).await
    }

    /// Unloads a model; with `unload_dependents`, also the members of the ensemble it is that
    /// nobody asked for by name and nothing else needs.
    ///
    /// # Errors
    /// UNAVAILABLE outside control mode EXPLICIT.
    pub async fn unload(
        self: &Arc<Self>,
        name: &str,
        unload_dependents: bool,
    ) -> Result<(), Error> {
        self.options.control.check()?;
        let (server, name) = (Arc::clone(self), name.to_owned());
        blocking(move || {
            server.repository.unload(&name, unload_dependents);
            Ok(())
        })
        .await
    }
}

/// Loading takes seconds: it has no place on the threads that serve sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "model control panicked");
        Err(Error::internal("model control failed unexpectedly; the server's log has the reason"))
    })
}

impl fmt::Debug for InferenceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InferenceServer").field("options", &self.options).finish_non_exhaustive()
    }
}
