//! Error objects and strings across the boundary.

use crate::{
    Error, ErrorCode,
    abi::{self, TRITONSERVER_Error, TRITONSERVER_Error_Code},
};
use std::{
    any::Any,
    ffi::{CStr, CString, c_char},
    ptr,
};

/// Takes an error object that the host gave us, and frees it. Null is success.
pub(crate) fn check(error: *mut TRITONSERVER_Error) -> Result<(), Error> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the object is live: the host just handed it over.
    let code = unsafe { abi::TRITONSERVER_ErrorCode(error) };
    // SAFETY: as above.
    let message = unsafe { abi::TRITONSERVER_ErrorMessage(error) };
    // SAFETY: the text is a C string that lives as long as the error object.
    let message = unsafe { text(message) }.unwrap_or("unknown error").to_owned();
    // SAFETY: the object is ours to delete, and this is its only deletion.
    unsafe { abi::TRITONSERVER_ErrorDelete(error) };
    Err(Error::new(ErrorCode::from_number(code.0), message))
}

/// An error object for the host, which frees it.
pub(crate) fn error_object(error: &Error) -> *mut TRITONSERVER_Error {
    let message = c_string(error.message());
    // SAFETY: the text is a C string that is live for the call, which copies it.
    unsafe { abi::TRITONSERVER_ErrorNew(code_to_abi(error.code()), message.as_ptr()) }
}

/// An error object for `result`, null for success.
pub(crate) fn into_object(result: Result<(), Error>) -> *mut TRITONSERVER_Error {
    match result {
        Ok(()) => ptr::null_mut(),
        Err(error) => error_object(&error),
    }
}

/// `text` for the host; it ends at a NUL inside, as every C string does.
pub(crate) fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).expect("no NUL is left in the text")
}

/// A C string of the host.
///
/// # Safety
/// `text` is null or a C string that lives for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(Error::internal("the server gave no text where one is due"));
    }
    // SAFETY: a C string by contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_not_utf8| Error::internal("the server gave a text that is not UTF-8"))
}

/// What a panic says.
pub(crate) fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("the backend panicked: {text}"))
}

fn code_to_abi(code: ErrorCode) -> TRITONSERVER_Error_Code {
    TRITONSERVER_Error_Code(code as u32)
}
