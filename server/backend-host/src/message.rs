//! Error, message and parameter objects.

use crate::handles::{Arg, Handle, Object, c_string, tag};
use bytes::Bytes;
use hippocamp_backend_abi::{
    TRITONSERVER_Error, TRITONSERVER_Error_Code, TRITONSERVER_Message, TRITONSERVER_Parameter,
};
use hippocamp_types::{Error, ErrorCode};
use std::ffi::CString;

/// `TRITONSERVER_Error`.
#[derive(Debug)]
pub(crate) struct ErrorObject {
    pub(crate) code: TRITONSERVER_Error_Code,
    pub(crate) message: CString,
    /// Part of another object, and freed with it: deleting it does nothing.
    pub(crate) lent: bool,
}

/// `TRITONSERVER_Message`: a JSON text.
#[derive(Debug)]
pub(crate) struct MessageObject {
    pub(crate) json: String,
}

/// `TRITONSERVER_Parameter`.
#[derive(Debug)]
pub(crate) struct ParameterObject {
    pub(crate) name: String,
    pub(crate) value: NamedValue,
}

/// What a parameter object carries. No function of this server takes a number.
#[derive(Debug)]
pub(crate) enum NamedValue {
    String(String),
    Bytes(Bytes),
    Other,
}

impl Object for ErrorObject {
    type Opaque = TRITONSERVER_Error;
    const TAG: u64 = tag(b"hc error");
    const NAME: &'static str = "error";
}

impl Object for MessageObject {
    type Opaque = TRITONSERVER_Message;
    const TAG: u64 = tag(b"hc messg");
    const NAME: &'static str = "message";
}

impl Object for ParameterObject {
    type Opaque = TRITONSERVER_Parameter;
    const TAG: u64 = tag(b"hc param");
    const NAME: &'static str = "parameter";
}

impl ErrorObject {
    /// An error object that the caller owns.
    pub(crate) fn give(error: &Error) -> *mut TRITONSERVER_Error {
        let code = TRITONSERVER_Error_Code(error.code() as u32);
        Handle::give(Self { code, message: c_string(error.message()), lent: false })
    }

    /// An error object that its maker keeps and shows to callers.
    pub(crate) fn lent(error: &Error) -> Self {
        let code = TRITONSERVER_Error_Code(error.code() as u32);
        Self { code, message: c_string(error.message()), lent: true }
    }

    /// The error that this object carries.
    pub(crate) fn to_error(&self) -> Error {
        Error::new(ErrorCode::from_number(self.code.0), self.message.to_string_lossy())
    }
}

/// Takes over what a backend's function returned; null is success.
pub(crate) fn take_result(raw: *mut TRITONSERVER_Error) -> Result<(), Error> {
    let error = Arg::<ErrorObject>::new(raw);
    if error.is_null() {
        return Ok(());
    }
    if let Ok(lent) = error.get()
        && lent.lent
    {
        return Err(lent.to_error());
    }
    match error.take() {
        Ok(error) => Err(error.to_error()),
        Err(_foreign) => Err(Error::internal(
            "the backend returned a pointer that is no error object of this server",
        )),
    }
}
