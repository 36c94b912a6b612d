//! Which backend serves a model, before it is loaded: a library, one that is linked in, or a `model.py`
//! for NVIDIA's Python backend (Triton core src/backend_model.cc `GetBackendLibraryProperties`).

use crate::{HostError, ModelSpec, host::HostOptions, library};
use hippocamp_backend_abi::BackendTable;
use hippocamp_proto::inference::{self as proto, ModelParameter};
use std::path::{Path, PathBuf};

/// `runtime` of a backend in Python, and its file.
const PYTHON_RUNTIME: &str = "model.py";
/// The backend that runs those in Python.
const PYTHON: &str = "python";
/// The parameter that names the Python environment of a model.
const ENVIRONMENT: &str = "EXECUTION_ENV_PATH";
/// The environment that comes with a backend in Python.
const ENVIRONMENT_FILE: &str = "pb_exec_env_model.py.tar.gz";

/// A backend that was found but is not loaded.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Builtin {
        name: &'static str,
        table: BackendTable,
    },
    Library {
        name: String,
        path: PathBuf,
    },
    /// A directory with a `model.py`, which the library of backend `python` runs for every model.
    Python {
        name: String,
        directory: PathBuf,
        library: PathBuf,
    },
}

impl Found {
    /// The backend of a model: a library in the model's directories or the backend's, else a
    /// `model.py` in the backend's, else a built-in one of that name, else the same for the name it
    /// is an alias of.
    pub(crate) fn find(spec: &ModelSpec, options: &HostOptions) -> Result<Self, HostError> {
        let asked = spec.config.backend.as_str();
        if asked.is_empty() {
            return Err(HostError::NoBackend { model: spec.name.clone() });
        }
        if asked.contains(['/', '\0']) || asked == ".." {
            return Err(HostError::UnknownBackend { backend: asked.to_owned() });
        }
        let runtime = spec.config.runtime.as_str();
        if runtime == PYTHON_RUNTIME {
            return Self::python(spec, asked, options);
        }
        let alias =
            options.aliases.iter().find(|(alias, _)| alias == asked).map(|(_, name)| name.as_str());
        for name in std::iter::once(asked).chain(alias) {
            if let Some(path) = library::find(spec, name, &options.backend_directory)? {
                return Ok(Self::Library { name: name.to_owned(), path });
            }
            let in_python = options.backend_directory.join(name).join(PYTHON_RUNTIME);
            if runtime.is_empty() && in_python.exists() {
                return Self::python(spec, name, options);
            }
            let is_default = runtime.is_empty() || runtime == library::library_name(name);
            if is_default
                && let Some(&(name, table)) =
                    options.builtin.iter().find(|(builtin, _)| *builtin == name)
            {
                return Ok(Self::Builtin { name, table });
            }
        }
        if runtime.is_empty() {
            return Err(HostError::UnknownBackend { backend: asked.to_owned() });
        }
        let searched = library::search_path(spec, asked, &options.backend_directory);
        Err(unknown_library(runtime, spec, &searched))
    }

    /// A backend in Python, with the library that runs it.
    fn python(spec: &ModelSpec, name: &str, options: &HostOptions) -> Result<Self, HostError> {
        let directory = options.backend_directory.join(name);
        let file = directory.join(PYTHON_RUNTIME);
        if !file.exists() {
            return Err(HostError::UnknownPython {
                library: PYTHON_RUNTIME,
                model: spec.name.clone(),
                searched: file.display().to_string(),
            });
        }
        let places = library::search_path(spec, name, &options.backend_directory)
            .into_iter()
            .chain([options.backend_directory.join(PYTHON)])
            .collect::<Vec<_>>();
        let file = library::library_name(PYTHON);
        let found = places.iter().map(|place| place.join(&file)).find(|path| path.exists());
        let library = found.ok_or_else(|| unknown_library(&file, spec, &places))?;
        Ok(Self::Python { name: name.to_owned(), directory, library })
    }

    /// The name that the backend is told.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Builtin { name, .. } => name,
            Self::Library { name, .. } | Self::Python { name, .. } => name,
        }
    }

    /// Whose settings of the command line it has.
    pub(crate) fn configured_as(&self) -> &str {
        if let Self::Python { .. } = self { PYTHON } else { self.name() }
    }

    /// Where its files lie; empty if it is linked in.
    pub(crate) fn directory(&self) -> &Path {
        match self {
            Self::Builtin { .. } => Path::new(""),
            Self::Library { path, .. } => path.parent().unwrap_or(Path::new("")),
            Self::Python { directory, .. } => directory,
        }
    }

    /// Adds to a model's configuration what its backend in Python reads there: that it is one, and
    /// its environment, unless the model has its own.
    pub(crate) fn complete(&self, config: &mut proto::ModelConfig) {
        let Self::Python { directory, .. } = self else { return };
        PYTHON_RUNTIME.clone_into(&mut config.runtime);
        let environment = directory.join(ENVIRONMENT_FILE);
        if environment.exists() {
            config.parameters.entry(ENVIRONMENT.to_owned()).or_insert_with(|| ModelParameter {
                string_value: environment.to_string_lossy().into_owned(),
            });
        }
    }
}

fn unknown_library(library: &str, spec: &ModelSpec, searched: &[PathBuf]) -> HostError {
    let searched: Vec<_> = searched.iter().map(|path| format!("'{}'", path.display())).collect();
    HostError::UnknownLibrary {
        library: library.to_owned(),
        model: spec.name.clone(),
        searched: searched.join(" "),
    }
}
