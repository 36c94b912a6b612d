//! Traces. `TRITONBACKEND_RequestTrace` gives none, so that nobody has one to bring here.

use crate::handles::{Out, Text, guard};
use hippocamp_backend_abi::{TRITONSERVER_Error, TRITONSERVER_InferenceTrace};
use hippocamp_types::Error;
use std::{ffi::c_char, ptr};

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceContext(
    _trace: *mut TRITONSERVER_InferenceTrace,
    trace_context: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        trace_context.set_if_any(ptr::null());
        Err(untraced())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceSpawnChildTrace(
    _trace: *mut TRITONSERVER_InferenceTrace,
    child_trace: Out<*mut TRITONSERVER_InferenceTrace>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        child_trace.set_if_any(ptr::null_mut());
        Err(untraced())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceTraceReportActivity(
    _trace: *mut TRITONSERVER_InferenceTrace,
    _timestamp: u64,
    _activity_name: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| Err(untraced()))
}

fn untraced() -> Error {
    Error::unsupported("this server does not trace requests: TRITONBACKEND_RequestTrace gives none")
}
