//! Getters of a request, and its release. Everything they give stays the request's and is invalid
//! after its release.

use crate::{
    handles::{Arg, Out, Text, guard},
    request::{Correlation, RequestObject, released},
};
use hippocamp_backend_abi::{
    REQUEST_RELEASE_ALL, TRITONBACKEND_Input, TRITONSERVER_Error, TRITONSERVER_InferenceTrace,
    TRITONSERVER_MemoryType, TRITONSERVER_ParameterType,
};
use hippocamp_types::Error;
use std::{
    ffi::{c_char, c_void},
    ptr,
};

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestId(
    request: Arg<RequestObject>,
    id: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| id.set(request.id.as_ptr())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestCorrelationId(
    request: Arg<RequestObject>,
    id: Out<u64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| match &request.correlation {
            Correlation::Number(number) => id.set(*number),
            Correlation::String(_) => Err(Error::invalid(format!(
                "{}correlation ID in request is not an unsigned int",
                request.log_id()
            ))),
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestCorrelationIdString(
    request: Arg<RequestObject>,
    id: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| match &request.correlation {
            Correlation::String(text) => id.set(text.as_ptr()),
            Correlation::Number(_) => Err(Error::invalid(format!(
                "{}correlation ID in request is not a string",
                request.log_id()
            ))),
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestFlags(
    request: Arg<RequestObject>,
    flags: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| flags.set(request.flags)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InferenceRequestTimeoutMicroseconds(
    request: Arg<RequestObject>,
    timeout_us: Out<u64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| {
            let timeout = request.timeout.unwrap_or_default().as_micros();
            timeout_us.set(u64::try_from(timeout).unwrap_or(u64::MAX))
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestIsCancelled(
    request: Arg<RequestObject>,
    is_cancelled: Out<bool>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| is_cancelled.set(request.context.is_cancelled())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestParameterCount(
    request: Arg<RequestObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| count.set(length(&request.parameters))))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestParameter(
    request: Arg<RequestObject>,
    index: u32,
    key: Out<*const c_char>,
    kind: Out<TRITONSERVER_ParameterType>,
    value: Out<*const c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| {
            let (name, parameter) = request.parameters.get(index as usize).ok_or_else(|| {
                Error::invalid(format!(
                    "out of bounds index {index}: request has {} parameters",
                    request.parameters.len()
                ))
            })?;
            let (parameter_kind, address) = parameter.as_c();
            key.set(name.as_ptr())?;
            kind.set(parameter_kind)?;
            value.set(address)
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestInputCount(
    request: Arg<RequestObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| count.set(length(&request.inputs))))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestInputName(
    request: Arg<RequestObject>,
    index: u32,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| name.set(request.input(index)?.name.as_ptr())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestInput(
    request: Arg<RequestObject>,
    name: Text,
    input: Out<*mut TRITONBACKEND_Input>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let name = name.get()?;
        request.get()?.with(|request| {
            let found =
                request.inputs.iter().find(|input| input.name.to_bytes() == name.as_bytes());
            let Some(found) = found else {
                input.set(ptr::null_mut())?;
                return Err(Error::invalid(format!(
                    "{}unknown request input name {name}",
                    request.log_id()
                )));
            };
            input.set(found.as_raw())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestInputByIndex(
    request: Arg<RequestObject>,
    index: u32,
    input: Out<*mut TRITONBACKEND_Input>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| input.set(request.input(index)?.as_raw())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestOutputCount(
    request: Arg<RequestObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| request.get()?.with(|request| count.set(length(request.context.wanted()))))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestOutputName(
    request: Arg<RequestObject>,
    index: u32,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| {
            let wanted = request.context.wanted();
            let output = wanted.get(index as usize).ok_or_else(|| {
                Error::invalid(format!(
                    "{}out of bounds index {index}: request has {} requested outputs",
                    request.log_id(),
                    wanted.len()
                ))
            })?;
            name.set(request.context.model().output_names[*output].as_ptr())
        })
    })
}

/// Where an output's buffer will lie: in CPU memory, whatever the wish.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestOutputBufferProperties(
    request: Arg<RequestObject>,
    name: Text,
    _byte_size: Out<usize>,
    memory_type: Out<TRITONSERVER_MemoryType>,
    memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let name = name.or_empty();
        request.get()?.with(|request| {
            let outputs = &request.context.model().config.outputs;
            if !name.is_empty() && !outputs.iter().any(|output| output.name == name) {
                return Err(Error::invalid(format!(
                    "{}unknown request output name {name}",
                    request.log_id()
                )));
            }
            memory_type.set(TRITONSERVER_MemoryType::CPU)?;
            memory_type_id.set(0)
        })
    })
}

/// Gives the request back to the server; on error it stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestRelease(
    request: Arg<RequestObject>,
    release_flags: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        if release_flags != REQUEST_RELEASE_ALL {
            return Err(Error::unsupported(format!(
                "requests are released with TRITONSERVER_REQUEST_RELEASE_ALL, got flags {release_flags}"
            )));
        }
        // A request that has no answer and nobody left to give one is answered when this drops.
        request.get()?.end().map(drop).ok_or_else(released)
    })
}

/// Null for a request that is not traced; the trace stays the request's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_RequestTrace(
    request: Arg<RequestObject>,
    trace: Out<*mut TRITONSERVER_InferenceTrace>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        request.get()?.with(|request| {
            trace.set(request.trace.as_ref().map_or(ptr::null_mut(), |trace| trace.as_raw()))
        })
    })
}

fn length<T>(slice: &[T]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}
