//! The functions that a backend hands to its server with an inference request of its own.
#![allow(missing_docs, reason = "documented in the headers of the C API")]

use crate::types::*;
use std::ffi::{c_char, c_void};

pub type TRITONSERVER_ResponseAllocatorAllocFn_t = unsafe extern "C" fn(
    allocator: *mut TRITONSERVER_ResponseAllocator,
    tensor_name: *const c_char,
    byte_size: usize,
    memory_type: TRITONSERVER_MemoryType,
    memory_type_id: i64,
    userp: *mut c_void,
    buffer: *mut *mut c_void,
    buffer_userp: *mut *mut c_void,
    actual_memory_type: *mut TRITONSERVER_MemoryType,
    actual_memory_type_id: *mut i64,
) -> *mut TRITONSERVER_Error;

pub type TRITONSERVER_ResponseAllocatorReleaseFn_t =
    unsafe extern "C" fn(
        allocator: *mut TRITONSERVER_ResponseAllocator,
        buffer: *mut c_void,
        buffer_userp: *mut c_void,
        byte_size: usize,
        memory_type: TRITONSERVER_MemoryType,
        memory_type_id: i64,
    ) -> *mut TRITONSERVER_Error;

pub type TRITONSERVER_ResponseAllocatorStartFn_t = unsafe extern "C" fn(
    allocator: *mut TRITONSERVER_ResponseAllocator,
    userp: *mut c_void,
) -> *mut TRITONSERVER_Error;

pub type TRITONSERVER_ResponseAllocatorQueryFn_t = unsafe extern "C" fn(
    allocator: *mut TRITONSERVER_ResponseAllocator,
    userp: *mut c_void,
    tensor_name: *const c_char,
    byte_size: *mut usize,
    memory_type: *mut TRITONSERVER_MemoryType,
    memory_type_id: *mut i64,
) -> *mut TRITONSERVER_Error;

pub type TRITONSERVER_InferenceRequestReleaseFn_t = unsafe extern "C" fn(
    request: *mut TRITONSERVER_InferenceRequest,
    flags: u32,
    userp: *mut c_void,
);

pub type TRITONSERVER_InferenceResponseCompleteFn_t = unsafe extern "C" fn(
    response: *mut TRITONSERVER_InferenceResponse,
    flags: u32,
    userp: *mut c_void,
);
