//! Error, message and parameter objects.

use crate::{
    handles::{Arg, Array, Handle, Out, Text, c_string, guard},
    message::{ErrorObject, MessageObject, NamedValue, ParameterObject},
};
use hippocamp_backend_abi::{
    TRITONSERVER_Error, TRITONSERVER_Error_Code, TRITONSERVER_Message, TRITONSERVER_Parameter,
    TRITONSERVER_ParameterType,
};
use hippocamp_types::Error;
use std::{ffi::c_char, ptr};

/// The object is new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ErrorNew(
    code: TRITONSERVER_Error_Code,
    message: Text,
) -> *mut TRITONSERVER_Error {
    Handle::give(ErrorObject { code, message: c_string(&message.or_empty()), lent: false })
}

/// Frees the error; there is nobody to tell that it is none. That of a response goes with the
/// response: the header leaves it there, but Python's backend deletes it.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ErrorDelete(error: Arg<ErrorObject>) {
    if error.get().is_ok_and(|error| error.lent) {
        return;
    }
    if !error.is_null()
        && let Err(fault) = error.take()
    {
        tracing::error!(target: "backend", "TRITONSERVER_ErrorDelete: {fault}");
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ErrorCode(error: Arg<ErrorObject>) -> TRITONSERVER_Error_Code {
    error.get().map_or(TRITONSERVER_Error_Code::UNKNOWN, |error| error.code)
}

/// The text is static.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ErrorCodeString(error: Arg<ErrorObject>) -> *const c_char {
    let code = error.get().map_or(TRITONSERVER_Error_Code::UNKNOWN, |error| error.code);
    match code {
        TRITONSERVER_Error_Code::UNKNOWN => c"Unknown",
        TRITONSERVER_Error_Code::INTERNAL => c"Internal",
        TRITONSERVER_Error_Code::NOT_FOUND => c"Not found",
        TRITONSERVER_Error_Code::INVALID_ARG => c"Invalid argument",
        TRITONSERVER_Error_Code::UNAVAILABLE => c"Unavailable",
        TRITONSERVER_Error_Code::UNSUPPORTED => c"Unsupported",
        TRITONSERVER_Error_Code::ALREADY_EXISTS => c"Already exists",
        TRITONSERVER_Error_Code::CANCELLED => c"Cancelled",
        _ => c"<invalid code>",
    }
    .as_ptr()
}

/// The text stays the error's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ErrorMessage(error: Arg<ErrorObject>) -> *const c_char {
    error.get().map_or(c"unknown error".as_ptr(), |error| error.message.as_ptr())
}

/// The message is new and the caller's; the text is copied.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MessageNewFromSerializedJson(
    message: Out<*mut TRITONSERVER_Message>,
    base: Array<u8>,
    byte_size: usize,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let json = String::from_utf8(base.copy(byte_size)?)
            .map_err(|_not_utf8| Error::invalid("the message is not UTF-8"))?;
        serde_json::from_str::<serde::de::IgnoredAny>(&json).map_err(|error| {
            Error::invalid(format!("failed to parse the message as JSON: {error}"))
        })?;
        let object = Handle::give(MessageObject { json });
        message.set(object).inspect_err(|_no_place| drop(Arg::<MessageObject>::new(object).take()))
    })
}

/// Frees the message.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MessageDelete(
    message: Arg<MessageObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| message.take().map(drop))
}

/// The text stays the message's; it is not terminated.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MessageSerializeToJson(
    message: Arg<MessageObject>,
    base: Out<*const c_char>,
    byte_size: Out<usize>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let json = &message.get()?.json;
        base.set(json.as_ptr().cast())?;
        byte_size.set(json.len())
    })
}

/// The object is new and the caller's, and the value is copied; null for a kind that has a function
/// of its own.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ParameterNew(
    name: Text,
    kind: TRITONSERVER_ParameterType,
    value: Text,
) -> *mut TRITONSERVER_Parameter {
    let value = match kind {
        _ if value.is_null() => None,
        TRITONSERVER_ParameterType::STRING => value.get().ok().map(NamedValue::String),
        TRITONSERVER_ParameterType::INT
        | TRITONSERVER_ParameterType::BOOL
        | TRITONSERVER_ParameterType::DOUBLE => Some(NamedValue::Other),
        _ => None,
    };
    match (name.get(), value) {
        (Ok(name), Some(value)) => Handle::give(ParameterObject { name, value }),
        _ => ptr::null_mut(),
    }
}

/// The object is new and the caller's, and the bytes are copied.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ParameterBytesNew(
    name: Text,
    bytes: Array<u8>,
    size: u64,
) -> *mut TRITONSERVER_Parameter {
    let bytes = usize::try_from(size).ok().and_then(|size| bytes.copy(size).ok());
    match (name.get(), bytes) {
        (Ok(name), Some(bytes)) => {
            Handle::give(ParameterObject { name, value: NamedValue::Bytes(bytes.into()) })
        }
        _ => ptr::null_mut(),
    }
}

/// Frees the parameter; there is nobody to tell that it is none.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ParameterDelete(parameter: Arg<ParameterObject>) {
    if !parameter.is_null()
        && let Err(fault) = parameter.take()
    {
        tracing::error!(target: "backend", "TRITONSERVER_ParameterDelete: {fault}");
    }
}
