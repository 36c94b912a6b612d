//! Inference requests that backends make of their server: filled in by setters, given to the server
//! by `TRITONSERVER_ServerInferAsync`, and given back by the release callback when nobody works on
//! them any more.

use crate::{
    allocator::Allocator,
    handles::{Handle, Object, tag},
    inference_response::InferenceResponseObject,
};
use hippocamp_backend_abi::{
    REQUEST_FLAG_SEQUENCE_END, REQUEST_FLAG_SEQUENCE_START, REQUEST_RELEASE_ALL,
    RESPONSE_COMPLETE_FINAL, TRITONSERVER_InferenceRequest,
    TRITONSERVER_InferenceRequestReleaseFn_t as ReleaseFn,
    TRITONSERVER_InferenceResponseCompleteFn_t as CompleteFn,
};
use hippocamp_types::{
    CorrelationId, Error, InferRequest, Parameter, Parameters, Reply, Responder, ResponseSink,
    SequenceFlags, Tensor, Timestamp,
};
use std::{
    ffi::c_void,
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// `TRITONSERVER_InferenceRequest`.
#[derive(Debug)]
pub(crate) struct InferenceRequestObject {
    pub(crate) model: String,
    pub(crate) version: Option<u64>,
    draft: Mutex<Draft>,
    progress: Arc<Progress>,
}

/// What the setters have set so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) flags: u32,
    pub(crate) correlation_id: CorrelationId,
    pub(crate) timeout: Option<Duration>,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<String>,
    pub(crate) parameters: Parameters,
    pub(crate) release: Option<Release>,
    pub(crate) complete: Option<Complete>,
}

/// How far the server is with a request.
#[derive(Debug, Default)]
struct Progress {
    /// The request is the server's.
    submitted: AtomicBool,
    cancelled: AtomicBool,
}

/// The caller's function that takes a request back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) function: ReleaseFn,
    pub(crate) userp: *mut c_void,
}

/// The caller's function that takes responses, and where their outputs lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complete {
    pub(crate) function: CompleteFn,
    pub(crate) userp: *mut c_void,
    pub(crate) allocator: Allocator,
}

// SAFETY: the header lets the function be called from any thread; `userp` is only handed on.
unsafe impl Send for Release {}
// SAFETY: as above.
unsafe impl Sync for Release {}
// SAFETY: as above.
unsafe impl Send for Complete {}
// SAFETY: as above.
unsafe impl Sync for Complete {}

impl Object for InferenceRequestObject {
    type Opaque = TRITONSERVER_InferenceRequest;
    const TAG: u64 = tag(b"hc ireqs");
    const NAME: &'static str = "inference_request";
}

impl InferenceRequestObject {
    pub(crate) fn new(model: String, version: Option<u64>) -> Self {
        Self { model, version, draft: Mutex::default(), progress: Arc::default() }
    }

    /// Changes the request, which the caller must hold.
    pub(crate) fn edit<R>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.check_held()?;
        change(&mut self.draft.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the caller may change or delete the request.
    pub(crate) fn check_held(&self) -> Result<(), Error> {
        if self.progress.submitted.load(Ordering::Acquire) { Err(in_use()) } else { Ok(()) }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        self.progress.cancelled.store(true, Ordering::Release);
    }

    /// Makes the request the server's: from here on its release callback will be called, once.
    pub(crate) fn submit(this: &Handle<Self>, now: Timestamp) -> Result<InferRequest, Error> {
        let draft = this.draft.lock().unwrap_or_else(PoisonError::into_inner);
        let release = draft.release.ok_or_else(|| missing("release"))?;
        let complete = draft.complete.ok_or_else(|| missing("response"))?;
        if this.progress.submitted.swap(true, Ordering::AcqRel) {
            return Err(in_use());
        }
        let held = Held { request: this.as_raw(), release, progress: Arc::clone(&this.progress) };
        let mut request = InferRequest::new(now, Responder::new(Sink { complete, held }));
        request.id.clone_from(&draft.id);
        request.inputs.clone_from(&draft.inputs);
        request.outputs.clone_from(&draft.outputs);
        request.parameters.clone_from(&draft.parameters);
        request.correlation_id.clone_from(&draft.correlation_id);
        request.sequence = SequenceFlags {
            start: draft.flags & REQUEST_FLAG_SEQUENCE_START != 0,
            end: draft.flags & REQUEST_FLAG_SEQUENCE_END != 0,
        };
        request.timeout = draft.timeout;
        Ok(request)
    }
}

impl Draft {
    /// The input `name`.
    pub(crate) fn input(&mut self, name: &str) -> Result<&mut Tensor, Error> {
        let found = self.inputs.iter_mut().find(|input| input.name == name);
        found.ok_or_else(|| {
            Error::invalid(format!("input '{name}' does not exist in request: add it first"))
        })
    }

    pub(crate) fn add_parameter(&mut self, name: String, value: Parameter) {
        self.parameters.push((name, value));
    }
}

fn in_use() -> Error {
    Error::invalid(
        "the inference request is being executed: it is the server's until its release callback is called",
    )
}

fn missing(callback: &str) -> Error {
    Error::invalid(format!("the inference request has no {callback} callback: set one first"))
}

/// Where the answers of a request go.
struct Sink {
    complete: Complete,
    /// Released after the last answer, when the last holder of the responder lets it go.
    held: Held,
}

impl ResponseSink for Sink {
    fn accept(&self, reply: Reply) {
        let Complete { function, userp, allocator } = &self.complete;
        let response = match reply.response {
            Some(response) => Handle::give(InferenceResponseObject::new(response, allocator)),
            None if reply.last => ptr::null_mut(),
            None => return,
        };
        let flags = if reply.last { RESPONSE_COMPLETE_FINAL } else { 0 };
        // SAFETY: the caller's function with the pointer it came with; the response becomes the
        // caller's, which deletes it.
        unsafe { function(response, flags, *userp) };
    }

    fn is_cancelled(&self) -> bool {
        self.held.progress.cancelled.load(Ordering::Acquire)
    }
}

/// A request that is the server's; dropping this gives it back.
struct Held {
    request: *mut TRITONSERVER_InferenceRequest,
    release: Release,
    progress: Arc<Progress>,
}

// SAFETY: the request is the server's, which moves between threads.
unsafe impl Send for Held {}
// SAFETY: nothing is done through a shared reference but reading `progress`.
unsafe impl Sync for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.progress.cancelled.store(false, Ordering::Release);
        self.progress.submitted.store(false, Ordering::Release);
        // SAFETY: the caller's function with the pointer it came with; it may delete the request,
        // which nobody here touches any more.
        unsafe { (self.release.function)(self.request, REQUEST_RELEASE_ALL, self.release.userp) };
    }
}
