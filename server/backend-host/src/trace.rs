//! Traces as backends see them: that of a request they hold, or one they have spawned from it for a
//! request of their own.

use crate::handles::{Arg, Handle, Object, c_string, tag};
use hippocamp_backend_abi::TRITONSERVER_InferenceTrace;
use hippocamp_telemetry::ExecutionTimes;
use hippocamp_types::{Activity, Error, RequestTrace, Timestamp, TraceContext};
use std::{
    ffi::{CString, c_char},
    sync::{Mutex, PoisonError},
};

/// `TRITONSERVER_InferenceTrace`.
#[derive(Debug)]
pub(crate) struct TraceObject {
    /// `None` once it was given to a request.
    trace: Mutex<Option<RequestTrace>>,
    /// The backend's, in a box of its own; otherwise part of a request.
    is_owned: bool,
    pub(crate) id: u64,
    pub(crate) parent_id: u64,
    /// Of a trace that no request has yet: 0.
    pub(crate) version: u64,
    pub(crate) model: CString,
    pub(crate) request_id: CString,
    /// W3C trace context in JSON; empty where there are no spans.
    context: Mutex<CString>,
}

impl Object for TraceObject {
    type Opaque = TRITONSERVER_InferenceTrace;
    const TAG: u64 = tag(b"hc trace");
    const NAME: &'static str = "trace";
}

impl TraceObject {
    /// The trace of a request that a backend holds.
    pub(crate) fn new(trace: RequestTrace) -> Self {
        let context = trace.context().as_ref().map(in_json).unwrap_or_default();
        let (model, request_id, version) = trace.with(|record| {
            let version = record.version.unwrap_or(0);
            (c_string(&record.model), c_string(&record.request_id), version)
        });
        Self {
            id: trace.id(),
            parent_id: trace.parent_id(),
            version,
            model,
            request_id,
            context: Mutex::new(c_string(&context)),
            trace: Mutex::new(Some(trace)),
            is_owned: false,
        }
    }

    /// The trace of a request that this one leads to; it becomes the backend's.
    pub(crate) fn child(&self) -> Option<Self> {
        let child = self.with(|trace| Self::new(RequestTrace::new(trace.child())))?;
        Some(Self { is_owned: true, ..child })
    }

    /// Takes back a trace that was spawned.
    pub(crate) fn take(trace: Arg<Self>) -> Result<Box<Handle<Self>>, Error> {
        if !trace.get()?.is_owned {
            return Err(Error::invalid(
                "the trace is its request's: spawn one to give to a request, and delete only that",
            ));
        }
        trace.take()
    }

    /// A point that the backend names.
    pub(crate) fn report(&self, name: &str, at: Timestamp) {
        self.with(|trace| trace.record_custom(name, at));
    }

    /// What the backend reports of an execution; 0 is what it does not know.
    pub(crate) fn computed(&self, times: &ExecutionTimes) {
        self.with(|trace| {
            for (activity, at) in [
                (Activity::ComputeStart, times.exec_start),
                (Activity::ComputeInputEnd, times.compute_start),
                (Activity::ComputeOutputStart, times.compute_end),
                (Activity::ComputeEnd, times.exec_end),
            ] {
                if at > Timestamp::default() {
                    trace.record(activity, at);
                }
            }
        });
    }

    /// Valid until the next [`TraceObject::set_context`].
    pub(crate) fn context(&self) -> *const c_char {
        self.context.lock().unwrap_or_else(PoisonError::into_inner).as_ptr()
    }

    pub(crate) fn set_context(&self, context: &str) {
        *self.context.lock().unwrap_or_else(PoisonError::into_inner) = c_string(context);
    }

    /// Gives the trace to a request.
    pub(crate) fn give(&self) -> Option<RequestTrace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<R>(&self, look: impl FnOnce(&RequestTrace) -> R) -> Option<R> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)
    }
}

/// As Triton's Python backend hands it to models.
fn in_json(context: &TraceContext) -> String {
    let mut object = serde_json::json!({ "traceparent": context.to_string() });
    if !context.state.is_empty() {
        object["tracestate"] = context.state.clone().into();
    }
    object.to_string()
}
