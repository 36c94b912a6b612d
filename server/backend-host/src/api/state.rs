//! Implicit state, which sequence batching keeps between requests. This server does not batch
//! sequences, so a request has none.

use crate::{
    handles::{Arg, Array, Out, Text, guard},
    request::RequestObject,
};
use hippocamp_backend_abi::{
    TRITONBACKEND_State, TRITONSERVER_BufferAttributes, TRITONSERVER_DataType, TRITONSERVER_Error,
    TRITONSERVER_MemoryType,
};
use hippocamp_types::Error;
use std::{ffi::c_void, ptr};

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_StateNew(
    state: Out<*mut TRITONBACKEND_State>,
    request: Arg<RequestObject>,
    name: Text,
    _datatype: TRITONSERVER_DataType,
    _shape: Array<i64>,
    _dims_count: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        state.set_if_any(ptr::null_mut());
        let name = name.get()?;
        request.get()?.with(|request| {
            Err(Error::unsupported(format!(
                "{}state '{name}': {}",
                request.log_id(),
                stateless().message()
            )))
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_StateUpdate(
    _state: *mut TRITONBACKEND_State,
) -> *mut TRITONSERVER_Error {
    guard(|| Err(stateless()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_StateBuffer(
    _state: *mut TRITONBACKEND_State,
    buffer: Out<*mut c_void>,
    _buffer_byte_size: u64,
    _memory_type: Out<TRITONSERVER_MemoryType>,
    _memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        buffer.set_if_any(ptr::null_mut());
        Err(stateless())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_StateBufferAttributes(
    _state: *mut TRITONBACKEND_State,
    attributes: Out<*mut TRITONSERVER_BufferAttributes>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        attributes.set_if_any(ptr::null_mut());
        Err(stateless())
    })
}

fn stateless() -> Error {
    Error::unsupported(
        "implicit state needs sequence batching, which this server does not have yet",
    )
}
