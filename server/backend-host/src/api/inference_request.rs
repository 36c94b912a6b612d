//! Inference requests that backends make, and the allocators of their responses. A request is the
//! caller's until `TRITONSERVER_ServerInferAsync` takes it, and again from its release callback on.
//! Names, shapes and data are copied.

use crate::{
    allocator::{Allocator, AllocatorObject},
    handles::{Arg, Array, Handle, Out, Text, guard},
    inference_request::{Complete, InferenceRequestObject, Release},
    request::datatype_from_c,
    server::ServerObject,
};
use hippocamp_backend_abi::{
    TRITONSERVER_DataType, TRITONSERVER_Error, TRITONSERVER_InferenceRequest,
    TRITONSERVER_InferenceRequestReleaseFn_t, TRITONSERVER_InferenceResponseCompleteFn_t,
    TRITONSERVER_MemoryType, TRITONSERVER_ResponseAllocator,
    TRITONSERVER_ResponseAllocatorAllocFn_t, TRITONSERVER_ResponseAllocatorQueryFn_t,
    TRITONSERVER_ResponseAllocatorReleaseFn_t, TRITONSERVER_ResponseAllocatorStartFn_t,
};
use hippocamp_types::{CorrelationId, Error, Parameter, Shape, Tensor};
use std::{ffi::c_void, time::Duration};

/// Bound of the rank of an input.
const MAX_RANK: u64 = 64;

/// The request is new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestNew(
    inference_request: Out<*mut TRITONSERVER_InferenceRequest>,
    server: Arg<ServerObject>,
    model_name: Text,
    model_version: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let (model, version) = (model_name.get()?, version(model_version)?);
        // A model that does not serve is told at once, as in Triton.
        server.get()?.host()?.is_decoupled(&model, version)?;
        let object = Handle::give(InferenceRequestObject::new(model, version));
        inference_request
            .set(object)
            .inspect_err(|_no_place| drop(Arg::<InferenceRequestObject>::new(object).take()))
    })
}

/// -1 is the latest version.
pub(super) fn version(number: i64) -> Result<Option<u64>, Error> {
    if number == -1 {
        return Ok(None);
    }
    u64::try_from(number).map(Some).map_err(|_negative| {
        Error::invalid(format!("a model version is -1 or not negative, got {number}"))
    })
}

/// Frees a request that the caller holds; none is no error.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestDelete(
    inference_request: Arg<InferenceRequestObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        if inference_request.is_null() {
            return Ok(());
        }
        inference_request.get()?.check_held()?;
        inference_request.take().map(drop)
    })
}

