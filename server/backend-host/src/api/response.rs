//! Responses and response factories.

use crate::{
    handles::{Arg, Array, Handle, Out, Text, guard},
    message::ErrorObject,
    request::{RequestObject, datatype_from_c},
    response::{FactoryObject, OutputObject, ResponseObject},
};
use hippocamp_backend_abi::{
    RESPONSE_COMPLETE_FINAL, TRITONBACKEND_Output, TRITONBACKEND_Response,
    TRITONBACKEND_ResponseFactory, TRITONSERVER_BufferAttributes, TRITONSERVER_DataType,
    TRITONSERVER_Error, TRITONSERVER_MemoryType,
};
use hippocamp_types::{Error, Parameter};
use std::{ffi::c_void, sync::Arc};

/// Bound of the rank of an output.
const MAX_RANK: u32 = 64;

/// The factory is new and the backend's; it may outlive the request.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseFactoryNew(
    factory: Out<*mut TRITONBACKEND_ResponseFactory>,
    request: Arg<RequestObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let context = request.get()?.with(|request| Ok(Arc::clone(&request.context)))?;
        let object = Handle::give(FactoryObject { context });
        factory.set(object).inspect_err(|_no_place| drop(Arg::<FactoryObject>::new(object).take()))
    })
}

/// Frees the factory. A request that nobody can answer any more is answered INTERNAL.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseFactoryDelete(
    factory: Arg<FactoryObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| factory.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseFactoryIsCancelled(
    factory: Arg<FactoryObject>,
    is_cancelled: Out<bool>,
) -> *mut TRITONSERVER_Error {
    guard(|| is_cancelled.set(factory.get()?.context.is_cancelled()))
}

/// Ends the request without a further response; the factory stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseFactorySendFlags(
    factory: Arg<FactoryObject>,
    send_flags: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let factory = factory.get()?;
        if is_final(send_flags) { factory.context.finish() } else { Ok(()) }
    })
}

/// The response is new and the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseNew(
    response: Out<*mut TRITONBACKEND_Response>,
    request: Arg<RequestObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let context = request.get()?.with(|request| Ok(Arc::clone(&request.context)))?;
        give(&response, ResponseObject::new(context))
    })
}

/// The response is new and the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseNewFromFactory(
    response: Out<*mut TRITONBACKEND_Response>,
    factory: Arg<FactoryObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| give(&response, ResponseObject::new(Arc::clone(&factory.get()?.context))))
}

/// Frees the response unsent.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseDelete(
    response: Arg<ResponseObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| response.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseSetStringParameter(
    response: Arg<ResponseObject>,
    name: Text,
    value: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&response, &name, Parameter::String(value.get()?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseSetIntParameter(
    response: Arg<ResponseObject>,
    name: Text,
    value: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&response, &name, Parameter::Int(value)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseSetBoolParameter(
    response: Arg<ResponseObject>,
    name: Text,
    value: bool,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&response, &name, Parameter::Bool(value)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseSetDoubleParameter(
    response: Arg<ResponseObject>,
    name: Text,
    value: f64,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&response, &name, Parameter::Double(value)))
}

/// The output stays the response's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseOutput(
    response: Arg<ResponseObject>,
    output: Out<*mut TRITONBACKEND_Output>,
    name: Text,
    datatype: TRITONSERVER_DataType,
    shape: Array<i64>,
    dims_count: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let response = response.get()?;
        let name = name.get()?;
        let datatype = datatype_from_c(datatype).ok_or_else(|| {
            Error::invalid(format!("output '{name}': there is no datatype {}", datatype.0))
        })?;
        if dims_count > MAX_RANK {
            return Err(Error::invalid(format!(
                "output '{name}' has at most {MAX_RANK} dimensions, got {dims_count}"
            )));
        }
        let shape = shape.copy(dims_count as usize)?;
        output.set(response.add_output(&name, datatype, &shape)?)
    })
}

/// The buffer stays the response's; the backend writes it before it sends the response. It lies in
/// CPU memory, whatever the wish.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_OutputBuffer(
    output: Arg<OutputObject>,
    buffer: Out<*mut c_void>,
    buffer_byte_size: u64,
    memory_type: Out<TRITONSERVER_MemoryType>,
    memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let output = output.get()?;
        let byte_size = usize::try_from(buffer_byte_size)
            .map_err(|_large| Error::invalid("the buffer is too large"))?;
        buffer.set(output.allocate(byte_size)?)?;
        memory_type.set(TRITONSERVER_MemoryType::CPU)?;
        memory_type_id.set(0)
    })
}

/// The attributes stay the response's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_OutputBufferAttributes(
    output: Arg<OutputObject>,
    attributes: Out<*mut TRITONSERVER_BufferAttributes>,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.set(output.get()?.attributes.as_raw()))
}

/// Takes the response, whether it can be sent or not. The error stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ResponseSend(
    response: Arg<ResponseObject>,
    send_flags: u32,
    error: Arg<ErrorObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let mut response = response.take()?;
        let error = if error.is_null() { None } else { Some(error.get()?.to_error()) };
        response.send(error, is_final(send_flags))
    })
}

fn give(place: &Out<*mut TRITONBACKEND_Response>, response: ResponseObject) -> Result<(), Error> {
    let response = Handle::give(response);
    place.set(response).inspect_err(|_no_place| drop(Arg::<ResponseObject>::new(response).take()))
}

fn add_parameter(
    response: &Arg<ResponseObject>,
    name: &Text,
    value: Parameter,
) -> Result<(), Error> {
    response.get()?.add_parameter(name.get()?, value);
    Ok(())
}

fn is_final(flags: u32) -> bool {
    flags & RESPONSE_COMPLETE_FINAL != 0
}
