//! Responses, and the factories that make them for decoupled models.

use crate::{
    DataType, Error,
    abi::{self, TRITONBACKEND_Response, TRITONBACKEND_ResponseFactory, TRITONSERVER_MemoryType},
    input::datatype_to_abi,
    raw::{c_string, check, error_object},
    request::Answer,
};
use hippocamp_types::Parameter;
use std::{cell::Cell, mem::MaybeUninit, ptr, slice};

/// A response in the making. Outputs are written into it, then it is sent; dropping it sends
/// nothing.
#[derive(Debug)]
pub struct Response<'r> {
    handle: *mut TRITONBACKEND_Response,
    answer: Option<&'r Cell<Answer>>,
}

/// Sends responses to one request of a decoupled model, from any thread, for as long as it lives.
/// [`ResponseFactory::finish`] or [`Response::send`] ends the request; a factory that is dropped
/// before answers INTERNAL.
#[derive(Debug)]
pub struct ResponseFactory {
    handle: *mut TRITONBACKEND_ResponseFactory,
    /// Set when the request has had its last response.
    finished: Cell<Answer>,
}

// SAFETY: the C API lets a factory be used on any thread, one at a time; `ResponseFactory` is not
// `Sync` and gives out no other handle than responses that borrow it.
unsafe impl Send for ResponseFactory {}

impl<'r> Response<'r> {
    /// Takes over a response object. What happens to it is noted in `answer`.
    ///
    /// # Safety
    /// `handle` is live and ours.
    pub(crate) unsafe fn new(
        handle: *mut TRITONBACKEND_Response,
        answer: Option<&'r Cell<Answer>>,
    ) -> Self {
        Self { handle, answer }
    }

    /// Adds an output: `data` is copied into the buffer that is sent. Row-major, little-endian;
    /// BYTES elements each behind a 4-byte length.
    ///
    /// # Errors
    /// If the server refuses the output.
    pub fn output(
        &mut self,
        name: &str,
        datatype: DataType,
        shape: &[i64],
        data: &[u8],
    ) -> Result<(), Error> {
        let buffer = self.output_buffer(name, datatype, shape, data.len())?;
        buffer.write_copy_of_slice(data);
        Ok(())
    }

    /// Adds an output of `byte_size` bytes and gives its buffer, to be written by the caller.
    ///
    /// # Errors
    /// If the server refuses the output.
    pub fn output_buffer(
        &mut self,
        name: &str,
        datatype: DataType,
        shape: &[i64],
        byte_size: usize,
    ) -> Result<&mut [MaybeUninit<u8>], Error> {
        let c_name = c_string(name);
        let rank = u32::try_from(shape.len())
            .map_err(|_many| Error::internal("an output has too many dimensions"))?;
        let mut output = ptr::null_mut();
        // SAFETY: the response is live and ours, the name a C string, the shape has `rank` dimensions, which the call copies.
        check(unsafe {
            abi::TRITONBACKEND_ResponseOutput(
                self.handle,
                &raw mut output,
                c_name.as_ptr(),
                datatype_to_abi(datatype),
                shape.as_ptr(),
                rank,
            )
        })?;
        let mut buffer = ptr::null_mut();
        let mut memory = TRITONSERVER_MemoryType::CPU;
        let mut memory_id = 0;
        // SAFETY: the output is live as long as the response, every result is a place to write to.
        check(unsafe {
            abi::TRITONBACKEND_OutputBuffer(
                output,
                &raw mut buffer,
                byte_size as u64,
                &raw mut memory,
                &raw mut memory_id,
            )
        })?;
        if memory == TRITONSERVER_MemoryType::GPU {
            return Err(Error::unsupported(format!(
                "output '{name}' is wanted in GPU memory, which this backend does not write"
            )));
        }
        if byte_size == 0 || buffer.is_null() {
            return if byte_size == 0 {
                Ok(&mut [])
            } else {
                Err(Error::internal(format!("the server gave no buffer for output '{name}'")))
            };
        }
        // SAFETY: the host wrote the address of `byte_size` bytes in CPU memory, which are ours to
        // write until the response is sent or deleted; that needs `self`, which stays borrowed.
        Ok(unsafe { slice::from_raw_parts_mut(buffer.cast(), byte_size) })
    }

    /// Adds a parameter to the response.
    ///
    /// # Errors
    /// If the server refuses it, or it is an integer beyond `i64`.
    pub fn parameter(&mut self, name: &str, value: &Parameter) -> Result<(), Error> {
        let c_name = c_string(name);
        let set = match value {
            Parameter::Bool(value) => {
                // SAFETY: the response is live and ours, the name a C string that the call copies.
                unsafe {
                    abi::TRITONBACKEND_ResponseSetBoolParameter(
                        self.handle,
                        c_name.as_ptr(),
                        *value,
                    )
                }
            }
            Parameter::Int(value) => {
                // SAFETY: as above.
                unsafe {
                    abi::TRITONBACKEND_ResponseSetIntParameter(self.handle, c_name.as_ptr(), *value)
                }
            }
            Parameter::Uint(value) => {
                let value = i64::try_from(*value).map_err(|_large| {
                    Error::invalid(format!(
                        "parameter '{name}' exceeds the integers of the protocol"
                    ))
                })?;
                // SAFETY: as above.
                unsafe {
                    abi::TRITONBACKEND_ResponseSetIntParameter(self.handle, c_name.as_ptr(), value)
                }
            }
            Parameter::Double(value) => {
                // SAFETY: as above.
                unsafe {
                    abi::TRITONBACKEND_ResponseSetDoubleParameter(
                        self.handle,
                        c_name.as_ptr(),
                        *value,
                    )
                }
            }
            Parameter::String(value) => {
                let value = c_string(value);
                // SAFETY: as above; the value is a C string, too.
                unsafe {
                    abi::TRITONBACKEND_ResponseSetStringParameter(
                        self.handle,
                        c_name.as_ptr(),
                        value.as_ptr(),
                    )
                }
            }
        };
        check(set)
    }

