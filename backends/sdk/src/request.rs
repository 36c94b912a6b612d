//! A request of a batch. The SDK releases it when the batch's execution ends.

use crate::{
    Error, Input, Response, ResponseFactory,
    abi::{self, TRITONBACKEND_Request, TRITONSERVER_ParameterType},
    raw::{c_string, check, text},
};
use hippocamp_types::Parameter;
use std::{
    cell::Cell,
    ffi::{c_char, c_void},
    ptr,
};

/// One request of a batch.
#[derive(Debug)]
pub struct Request {
    handle: *mut TRITONBACKEND_Request,
    rows: usize,
    answer: Cell<Answer>,
}

/// Who answers a request, and how it went so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nobody yet.
    Due,
    /// A response factory, which may outlive the batch.
    Factory,
    /// Answered.
    Success,
    /// Answered with an error.
    Failure,
}

/// The sequence a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// None (`sequence_id` absent or 0).
    None,
    /// A number.
    Number(u64),
    /// A string.
    String(String),
}

impl Request {
    /// Takes over a request of a batch.
    ///
    /// # Safety
    /// `handle` is live, and ours until it is released by [`Self::release`]. `batched`: the model
    /// has a batch dimension.
    pub(crate) unsafe fn new(handle: *mut TRITONBACKEND_Request, batched: bool) -> Self {
        let mut request = Self { handle, rows: 1, answer: Cell::new(Answer::Due) };
        if batched && let Ok(input) = request.input_at(0) {
            let rows = input.shape().first().copied().unwrap_or(1);
            request.rows = usize::try_from(rows).unwrap_or(0);
        }
        request
    }

    /// The client's id for this request; empty if it gave none.
    ///
    /// # Errors
    /// If the server has no text there.
    pub fn id(&self) -> Result<&str, Error> {
        let mut id = ptr::null();
        // SAFETY: the request is live as long as this value, `id` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_RequestId(self.handle, &raw mut id) })?;
        if id.is_null() {
            return Ok("");
        }
        // SAFETY: the host wrote a string that lives as long as the request.
        unsafe { text(id) }
    }

    /// Rows in this request: the first dimension of its inputs, or 1 where the model has no batch dimension.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    ///
    /// # Errors
    /// As the server says.
    pub fn input_count(&self) -> Result<u32, Error> {
        let mut count = 0;
        // SAFETY: the request is live as long as this value, `count` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_RequestInputCount(self.handle, &raw mut count) })?;
        Ok(count)
    }