/// A wish: work that has begun is not stopped. The responses come all the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestCancel(
    inference_request: Arg<InferenceRequestObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| inference_request.get().map(InferenceRequestObject::cancel))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetId(
    inference_request: Arg<InferenceRequestObject>,
    id: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            draft.id = id.get()?;
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetFlags(
    inference_request: Arg<InferenceRequestObject>,
    flags: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            draft.flags = flags;
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetCorrelationId(
    inference_request: Arg<InferenceRequestObject>,
    correlation_id: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            draft.correlation_id = match correlation_id {
                0 => CorrelationId::None,
                number => CorrelationId::Number(number),
            };
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetCorrelationIdString(
    inference_request: Arg<InferenceRequestObject>,
    correlation_id: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            let text = correlation_id.get()?;
            draft.correlation_id =
                if text.is_empty() { CorrelationId::None } else { CorrelationId::String(text) };
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(
    inference_request: Arg<InferenceRequestObject>,
    timeout_us: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            draft.timeout = (timeout_us > 0).then(|| Duration::from_micros(timeout_us));
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetStringParameter(
    request: Arg<InferenceRequestObject>,
    key: Text,
    value: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&request, &key, Parameter::String(value.get()?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetIntParameter(
    request: Arg<InferenceRequestObject>,
    key: Text,
    value: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&request, &key, Parameter::Int(value)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetBoolParameter(
    request: Arg<InferenceRequestObject>,
    key: Text,
    value: bool,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&request, &key, Parameter::Bool(value)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetDoubleParameter(
    request: Arg<InferenceRequestObject>,
    key: Text,
    value: f64,
) -> *mut TRITONSERVER_Error {
    guard(|| add_parameter(&request, &key, Parameter::Double(value)))
}

fn add_parameter(
    request: &Arg<InferenceRequestObject>,
    key: &Text,
    value: Parameter,
) -> Result<(), Error> {
    let key = key.get()?;
    request.get()?.edit(|draft| {
        draft.add_parameter(key, value);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestAddInput(
    inference_request: Arg<InferenceRequestObject>,
    name: Text,
    datatype: TRITONSERVER_DataType,
    shape: Array<i64>,
    dim_count: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let name = name.get()?;
        let datatype = datatype_from_c(datatype).ok_or_else(|| {
            Error::invalid(format!("input '{name}': there is no datatype {}", datatype.0))
        })?;
        let rank = usize::try_from(dim_count.min(MAX_RANK + 1)).unwrap_or(usize::MAX);
        if dim_count > MAX_RANK {
            return Err(Error::invalid(format!(
                "input '{name}' has at most {MAX_RANK} dimensions, got {dim_count}"
            )));
        }
        let shape = Shape::new(&shape.copy(rank)?);
        inference_request.get()?.edit(|draft| {
            if draft.input(&name).is_ok() {
                return Err(Error::invalid(format!("input '{name}' already exists in request")));
            }
            draft.inputs.push(Tensor { name, datatype, shape, data: Default::default() });
            Ok(())
        })
    })
}

/// Appends to what the input has.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestAppendInputData(
    inference_request: Arg<InferenceRequestObject>,
    name: Text,
    base: Array<u8>,
    byte_size: usize,
    memory_type: TRITONSERVER_MemoryType,
    _memory_type_id: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let name = name.get()?;
        if memory_type == TRITONSERVER_MemoryType::GPU {
            return Err(Error::unsupported(format!(
                "the data of input '{name}' must lie in CPU memory, not in GPU memory"
            )));
        }
        inference_request.get()?.edit(|draft| {
            let input = draft.input(&name)?;
            let more = base.copy(byte_size)?;
            input.data =
                if input.data.is_empty() { more } else { [&input.data[..], &more].concat() }.into();
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestAddRequestedOutput(
    inference_request: Arg<InferenceRequestObject>,
    name: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        inference_request.get()?.edit(|draft| {
            draft.outputs.push(name.get()?);
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetReleaseCallback(
    inference_request: Arg<InferenceRequestObject>,
    function: Option<TRITONSERVER_InferenceRequestReleaseFn_t>,
    userp: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let function = function.ok_or_else(|| no_function("release"))?;
        inference_request.get()?.edit(|draft| {
            draft.release = Some(Release { function, userp });
            Ok(())
        })
    })
}

/// The allocator stays the caller's, who keeps it until the responses are deleted.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InferenceRequestSetResponseCallback(
    inference_request: Arg<InferenceRequestObject>,
    response_allocator: *mut TRITONSERVER_ResponseAllocator,
    allocator_userp: *mut c_void,
    function: Option<TRITONSERVER_InferenceResponseCompleteFn_t>,
    userp: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let function = function.ok_or_else(|| no_function("response"))?;
        let allocator = Allocator::new(response_allocator, allocator_userp)?;
        inference_request.get()?.edit(|draft| {
            draft.complete = Some(Complete { function, userp, allocator });
            Ok(())
        })
    })
}

/// The allocator is new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ResponseAllocatorNew(
    allocator: Out<*mut TRITONSERVER_ResponseAllocator>,
    alloc: Option<TRITONSERVER_ResponseAllocatorAllocFn_t>,
    release: Option<TRITONSERVER_ResponseAllocatorReleaseFn_t>,
    start: Option<TRITONSERVER_ResponseAllocatorStartFn_t>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let alloc = alloc.ok_or_else(|| no_function("allocation"))?;
        let release = release.ok_or_else(|| no_function("release"))?;
        let object = Handle::give(AllocatorObject { alloc, release, start });
        allocator
            .set(object)
            .inspect_err(|_no_place| drop(Arg::<AllocatorObject>::new(object).take()))
    })
}

/// The function is not needed: it would tell a backend, before it has an output, in which memory to
/// make it, and that is CPU memory here whatever the allocator prefers.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ResponseAllocatorSetQueryFunction(
    allocator: Arg<AllocatorObject>,
    _query: Option<TRITONSERVER_ResponseAllocatorQueryFn_t>,
) -> *mut TRITONSERVER_Error {
    guard(|| allocator.get().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ResponseAllocatorDelete(
    allocator: Arg<AllocatorObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| allocator.take().map(drop))
}

fn no_function(which: &str) -> Error {
    Error::invalid(format!("the {which} function was nullptr"))
}