    /// Sends the response; it is the request's last one.
    ///
    /// # Errors
    /// If the request has had its last response already, or the response lacks a buffer.
    pub fn send(self) -> Result<(), Error> {
        self.send_with(abi::RESPONSE_COMPLETE_FINAL, None)
    }

    /// Sends the response of a decoupled model; more will follow.
    ///
    /// # Errors
    /// If the request has had its last response already, or its model is not decoupled.
    pub fn send_more(self) -> Result<(), Error> {
        self.send_with(0, None)
    }

    /// Sends an error in place of the outputs; it ends the request.
    ///
    /// # Errors
    /// If the request has had its last response already.
    pub fn fail(self, error: &Error) -> Result<(), Error> {
        self.send_with(abi::RESPONSE_COMPLETE_FINAL, Some(error))
    }

    /// Sends an error in place of the outputs of a decoupled model; more responses will follow.
    ///
    /// # Errors
    /// If the request has had its last response already, or its model is not decoupled.
    pub fn fail_more(self, error: &Error) -> Result<(), Error> {
        self.send_with(0, Some(error))
    }

    fn send_with(self, flags: u32, error: Option<&Error>) -> Result<(), Error> {
        let object = error.map_or(ptr::null_mut(), error_object);
        let handle = self.handle;
        let answer = self.answer;
        // The response is the host's from here on, whether it can be sent or not.
        std::mem::forget(self);
        // SAFETY: the response is live and given away; the error object stays ours.
        let sent = check(unsafe { abi::TRITONBACKEND_ResponseSend(handle, flags, object) });
        if !object.is_null() {
            // SAFETY: the object is ours and deleted once.
            unsafe { abi::TRITONSERVER_ErrorDelete(object) };
        }
        if sent.is_ok()
            && flags == abi::RESPONSE_COMPLETE_FINAL
            && let Some(answer) = answer
        {
            answer.set(if error.is_none() { Answer::Success } else { Answer::Failure });
        }
        sent
    }
}

impl Drop for Response<'_> {
    fn drop(&mut self) {
        // SAFETY: the response is live and ours: sending it forgets `self`.
        let deleted = unsafe { abi::TRITONBACKEND_ResponseDelete(self.handle) };
        if let Err(error) = check(deleted) {
            crate::error!("failed to delete a response: {error}");
        }
    }
}

impl ResponseFactory {
    /// Takes over a factory.
    ///
    /// # Safety
    /// `handle` is live and ours.
    pub(crate) unsafe fn new(handle: *mut TRITONBACKEND_ResponseFactory) -> Self {
        Self { handle, finished: Cell::new(Answer::Due) }
    }

    /// Begins a response.
    ///
    /// # Errors
    /// As the server says.
    pub fn response(&self) -> Result<Response<'_>, Error> {
        let mut response = ptr::null_mut();
        // SAFETY: the factory is live as long as this value, `response` is a place to write to.
        check(unsafe {
            abi::TRITONBACKEND_ResponseNewFromFactory(&raw mut response, self.handle)
        })?;
        // SAFETY: the response is new and ours.
        Ok(unsafe { Response::new(response, Some(&self.finished)) })
    }

    /// Ends the request without a further response; nothing happens if it has had its last one.
    ///
    /// # Errors
    /// As the server says.
    pub fn finish(self) -> Result<(), Error> {
        if self.finished.get() != Answer::Due {
            return Ok(());
        }
        self.finished.set(Answer::Success);
        // SAFETY: the factory is live as long as this value.
        check(unsafe {
            abi::TRITONBACKEND_ResponseFactorySendFlags(self.handle, abi::RESPONSE_COMPLETE_FINAL)
        })
    }

    /// Ends the request with an error; nothing happens if it has had its last response.
    ///
    /// # Errors
    /// As the server says.
    pub fn fail(self, error: &Error) -> Result<(), Error> {
        if self.finished.get() != Answer::Due {
            return Ok(());
        }
        self.response()?.fail(error)
    }

    /// Whether nobody waits for responses any more.
    pub fn is_cancelled(&self) -> bool {
        let mut cancelled = false;
        // SAFETY: the factory is live as long as this value, `cancelled` is a place to write to.
        let asked = unsafe {
            abi::TRITONBACKEND_ResponseFactoryIsCancelled(self.handle, &raw mut cancelled)
        };
        check(asked).is_ok() && cancelled
    }
}

impl Drop for ResponseFactory {
    fn drop(&mut self) {
        if self.finished.get() == Answer::Due
            && let Ok(response) = self.response()
        {
            let error = Error::internal("the backend gave up before its last response");
            // The host answers by itself if this fails.
            drop(response.fail(&error));
        }
        // SAFETY: the factory is live and ours, and this is its only deletion.
        let deleted = unsafe { abi::TRITONBACKEND_ResponseFactoryDelete(self.handle) };
        if let Err(error) = check(deleted) {
            crate::error!("failed to delete a response factory: {error}");
        }
    }
}
