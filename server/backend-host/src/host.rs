//! Finds and shares backends, and loads models with them.

use crate::{
    HostError,
    backend::Backend,
    entry::Entry,
    found::Found,
    handles::Handle,
    library, metrics,
    model::{LoadedModel, Model, ModelSpec},
    server::ServerObject,
    settings::backend_config,
};
use hippocamp_backend_abi::BackendTable;
use hippocamp_telemetry::CustomMetrics;
use hippocamp_types::{Clock, Host};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    time::Duration,
};

/// How long an instance that is unloaded waits for requests that its backend still holds.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

/// Where backends come from.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// Holds `<name>/libtriton_<name>.so`.
    pub backend_directory: PathBuf,
    /// `--backend-config`: backend (empty: all), key, value.
    pub backend_config: Vec<(String, String, String)>,
    /// Backends linked into the server, used where no file of that name is found.
    pub builtin: Vec<(&'static str, BackendTable)>,
    /// Names that another backend serves where there is none of their own.
    pub aliases: Vec<(String, String)>,
    /// For statistics.
    pub clock: Arc<dyn Clock>,
}

/// Loads models; a handle that clones share.
#[derive(Clone, Debug)]
pub struct BackendHost {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: HostOptions,
    patience: Duration,
    registry: Arc<Registry>,
    server: Arc<Handle<ServerObject>>,
}

/// The backends in use.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    backends: Mutex<HashMap<Key, Weak<Backend>>>,
    removed: Condvar,
}

/// What tells backends apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Builtin(&'static str),
    Library(PathBuf),
    /// The directory of a backend in Python: all of them have the library of backend `python`.
    Python(PathBuf),
}

/// A backend's place in the registry.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    key: Key,
}

impl Registration {
    /// The backend is finalised: from here on the same library may be initialised again.
    pub(crate) fn remove(self) {
        let mut backends = self.registry.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.remove(&self.key);
        drop(backends);
        self.registry.removed.notify_all();
    }
}

impl BackendHost {
    /// A host without models; nothing is loaded yet.
    pub fn new(options: HostOptions) -> Self {
        Self::with_patience(options, RELEASE_PATIENCE)
    }

    /// A host whose instances wait for `patience` for requests that their backend still holds.
    pub(crate) fn with_patience(options: HostOptions, patience: Duration) -> Self {
        let server = Arc::new(Handle::new(ServerObject::default()));
        Self { inner: Arc::new(Inner { options, patience, registry: Arc::default(), server }) }
    }

    /// Backends reach `server` from now on, for as long as it is there, and what they count goes
    /// into `metrics`. Before, and without it, their calls to the server are UNAVAILABLE.
    pub fn attach(&self, server: &Arc<dyn Host>, metrics: &Arc<CustomMetrics>) {
        self.inner.server.attach(server);
        metrics::attach(metrics);
    }

    /// Loads one version of a model: finds its backend, initialises it if it is the first of its
    /// kind, and lets it initialise the model and complete its configuration.
    ///
    /// # Errors
    /// If there is no such backend, or it refuses the model.
    pub fn load_model(&self, mut spec: ModelSpec) -> Result<LoadedModel, HostError> {
        let options = &self.inner.options;
        let found = Found::find(&spec, options)?;
        found.complete(&mut spec.config);
        let places = library::search_path(&spec, &spec.config.backend, &options.backend_directory);
        let backend = self.backend(&found)?;
        let clock = Arc::clone(&self.inner.options.clock);
        let server = Arc::clone(&self.inner.server);
        Model::load(spec, backend, server, clock, self.inner.patience)
            .map(|model| LoadedModel::new(model, places))
    }

    /// Names of the backends that loaded models use, ascending.
    pub fn loaded_backends(&self) -> Vec<String> {
        let backends = self.inner.registry.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = backends.values().filter_map(Weak::upgrade).collect::<Vec<_>>();
        // Dropping the last handle of a backend locks the registry.
        drop(backends);
        let mut names: Vec<_> = in_use
            .iter()
            .map(|backend| backend.object.name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The backend that was found, initialised if nobody uses it yet. One that is being finalised
    /// is waited for: its library must not be initialised meanwhile.
    fn backend(&self, found: &Found) -> Result<Arc<Backend>, HostError> {
        let registry = &self.inner.registry;
        // The same file under two paths is one library to the dynamic loader.
        let real =
            |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_unreadable| path.clone());
        let key = match found {
            Found::Builtin { name, .. } => Key::Builtin(name),
            Found::Library { path, .. } => Key::Library(real(path)),
            Found::Python { directory, .. } => Key::Python(real(directory)),
        };
        let mut backends = registry.backends.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(known) = backends.get(&key) {
            if let Some(backend) = known.upgrade() {
                return Ok(backend);
            }
            backends = registry.removed.wait(backends).unwrap_or_else(PoisonError::into_inner);
        }
        let backend = Arc::new(self.start(found)?);
        let registration = Registration { registry: Arc::clone(registry), key: key.clone() };
        backend.registration.set(registration).expect("the backend is new");
        backends.insert(key, Arc::downgrade(&backend));
        Ok(backend)
    }

    fn start(&self, found: &Found) -> Result<Backend, HostError> {
        let options = &self.inner.options;
        let opened = |path: &Path| {
            library::open(path)
                .map(|(table, library)| (Some(path.to_owned()), table, Some(library)))
        };
        let (path, table, library) = match found {
            Found::Builtin { name, table } => {
                library::check(table, name)?;
                (None, *table, None)
            }
            Found::Library { path, .. } | Found::Python { library: path, .. } => opened(path)?,
        };
        // SAFETY: a backend keeps the contract of tritonbackend.h; `Backend` keeps its library open
        // as long as it is used.
        let entry = unsafe { Entry::new(table) };
        let config = backend_config(options, found.configured_as());
        Backend::start(found.name(), found.directory(), path.as_deref(), config, entry, library)
    }
}
