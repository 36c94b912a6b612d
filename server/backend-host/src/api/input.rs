//! Getters of an input. Its data is one buffer in CPU memory, the same for every host policy. All
//! they give stays the request's and is invalid after its release.

use crate::{
    handles::{Arg, Out, Text, guard},
    request::InputObject,
};
use hippocamp_backend_abi::{
    TRITONSERVER_BufferAttributes, TRITONSERVER_DataType, TRITONSERVER_Error,
    TRITONSERVER_MemoryType,
};
use hippocamp_types::Error;
use std::ffi::{c_char, c_void};

/// Results that the caller does not want may be null.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InputProperties(
    input: Arg<InputObject>,
    name: Out<*const c_char>,
    datatype: Out<TRITONSERVER_DataType>,
    shape: Out<*const i64>,
    dims_count: Out<u32>,
    byte_size: Out<u64>,
    buffer_count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let input = input.get()?;
        name.set_if_any(input.name.as_ptr());
        datatype.set_if_any(input.datatype);
        shape.set_if_any(input.shape.dims().as_ptr());
        dims_count.set_if_any(u32::try_from(input.shape.rank()).unwrap_or(u32::MAX));
        byte_size.set_if_any(input.data.len() as u64);
        buffer_count.set_if_any(1);
        Ok(())
    })
}

/// Results that the caller does not want may be null.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InputPropertiesForHostPolicy(
    input: Arg<InputObject>,
    _host_policy_name: Text,
    name: Out<*const c_char>,
    datatype: Out<TRITONSERVER_DataType>,
    shape: Out<*const i64>,
    dims_count: Out<u32>,
    byte_size: Out<u64>,
    buffer_count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the caller keeps the same conditions.
    unsafe {
        TRITONBACKEND_InputProperties(
            input,
            name,
            datatype,
            shape,
            dims_count,
            byte_size,
            buffer_count,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InputBuffer(
    input: Arg<InputObject>,
    index: u32,
    buffer: Out<*const c_void>,
    byte_size: Out<u64>,
    memory_type: Out<TRITONSERVER_MemoryType>,
    memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let input = input.get()?;
        check_index(input, index)?;
        buffer.set(input.data.as_ptr().cast())?;
        byte_size.set(input.data.len() as u64)?;
        memory_type.set(TRITONSERVER_MemoryType::CPU)?;
        memory_type_id.set(0)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InputBufferForHostPolicy(
    input: Arg<InputObject>,
    _host_policy_name: Text,
    index: u32,
    buffer: Out<*const c_void>,
    byte_size: Out<u64>,
    memory_type: Out<TRITONSERVER_MemoryType>,
    memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the caller keeps the same conditions.
    unsafe {
        TRITONBACKEND_InputBuffer(input, index, buffer, byte_size, memory_type, memory_type_id)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_InputBufferAttributes(
    input: Arg<InputObject>,
    index: u32,
    buffer: Out<*const c_void>,
    attributes: Out<*mut TRITONSERVER_BufferAttributes>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let input = input.get()?;
        check_index(input, index)?;
        buffer.set(input.data.as_ptr().cast())?;
        attributes.set(input.attributes.as_raw())
    })
}

fn check_index(input: &InputObject, index: u32) -> Result<(), Error> {
    if index == 0 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "out of bounds index {index}: input '{}' has 1 buffer",
        input.name.to_string_lossy()
    )))
}