    /// The input named `name`.
    ///
    /// # Errors
    /// If the request has no such input.
    pub fn input(&self, name: &str) -> Result<Input<'_>, Error> {
        let name = c_string(name);
        let mut input = ptr::null_mut();
        // SAFETY: the request is live as long as this value, the name a C string, `input` a place to write to.
        check(unsafe {
            abi::TRITONBACKEND_RequestInput(self.handle, name.as_ptr(), &raw mut input)
        })?;
        // SAFETY: the input belongs to this request, which is not released before `self` is gone.
        unsafe { Input::read(input) }
    }

    /// The input at `index`, in the configuration's order.
    ///
    /// # Errors
    /// If there are fewer inputs.
    pub fn input_at(&self, index: u32) -> Result<Input<'_>, Error> {
        let mut input = ptr::null_mut();
        // SAFETY: the request is live as long as this value, `input` is a place to write to.
        check(unsafe {
            abi::TRITONBACKEND_RequestInputByIndex(self.handle, index, &raw mut input)
        })?;
        // SAFETY: the input belongs to this request, which is not released before `self` is gone.
        unsafe { Input::read(input) }
    }

    /// All inputs, in the configuration's order.
    ///
    /// # Errors
    /// As the server says.
    pub fn inputs(&self) -> Result<Vec<Input<'_>>, Error> {
        (0..self.input_count()?).map(|index| self.input_at(index)).collect()
    }

    /// Names of the outputs that the client wants.
    ///
    /// # Errors
    /// As the server says.
    pub fn outputs(&self) -> Result<Vec<&str>, Error> {
        let mut count = 0;
        // SAFETY: the request is live as long as this value, `count` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_RequestOutputCount(self.handle, &raw mut count) })?;
        (0..count)
            .map(|index| {
                let mut name = ptr::null();
                // SAFETY: as above.
                check(unsafe {
                    abi::TRITONBACKEND_RequestOutputName(self.handle, index, &raw mut name)
                })?;
                // SAFETY: the host wrote a string that lives as long as the request.
                unsafe { text(name) }
            })
            .collect()
    }

    /// Whether the client wants the output named `name`. Others need not be computed; writing
    /// them is allowed and has no effect.
    pub fn wants(&self, name: &str) -> bool {
        self.outputs().is_ok_and(|names| names.contains(&name))
    }

    /// The request's parameters that have a meaning to the backend, in the client's order.
    ///
    /// # Errors
    /// As the server says.
    pub fn parameters(&self) -> Result<Vec<(&str, Parameter)>, Error> {
        let mut count = 0;
        // SAFETY: the request is live as long as this value, `count` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_RequestParameterCount(self.handle, &raw mut count) })?;
        let mut parameters = Vec::new();
        for index in 0..count {
            let mut key = ptr::null();
            let mut kind = TRITONSERVER_ParameterType::STRING;
            let mut value = ptr::null();
            // SAFETY: the request is live as long as this value, every result is a place to write to.
            check(unsafe {
                abi::TRITONBACKEND_RequestParameter(
                    self.handle,
                    index,
                    &raw mut key,
                    &raw mut kind,
                    &raw mut value,
                )
            })?;
            // SAFETY: the host wrote a string that lives as long as the request.
            let key = unsafe { text(key) }?;
            // SAFETY: the host wrote a pointer to a value of this kind, which lives as long as the request.
            if let Some(value) = unsafe { parameter(kind, value) }? {
                parameters.push((key, value));
            }
        }
        Ok(parameters)
    }

    /// The request's parameter named `key`.
    ///
    /// # Errors
    /// As the server says.
    pub fn parameter(&self, key: &str) -> Result<Option<Parameter>, Error> {
        Ok(self.parameters()?.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value))
    }

    /// The sequence the request belongs to.
    ///
    /// # Errors
    /// As the server says.
    pub fn correlation(&self) -> Result<Correlation, Error> {
        let mut number = 0;
        // SAFETY: the request is live as long as this value, `number` is a place to write to.
        if check(unsafe { abi::TRITONBACKEND_RequestCorrelationId(self.handle, &raw mut number) })
            .is_ok()
        {
            return Ok(if number == 0 { Correlation::None } else { Correlation::Number(number) });
        }
        let mut id = ptr::null();
        // SAFETY: as above.
        check(unsafe { abi::TRITONBACKEND_RequestCorrelationIdString(self.handle, &raw mut id) })?;
        // SAFETY: the host wrote a string that lives as long as the request.
        Ok(Correlation::String(unsafe { text(id) }?.to_owned()))
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_cancelled(&self) -> bool {
        let mut cancelled = false;
        // SAFETY: the request is live as long as this value, `cancelled` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_RequestIsCancelled(self.handle, &raw mut cancelled) })
            .is_ok()
            && cancelled
    }

    /// Begins the one response of this request; [`Response::send`] sends it.
    ///
    /// # Errors
    /// As the server says.
    pub fn response(&self) -> Result<Response<'_>, Error> {
        let mut response = ptr::null_mut();
        // SAFETY: the request is live as long as this value, `response` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_ResponseNew(&raw mut response, self.handle) })?;
        // SAFETY: the response is new and ours.
        Ok(unsafe { Response::new(response, Some(&self.answer)) })
    }

    /// Answers with an error.
    pub fn fail(&self, error: &Error) {
        if matches!(self.answer.get(), Answer::Success | Answer::Failure) {
            return;
        }
        // Without a response object the host answers when the request is released.
        if let Ok(response) = self.response() {
            drop(response.fail(error));
        }
        self.answer.set(Answer::Failure);
    }

    /// For a decoupled model: sends any number of responses, also after the batch has ended.
    /// The request is then answered by the factory alone.
    ///
    /// # Errors
    /// As the server says.
    pub fn factory(&self) -> Result<ResponseFactory, Error> {
        let mut factory = ptr::null_mut();
        // SAFETY: the request is live as long as this value, `factory` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_ResponseFactoryNew(&raw mut factory, self.handle) })?;
        self.answer.set(Answer::Factory);
        // SAFETY: the factory is new and ours.
        Ok(unsafe { ResponseFactory::new(factory) })
    }

    pub(crate) fn answer(&self) -> Answer {
        self.answer.get()
    }

    pub(crate) fn handle(&self) -> *mut TRITONBACKEND_Request {
        self.handle
    }

    /// Gives the request back to the server.
    pub(crate) fn release(self) {
        // SAFETY: the request is ours and live, and `self` is gone after this.
        let released =
            unsafe { abi::TRITONBACKEND_RequestRelease(self.handle, abi::REQUEST_RELEASE_ALL) };
        if let Err(error) = check(released) {
            crate::error!("failed to release a request: {error}");
        }
    }
}

/// A parameter's value; `None` for kinds that have no meaning here.
///
/// # Safety
/// `value` points at a value of `kind`.
unsafe fn parameter(
    kind: TRITONSERVER_ParameterType,
    value: *const c_void,
) -> Result<Option<Parameter>, Error> {
    if value.is_null() {
        return Err(Error::internal("the server gave a parameter without a value"));
    }
    let value = match kind {
        TRITONSERVER_ParameterType::STRING => {
            // SAFETY: a string parameter is the C string itself, by contract.
            let text = unsafe { text(value.cast::<c_char>()) }?;
            Parameter::String(text.to_owned())
        }
        TRITONSERVER_ParameterType::INT => {
            // SAFETY: an integer, by contract.
            Parameter::Int(unsafe { value.cast::<i64>().read() })
        }
        TRITONSERVER_ParameterType::BOOL => {
            // SAFETY: a boolean, by contract; read as a byte, so that any value is one.
            let byte = unsafe { value.cast::<u8>().read() };
            Parameter::Bool(byte != 0)
        }
        TRITONSERVER_ParameterType::DOUBLE => {
            // SAFETY: a double, by contract.
            Parameter::Double(unsafe { value.cast::<f64>().read() })
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}
