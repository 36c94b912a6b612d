//! Custom batching: five functions of a library say which requests go into one batch (Triton core
//! src/backend_model.cc `SetBatchingStrategy`, src/dynamic_batch_scheduler.cc `CustomBatch…`).
//!
//! What goes wrong in one of them is logged. A request that the functions do not let into a batch,
//! for whatever reason, waits for the next one.

use crate::{
    HostError,
    handles::Handle,
    in_flight::InFlight,
    instance::ServingModel,
    library::{self, OpenLibrary},
    message::take_result,
    model::Model,
    request::{LiveRequest, RequestObject},
};
use hippocamp_backend_abi::{BatchStrategyTable, TRITONBACKEND_Batcher};
use hippocamp_types::{BatchStrategy, Error, InferRequest, PendingBatch};
use std::{
    ffi::c_void,
    path::{Path, PathBuf},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
};

/// Looked for in the directories of the version, the model and the backend.
const FILE: &str = "batchstrategy.so";

/// Names the library, in the model's configuration.
const PARAMETER: &str = "TRITON_BATCH_STRATEGY_PATH";

/// The library of a model's strategy; `None` if it has none. `places` are the directories of the
/// version, the model and the backend.
pub(crate) fn find(model: &Model, places: &[PathBuf; 3]) -> Result<Option<PathBuf>, HostError> {
    let Some(path) = model.object.parameter(PARAMETER) else {
        return Ok(places.iter().map(|place| place.join(FILE)).find(|path| path.exists()));
    };
    let [_version, directory, _backend] = places;
    let named = directory.join(&path);
    let Ok(found) = named.canonicalize() else {
        return Err(HostError::UnknownStrategy { path: named.display().to_string() });
    };
    // Wherever links lead: the file itself is to lie in the model's directory.
    let inside = directory.canonicalize().is_ok_and(|directory| found.starts_with(directory));
    if !inside {
        return Err(HostError::StrategyEscapes {
            path,
            directory: directory.display().to_string(),
            model: model.name().to_owned(),
        });
    }
    Ok(Some(found))
}

/// A model's strategy. Dropping it finalises its batcher, then closes its library, then lets the
/// model go.
#[derive(Debug)]
pub(crate) struct Strategy {
    functions: BatchStrategyTable,
    /// The strategy's own; null if it has no use for one.
    batcher: AtomicPtr<TRITONBACKEND_Batcher>,
    serving: Arc<ServingModel>,
    /// Counts nothing that an instance waits for: requests are only looked at.
    in_flight: Arc<InFlight>,
    library: Option<OpenLibrary>,
    model: Arc<Model>,
}

impl Strategy {
    /// Opens the library at `path`; `None` if it has none of the functions, which Triton allows.
    pub(crate) fn load(
        path: &Path,
        model: Arc<Model>,
        serving: Arc<ServingModel>,
    ) -> Result<Option<Self>, HostError> {
        let (functions, library) = library::open_strategy(path, model.name())?;
        let Some(functions) = functions else {
            tracing::warn!(
                model = model.name(), library = %path.display(),
                "the library has no custom batching functions: batches are formed without it"
            );
            return Ok(None);
        };
        let mut batcher = ptr::null_mut();
        // SAFETY: the library is open; the place is writable and the model live for the call.
        let raw =
            unsafe { (functions.batcher_initialize)(&raw mut batcher, model.object.as_raw()) };
        take_result(raw).map_err(HostError::Backend)?;
        tracing::info!(model = model.name(), library = %path.display(), "custom batching strategy loaded");
        Ok(Some(Self {
            functions,
            batcher: AtomicPtr::new(batcher),
            serving,
            in_flight: Arc::default(),
            library: Some(library),
            model,
        }))
    }

    fn failed(&self, what: &str, error: &Error) {
        tracing::error!(model = self.model.name(), %error, "Custom batching {what} function failed");
    }
}

impl BatchStrategy for Strategy {
    fn begin(&self) -> Box<dyn PendingBatch + '_> {
        let mut state = ptr::null_mut();
        let batcher = self.batcher.load(Ordering::Acquire);
        // SAFETY: the library is open as long as `self`; the batcher is its own, the place writable.
        let raw = unsafe { (self.functions.batch_initialize)(batcher, &raw mut state) };
        if let Err(error) = take_result(raw) {
            self.failed("initialization", &error);
        }
        Box::new(Pending { strategy: self, state, requests: Vec::new() })
    }
}

impl Drop for Strategy {
    fn drop(&mut self) {
        let batcher = self.batcher.load(Ordering::Acquire);
        // SAFETY: the library is open; no batch of this batcher is left, since each borrows `self`.
        let raw = unsafe { (self.functions.batcher_finalize)(batcher) };
        if let Err(error) = take_result(raw) {
            self.failed("batcher finalization", &error);
        }
        if let Some(library) = self.library.take()
            && let Err(error) = library.close()
        {
            tracing::error!(model = self.model.name(), %error, "failed to close the library of the batching strategy");
        }
    }
}

struct Pending<'a> {
    strategy: &'a Strategy,
    /// The strategy's own, about this batch.
    state: *mut c_void,
    /// What it was shown: it may compare requests as long as the batch is formed.
    requests: Vec<Arc<Handle<RequestObject>>>,
}

impl PendingBatch for Pending<'_> {
    fn include(&mut self, request: &InferRequest) -> bool {
        let shown = Arc::new(Handle::new(RequestObject::default()));
        let ticket = self.strategy.in_flight.ticket();
        shown.begin(LiveRequest::to_look_at(request, &self.strategy.serving, ticket));
        let handle = shown.as_raw();
        self.requests.push(shown);
        // As a byte: what C writes into a `bool` need not be one in Rust.
        let mut include: u8 = 0;
        let include_request = self.strategy.functions.batch_include_request;
        // SAFETY: the library is open, the request live until the batch is dropped, the state what
        // the strategy made of it, and a `bool` of C has the size of the place.
        let raw = unsafe { include_request(handle, self.state, (&raw mut include).cast()) };
        if let Err(error) = take_result(raw) {
            self.strategy.failed("include", &error);
        }
        include != 0
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.state.is_null() {
            return;
        }
        // SAFETY: the library is open; the state is the strategy's, which gets it for the last time.
        let raw = unsafe { (self.strategy.functions.batch_finalize)(self.state) };
        if let Err(error) = take_result(raw) {
            self.strategy.failed("finalization", &error);
        }
    }
}
