//! What a backend does with a trace: it marks points in it, spawns one for a request of its own, and
//! reads who it is of. Strings that are given stay the trace's.

use crate::{
    handles::{Arg, Handle, Out, Text, guard},
    trace::TraceObject,
};
use hippocamp_backend_abi::{TRITONSERVER_Error, TRITONSERVER_InferenceTrace};
use hippocamp_types::{Error, Timestamp};
use std::{ffi::c_char, ptr};

/// A trace that the caller owns, and deletes or gives to `TRITONSERVER_ServerInferAsync`.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceSpawnChildTrace(
    trace: Arg<TraceObject>,
    child_trace: Out<*mut TRITONSERVER_InferenceTrace>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // As in Triton, nothing leads to nothing.
        child_trace.set(ptr::null_mut())?;
        if trace.is_null() {
            return Ok(());
        }
        let child = trace.get()?.child().ok_or_else(used)?;
        child_trace.set(Handle::give(child))
    })
}

/// The time is one of the steady clock.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceReportActivity(
    trace: Arg<TraceObject>,
    timestamp: u64,
    activity_name: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        if !trace.is_null() {
            trace.get()?.report(&activity_name.get()?, Timestamp::from_nanos(timestamp));
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceDelete(
    trace: Arg<TraceObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| TraceObject::take(trace).map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceId(
    trace: Arg<TraceObject>,
    id: Out<u64>,
) -> *mut TRITONSERVER_Error {
    guard(|| id.set(trace.get()?.id))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceParentId(
    trace: Arg<TraceObject>,
    parent_id: Out<u64>,
) -> *mut TRITONSERVER_Error {
    guard(|| parent_id.set(trace.get()?.parent_id))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceModelName(
    trace: Arg<TraceObject>,
    model_name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| model_name.set(trace.get()?.model.as_ptr()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceModelVersion(
    trace: Arg<TraceObject>,
    model_version: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| model_version.set(i64::try_from(trace.get()?.version).unwrap_or(i64::MAX)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceRequestId(
    trace: Arg<TraceObject>,
    request_id: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| request_id.set(trace.get()?.request_id.as_ptr()))
}

/// W3C trace context as a JSON object; empty where traces are no spans.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceContext(
    trace: Arg<TraceObject>,
    trace_context: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| trace_context.set(trace.get()?.context()))
}

/// Changes what [`TRITONSERVER_InferenceTraceContext`] gives, and nothing else.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceSetContext(
    trace: Arg<TraceObject>,
    trace_context: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        trace.get()?.set_context(&trace_context.get()?);
        Ok(())
    })
}

fn used() -> Error {
    Error::invalid("the trace was given to a request already")
}
