//! Finds a backend's shared library and opens it.

use crate::{HostError, ModelSpec};
use hippocamp_backend_abi::{BackendTable, BatchStrategyTable};
use libloading::os::unix::Library;
use std::path::{Component, Path, PathBuf};

mod elf;
mod open;
mod stand_in;

pub(crate) use open::OpenLibrary;

/// Triton's name for the library of a backend.
pub(crate) fn library_name(backend: &str) -> String {
    format!("libtriton_{backend}.so")
}

/// The library of `backend` for a model: in the directory of its version, in its own, in the
/// backend's; `None` if it is in none of them. `runtime` of the configuration names another file.
pub(crate) fn find(
    spec: &ModelSpec,
    backend: &str,
    backend_directory: &Path,
) -> Result<Option<PathBuf>, HostError> {
    let runtime = &spec.config.runtime;
    let library = if runtime.is_empty() { library_name(backend) } else { runtime.clone() };
    for directory in search_path(spec, backend, backend_directory) {
        let path = directory.join(&library);
        if !path.exists() {
            continue;
        }
        if !is_plain(Path::new(&library)) {
            return Err(HostError::LibraryEscapes {
                library,
                directory: directory.display().to_string(),
                model: spec.name.clone(),
            });
        }
        return Ok(Some(path));
    }
    Ok(None)
}

/// Where libraries are looked for, in this order.
pub(crate) fn search_path(
    spec: &ModelSpec,
    backend: &str,
    backend_directory: &Path,
) -> [PathBuf; 3] {
    [
        spec.repository_dir.join(spec.version.to_string()),
        spec.repository_dir.clone(),
        backend_directory.join(backend),
    ]
}

/// Whether `path` stays within whatever directory it is joined to.
fn is_plain(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir))
}

/// Opens a library and reads its table. The functions are valid as long as the library is open.
pub(crate) fn open(path: &Path) -> Result<(BackendTable, OpenLibrary), HostError> {
    let open =
        open::open(path).map_err(|reason| HostError::Library { path: path.to_owned(), reason })?;
    let library = &open.backend;
    let table = BackendTable {
        // SAFETY: a symbol of this name has the type that tritonbackend.h gives it.
        initialize: unsafe { symbol(library, "TRITONBACKEND_Initialize") },
        // SAFETY: as above.
        finalize: unsafe { symbol(library, "TRITONBACKEND_Finalize") },
        // SAFETY: as above.
        get_backend_attribute: unsafe { symbol(library, "TRITONBACKEND_GetBackendAttribute") },
        // SAFETY: as above.
        model_initialize: unsafe { symbol(library, "TRITONBACKEND_ModelInitialize") },
        // SAFETY: as above.
        model_finalize: unsafe { symbol(library, "TRITONBACKEND_ModelFinalize") },
        // SAFETY: as above.
        model_instance_initialize: unsafe {
            symbol(library, "TRITONBACKEND_ModelInstanceInitialize")
        },
        // SAFETY: as above.
        model_instance_finalize: unsafe { symbol(library, "TRITONBACKEND_ModelInstanceFinalize") },
        // SAFETY: as above.
        model_instance_execute: unsafe { symbol(library, EXECUTE) },
        // SAFETY: as above.
        model_instance_ready: unsafe { symbol(library, "TRITONBACKEND_ModelInstanceReady") },
    };
    check(&table, &path.display().to_string())?;
    Ok((table, open))
}

/// Opens the library of a batching strategy; without functions if it has none of them. They are valid
/// as long as the library is open.
pub(crate) fn open_strategy(
    path: &Path,
    model: &str,
) -> Result<(Option<BatchStrategyTable>, OpenLibrary), HostError> {
    let open =
        open::open(path).map_err(|reason| HostError::Library { path: path.to_owned(), reason })?;
    let library = &open.backend;
    let missing = |symbol| {
        let path = path.display().to_string();
        HostError::StrategyIncomplete { path, model: model.to_owned(), missing: symbol }
    };
    // SAFETY: a symbol of this name has the type that tritonbackend.h gives it.
    let batcher_initialize = unsafe { symbol(library, BATCHER_INITIALIZE) };
    // SAFETY: as above.
    let batcher_finalize = unsafe { symbol(library, BATCHER_FINALIZE) };
    // SAFETY: as above.
    let batch_initialize = unsafe { symbol(library, BATCH_INITIALIZE) };
    // SAFETY: as above.
    let batch_include_request = unsafe { symbol(library, BATCH_INCLUDE_REQUEST) };
    // SAFETY: as above.
    let batch_finalize = unsafe { symbol(library, BATCH_FINALIZE) };
    let table = BatchStrategyTable {
        batcher_initialize: match batcher_initialize {
            Some(function) => function,
            None if batcher_finalize.is_none()
                && batch_initialize.is_none()
                && batch_include_request.is_none()
                && batch_finalize.is_none() =>
            {
                return Ok((None, open));
            }
            None => return Err(missing(BATCHER_INITIALIZE)),
        },
        batcher_finalize: batcher_finalize.ok_or_else(|| missing(BATCHER_FINALIZE))?,
        batch_initialize: batch_initialize.ok_or_else(|| missing(BATCH_INITIALIZE))?,
        batch_include_request: batch_include_request
            .ok_or_else(|| missing(BATCH_INCLUDE_REQUEST))?,
        batch_finalize: batch_finalize.ok_or_else(|| missing(BATCH_FINALIZE))?,
    };
    Ok((Some(table), open))
}

/// Refuses a table that cannot execute.
pub(crate) fn check(table: &BackendTable, path: &str) -> Result<(), HostError> {
    if table.model_instance_execute.is_none() {
        return Err(HostError::NoEntryPoint { symbol: EXECUTE, path: path.to_owned() });
    }
    Ok(())
}

const EXECUTE: &str = "TRITONBACKEND_ModelInstanceExecute";
const BATCHER_INITIALIZE: &str = "TRITONBACKEND_ModelBatcherInitialize";
const BATCHER_FINALIZE: &str = "TRITONBACKEND_ModelBatcherFinalize";
const BATCH_INITIALIZE: &str = "TRITONBACKEND_ModelBatchInitialize";
const BATCH_INCLUDE_REQUEST: &str = "TRITONBACKEND_ModelBatchIncludeRequest";
const BATCH_FINALIZE: &str = "TRITONBACKEND_ModelBatchFinalize";

/// # Safety
/// A symbol of this name, if there is one, is a function of type `F`.
unsafe fn symbol<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: by contract; the result is used as long as the library is open.
    unsafe { library.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
}
