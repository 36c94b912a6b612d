//! The host's functions as a backend calls them, with results in place of error objects.

use hippocamp_backend_abi::*;
use std::{
    ffi::{CStr, CString, c_void},
    ptr, slice,
};

pub(super) type RequestHandle = *mut TRITONBACKEND_Request;

/// An error object for `result`.
pub(super) fn object(result: Result<(), String>) -> *mut TRITONSERVER_Error {
    match result {
        Ok(()) => ptr::null_mut(),
        Err(text) => {
            let text = CString::new(text).unwrap();
            // SAFETY: a C string.
            unsafe { TRITONSERVER_ErrorNew(TRITONSERVER_Error_Code::UNAVAILABLE, text.as_ptr()) }
        }
    }
}

/// Takes an error object.
pub(super) fn result(error: *mut TRITONSERVER_Error) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: a live error.
    let text = unsafe { TRITONSERVER_ErrorMessage(error) };
    // SAFETY: a C string of the error.
    let text = unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
    // SAFETY: ours, deleted once.
    unsafe { TRITONSERVER_ErrorDelete(error) };
    Err(text)
}

/// The requests of a batch.
///
/// # Safety
/// As the arguments of `TRITONBACKEND_ModelInstanceExecute`.
pub(super) unsafe fn batch<'a>(requests: *mut RequestHandle, count: u32) -> &'a [RequestHandle] {
    // SAFETY: by contract.
    unsafe { slice::from_raw_parts(requests, count as usize) }
}

pub(super) fn release(request: RequestHandle) -> Result<(), String> {
    // SAFETY: a handle of the host, whose memory outlives the request.
    result(unsafe { TRITONBACKEND_RequestRelease(request, REQUEST_RELEASE_ALL) })
}

pub(super) fn response(request: RequestHandle) -> Result<*mut TRITONBACKEND_Response, String> {
    let mut response = ptr::null_mut();
    // SAFETY: a handle of the host, whose memory outlives the request.
    result(unsafe { TRITONBACKEND_ResponseNew(&raw mut response, request) })?;
    Ok(response)
}

/// Adds an output of one row of 4 bytes, with a buffer of `byte_size`.
pub(super) fn add_output(
    response: *mut TRITONBACKEND_Response,
    name: &CStr,
    byte_size: u64,
) -> Result<*mut c_void, String> {
    let mut output = ptr::null_mut();
    let shape = [1_i64, 1];
    // SAFETY: a live response, a C string, a shape of two dimensions.
    result(unsafe {
        TRITONBACKEND_ResponseOutput(
            response,
            &raw mut output,
            name.as_ptr(),
            TRITONSERVER_DataType::INT32,
            shape.as_ptr(),
            2,
        )
    })?;
    let (mut buffer, mut memory, mut id) = (ptr::null_mut(), TRITONSERVER_MemoryType::GPU, 7);
    // SAFETY: a live output.
    result(unsafe {
        TRITONBACKEND_OutputBuffer(output, &raw mut buffer, byte_size, &raw mut memory, &raw mut id)
    })?;
    assert_eq!((memory, id), (TRITONSERVER_MemoryType::CPU, 0));
    Ok(buffer)
}

pub(super) fn send(response: *mut TRITONBACKEND_Response, flags: u32) -> Result<(), String> {
    // SAFETY: a live response; no error.
    result(unsafe { TRITONBACKEND_ResponseSend(response, flags, ptr::null_mut()) })
}

/// Answers with one row of `OUT`.
pub(super) fn answer(request: RequestHandle) -> Result<(), String> {
    let response = response(request)?;
    add_output(response, c"OUT", 4)?;
    send(response, RESPONSE_COMPLETE_FINAL)
}

pub(super) fn factory(
    request: RequestHandle,
) -> Result<*mut TRITONBACKEND_ResponseFactory, String> {
    let mut factory = ptr::null_mut();
    // SAFETY: a live request.
    result(unsafe { TRITONBACKEND_ResponseFactoryNew(&raw mut factory, request) })?;
    Ok(factory)
}
