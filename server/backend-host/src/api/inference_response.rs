//! Getters of the responses to a backend's own requests. All they give stays the response's.

use crate::{
    handles::{Arg, Out, guard},
    inference_response::InferenceResponseObject,
};
use hippocamp_backend_abi::{
    TRITONSERVER_DataType, TRITONSERVER_Error, TRITONSERVER_MemoryType, TRITONSERVER_ParameterType,
};
use hippocamp_types::Error;
use std::{
    ffi::{c_char, c_void},
    ptr,
};

/// Frees the response, and its buffers by the allocator that gave them; none is no error.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseDelete(
    inference_response: Arg<InferenceResponseObject>,
) -> *mut TRITONSERVER_Error {
    guard(
        || {
            if inference_response.is_null() { Ok(()) } else { inference_response.take().map(drop) }
        },
    )
}

/// Null for success. What is no response is an error of the caller's own.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseError(
    inference_response: Arg<InferenceResponseObject>,
) -> *mut TRITONSERVER_Error {
    let mut of_response = ptr::null_mut();
    let fault = guard(|| {
        if let Some(error) = &inference_response.get()?.error {
            of_response = error.as_raw();
        }
        Ok(())
    });
    if fault.is_null() { of_response } else { fault }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseOutputCount(
    inference_response: Arg<InferenceResponseObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| count.set(length(&inference_response.get()?.outputs)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseOutput(
    inference_response: Arg<InferenceResponseObject>,
    index: u32,
    name: Out<*const c_char>,
    datatype: Out<TRITONSERVER_DataType>,
    shape: Out<*const i64>,
    dim_count: Out<u64>,
    base: Out<*const c_void>,
    byte_size: Out<usize>,
    memory_type: Out<TRITONSERVER_MemoryType>,
    memory_type_id: Out<i64>,
    userp: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let outputs = &inference_response.get()?.outputs;
        let output =
            outputs.get(index as usize).ok_or_else(|| out_of_bounds(index, outputs, "outputs"))?;
        name.set(output.name.as_ptr())?;
        datatype.set(output.datatype)?;
        shape.set(output.shape.dims().as_ptr())?;
        dim_count.set(output.shape.rank() as u64)?;
        base.set(output.buffer.start)?;
        byte_size.set(output.buffer.byte_size)?;
        memory_type.set(output.buffer.memory_type)?;
        memory_type_id.set(output.buffer.memory_type_id)?;
        userp.set(output.buffer.userp)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseParameterCount(
    inference_response: Arg<InferenceResponseObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| count.set(length(&inference_response.get()?.parameters)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceResponseParameter(
    inference_response: Arg<InferenceResponseObject>,
    index: u32,
    name: Out<*const c_char>,
    kind: Out<TRITONSERVER_ParameterType>,
    value: Out<*const c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let parameters = &inference_response.get()?.parameters;
        let (key, parameter) = parameters
            .get(index as usize)
            .ok_or_else(|| out_of_bounds(index, parameters, "parameters"))?;
        let (parameter_kind, address) = parameter.as_c();
        name.set(key.as_ptr())?;
        kind.set(parameter_kind)?;
        value.set(address)
    })
}

fn length<T>(slice: &[T]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}

fn out_of_bounds<T>(index: u32, slice: &[T], what: &str) -> Error {
    Error::invalid(format!("out of bounds index {index}: response has {} {what}", slice.len()))
}
