//! Finds and shares backends, and loads models with them.

use crate::{
    HostError,
    backend::Backend,
    entry::Entry,
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

/// A backend that was found but is not loaded.
#[derive(Clone, Debug)]
enum Found {
    Builtin { name: &'static str, table: BackendTable },
    Library { name: String, path: PathBuf },
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
    pub fn load_model(&self, spec: ModelSpec) -> Result<LoadedModel, HostError> {
        let found = self.find(&spec)?;
        let backend = self.backend(&found)?;
        let clock = Arc::clone(&self.inner.options.clock);
        let server = Arc::clone(&self.inner.server);
        Model::load(spec, backend, server, clock, self.inner.patience).map(LoadedModel::new)
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

    /// The backend of a model: a library in the model's directories or the backend's, else a
    /// built-in one of that name, else the same for the name it is an alias of.
    fn find(&self, spec: &ModelSpec) -> Result<Found, HostError> {
        let options = &self.inner.options;
        let asked = spec.config.backend.as_str();
        if asked.is_empty() {
            return Err(HostError::NoBackend { model: spec.name.clone() });
        }
        if asked.contains(['/', '\0']) {
            return Err(HostError::UnknownBackend { backend: asked.to_owned() });
        }
        let runtime = spec.config.runtime.as_str();
        let alias =
            options.aliases.iter().find(|(alias, _)| alias == asked).map(|(_, name)| name.as_str());
        for name in std::iter::once(asked).chain(alias) {
            if let Some(path) = library::find(spec, name, &options.backend_directory)? {
                return Ok(Found::Library { name: name.to_owned(), path });
            }
            let is_default = runtime.is_empty() || runtime == library::library_name(name);
            if is_default
                && let Some(&(name, table)) =
                    options.builtin.iter().find(|(builtin, _)| *builtin == name)
            {
                return Ok(Found::Builtin { name, table });
            }
        }
        if runtime.is_empty() {
            return Err(HostError::UnknownBackend { backend: asked.to_owned() });
        }
        let searched = library::search_path(spec, asked, &options.backend_directory);
        Err(HostError::UnknownLibrary {
            library: runtime.to_owned(),
            model: spec.name.clone(),
            searched: searched.map(|path| format!("'{}'", path.display())).join(" "),
        })
    }

    /// The backend that was found, initialised if nobody uses it yet. One that is being finalised
    /// is waited for: its library must not be initialised meanwhile.
    fn backend(&self, found: &Found) -> Result<Arc<Backend>, HostError> {
        let registry = &self.inner.registry;
        let key = match found {
            Found::Builtin { name, .. } => Key::Builtin(name),
            // The same file under two paths is one library to the dynamic loader.
            Found::Library { path, .. } => {
                Key::Library(fs::canonicalize(path).unwrap_or_else(|_unreadable| path.clone()))
            }
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
        let (name, path, table, library): (&str, Option<&Path>, _, _) = match found {
            Found::Builtin { name, table } => {
                library::check(table, name)?;
                (name, None, *table, None)
            }
            Found::Library { name, path } => {
                let (table, library) = library::open(path)?;
                (name, Some(path), table, Some(library))
            }
        };
        // SAFETY: a backend keeps the contract of tritonbackend.h; `Backend` keeps its library open
        // as long as it is used.
        let entry = unsafe { Entry::new(table) };
        Backend::start(name, path, backend_config(options, name), entry, library)
    }
}
