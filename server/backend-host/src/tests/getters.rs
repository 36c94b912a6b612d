//! What a backend may ask of a live instance, request, input and output, of buffer attributes, of the memory
//! manager, and of the names of numbers: each function is called, and its answer compared.

use super::{CONFIG, calls::*, instance, request};
use crate::BackendTable;
use hippocamp_backend_abi::*;
use std::{
    ffi::{CStr, c_char, c_void},
    fmt::Debug,
    ptr,
    sync::Mutex,
};

/// Calls a function that writes its answer to a place, and gives the answer.
macro_rules! get {
    ($start:expr, |$place:ident| $call:expr) => {{
        let mut value = $start;
        let $place = &raw mut value;
        // SAFETY: live handles, and a place to write to.
        result(unsafe { $call })?;
        value
    }};
}

/// Texts instead of panics: what asks is called from C.
fn same<T: PartialEq + Debug>(what: &str, got: T, expect: T) -> Result<(), String> {
    if got == expect { Ok(()) } else { Err(format!("{what}: {got:?}, expected {expect:?}")) }
}

fn text(name: *const c_char) -> Option<String> {
    if name.is_null() {
        return None;
    }
    // SAFETY: a C string of the host.
    Some(unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("no UTF-8").to_owned())
}

static ASKED: Mutex<Option<Result<(), String>>> = Mutex::new(None);

unsafe extern "C" fn execute(
    handle: *mut TRITONBACKEND_ModelInstance,
    requests: *mut RequestHandle,
    count: u32,
) -> *mut TRITONSERVER_Error {
    // SAFETY: as the host gives them.
    let request = unsafe { batch(requests, count) }[0];
    let asked =
        of_instance(handle).and_then(|()| of_request(request)).and_then(|()| of_output(request));
    *ASKED.lock().unwrap() = Some(asked);
    object(release(request))
}

fn of_instance(instance: *mut TRITONBACKEND_ModelInstance) -> Result<(), String> {
    let passive = get!(true, |place| TRITONBACKEND_ModelInstanceIsPassive(instance, place));
    same("passive", passive, false)?;
    let message =
        get!(ptr::null_mut(), |place| TRITONBACKEND_ModelInstanceHostPolicy(instance, place));
    let mut length = 0;
    let base = get!(ptr::null(), |place| TRITONSERVER_MessageSerializeToJson(
        message,
        place,
        &raw mut length
    ));
    // SAFETY: start and length of the message's text.
    let json = unsafe { std::slice::from_raw_parts(base.cast::<u8>(), length) };
    same("host policy", json, br#"{"cpu":{}}"#)?;
    let profiles = get!(9, |place| TRITONBACKEND_ModelInstanceProfileCount(instance, place));
    same("profiles", profiles, 0)?;
    let devices = get!(9, |place| TRITONBACKEND_ModelInstanceSecondaryDeviceCount(instance, place));
    same("secondary devices", devices, 0)?;
    // There is none of either; asking for one is an error that says so.
    let (mut name, mut id) = (ptr::null(), 0);
    // SAFETY: a live handle, and a place to write to.
    let profile =
        result(unsafe { TRITONBACKEND_ModelInstanceProfileName(instance, 0, &raw mut name) });
    same("a profile", profile.is_err(), true)?;
    // SAFETY: a live handle, and places to write to.
    let device = result(unsafe {
        TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(
            instance,
            0,
            &raw mut name,
            &raw mut id,
        )
    });
    same("a secondary device", device.is_err(), true)?;

    let model = get!(ptr::null_mut(), |place| TRITONBACKEND_ModelInstanceModel(instance, place));
    let backend = get!(ptr::null_mut(), |place| TRITONBACKEND_ModelBackend(model, place));
    let policy = || -> Result<_, String> {
        Ok(get!(TRITONBACKEND_ExecutionPolicy(9), |place| TRITONBACKEND_BackendExecutionPolicy(
            backend, place
        )))
    };
    same("execution policy", policy()?, TRITONBACKEND_ExecutionPolicy::BLOCKING)?;
    let other = TRITONBACKEND_ExecutionPolicy::DEVICE_BLOCKING;
    // SAFETY: a live handle.
    result(unsafe { TRITONBACKEND_BackendSetExecutionPolicy(backend, other) })?;
    same("execution policy, set", policy()?, other)?;

    let manager = get!(ptr::null_mut(), |place| TRITONBACKEND_BackendMemoryManager(backend, place));
    let cpu = TRITONSERVER_MemoryType::CPU;
    let buffer = get!(ptr::null_mut(), |place| TRITONBACKEND_MemoryManagerAllocate(
        manager, place, cpu, 0, 100
    ));
    same("an allocation", buffer.is_null(), false)?;
    // SAFETY: of this manager, once.
    result(unsafe { TRITONBACKEND_MemoryManagerFree(manager, buffer, cpu, 0) })
}

fn of_request(request: RequestHandle) -> Result<(), String> {
    let timeout =
        get!(1, |place| TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, place));
    same("timeout", timeout, 0)?;
    same("flags", get!(9, |place| TRITONBACKEND_RequestFlags(request, place)), 0)?;
    let name = get!(ptr::null(), |place| TRITONBACKEND_RequestInputName(request, 0, place));
    same("input name", text(name), Some("IN".to_owned()))?;
    let trace = get!(ptr::null_mut(), |place| TRITONBACKEND_RequestTrace(request, place));
    same("trace", trace, ptr::null_mut())?;

    let input = get!(ptr::null_mut(), |place| TRITONBACKEND_RequestInputByIndex(request, 0, place));
    let mut attributes = ptr::null_mut();
    let buffer = get!(ptr::null(), |place| TRITONBACKEND_InputBufferAttributes(
        input,
        0,
        place,
        &raw mut attributes
    ));
    let size = get!(0, |place| TRITONSERVER_BufferAttributesByteSize(attributes, place));
    same("input bytes", size, 4)?;
    let mut length = 0;
    let (mut memory, mut id) = (TRITONSERVER_MemoryType::GPU, 9);
    let by_policy = get!(ptr::null(), |place| TRITONBACKEND_InputBufferForHostPolicy(
        input,
        c"cpu".as_ptr(),
        0,
        place,
        &raw mut length,
        &raw mut memory,
        &raw mut id
    ));
    same(
        "input by host policy",
        (by_policy, length, memory, id),
        (buffer, 4, TRITONSERVER_MemoryType::CPU, 0),
    )?;
    let mut datatype = TRITONSERVER_DataType::INVALID;
    let (mut shape, mut rank, mut bytes, mut buffers) = (ptr::null(), 0, 0, 0);
    let name = get!(ptr::null(), |place| TRITONBACKEND_InputPropertiesForHostPolicy(
        input,
        c"cpu".as_ptr(),
        place,
        &raw mut datatype,
        &raw mut shape,
        &raw mut rank,
        &raw mut bytes,
        &raw mut buffers
    ));
    let found = (text(name), datatype, rank, bytes, buffers);
    same("properties", found, (Some("IN".to_owned()), TRITONSERVER_DataType::INT32, 2, 4, 1))
}

fn of_output(request: RequestHandle) -> Result<(), String> {
    let mut size = 4_usize;
    let (mut memory, mut id) = (TRITONSERVER_MemoryType::GPU, 9_i64);
    // SAFETY: a live handle, and places to write to.
    result(unsafe {
        TRITONBACKEND_RequestOutputBufferProperties(
            request,
            c"OUT".as_ptr(),
            &raw mut size,
            &raw mut memory,
            &raw mut id,
        )
    })?;
    same("output memory", (memory, id), (TRITONSERVER_MemoryType::CPU, 0))?;

    let response = response(request)?;
    let shape = [1_i64, 1];
    let output = get!(ptr::null_mut(), |place| TRITONBACKEND_ResponseOutput(
        response,
        place,
        c"OUT".as_ptr(),
        TRITONSERVER_DataType::INT32,
        shape.as_ptr(),
        2
    ));
    get!(ptr::null_mut(), |place| TRITONBACKEND_OutputBuffer(
        output,
        place,
        4,
        &raw mut memory,
        &raw mut id
    ));
    let attributes =
        get!(ptr::null_mut(), |place| TRITONBACKEND_OutputBufferAttributes(output, place));
    let size = get!(0, |place| TRITONSERVER_BufferAttributesByteSize(attributes, place));
    same("output bytes", size, 4)?;
    // SAFETY: ours, sent once.
    result(unsafe {
        TRITONBACKEND_ResponseSend(response, RESPONSE_COMPLETE_FINAL, ptr::null_mut())
    })
}

#[test]
fn a_backend_reads_what_it_executes() {
    let table = BackendTable { model_instance_execute: Some(execute), ..BackendTable::default() };
    let config = format!("{CONFIG} instance_group [ {{ count: 1 kind: KIND_CPU }} ]");
    let (mut instance, _) = instance(table, &config);
    let (request, replies) = request(7);
    instance.execute(vec![request]);
    assert_eq!(ASKED.lock().unwrap().take(), Some(Ok(())));
    assert_eq!(replies.only().unwrap().outputs.len(), 1);
}

#[test]
fn buffer_attributes_keep_what_is_set() {
    let check = || -> Result<(), String> {
        let attributes = get!(ptr::null_mut(), |place| TRITONSERVER_BufferAttributesNew(place));
        let mut marker = 0_u8;
        let handle: *mut c_void = (&raw mut marker).cast();
        // SAFETY: a live handle.
        result(unsafe { TRITONSERVER_BufferAttributesSetMemoryTypeId(attributes, 5) })?;
        // SAFETY: a live handle.
        result(unsafe { TRITONSERVER_BufferAttributesSetCudaIpcHandle(attributes, handle) })?;
        // SAFETY: a live handle.
        result(unsafe { TRITONSERVER_BufferAttributesSetByteSize(attributes, 12) })?;
        let size = get!(0, |place| TRITONSERVER_BufferAttributesByteSize(attributes, place));
        same("size", size, 12)?;
        let id = get!(0, |place| TRITONSERVER_BufferAttributesMemoryTypeId(attributes, place));
        same("memory id", id, 5)?;
        let memory = get!(TRITONSERVER_MemoryType::GPU, |place| {
            TRITONSERVER_BufferAttributesMemoryType(attributes, place)
        });
        same("memory", memory, TRITONSERVER_MemoryType::CPU)?;
        let kept = get!(ptr::null_mut(), |place| TRITONSERVER_BufferAttributesCudaIpcHandle(
            attributes, place
        ));
        same("handle", kept, handle)?;
        // SAFETY: ours, deleted once.
        result(unsafe { TRITONSERVER_BufferAttributesDelete(attributes) })
    };
    assert_eq!(check(), Ok(()));
}

#[test]
fn numbers_have_tritons_names() {
    let check = |name: *const c_char, expect: &str| assert_eq!(text(name).as_deref(), Some(expect));
    for (datatype, name, size) in [
        (TRITONSERVER_DataType::BOOL, "BOOL", 1),
        (TRITONSERVER_DataType::FP32, "FP32", 4),
        (TRITONSERVER_DataType::INT64, "INT64", 8),
        (TRITONSERVER_DataType::BYTES, "BYTES", 0),
    ] {
        // SAFETY: any number may be asked for.
        check(unsafe { TRITONSERVER_DataTypeString(datatype) }, name);
        // SAFETY: any number may be asked for.
        assert_eq!(unsafe { TRITONSERVER_DataTypeByteSize(datatype) }, size);
        let c_name = std::ffi::CString::new(name).unwrap();
        // SAFETY: a C string.
        assert_eq!(unsafe { TRITONSERVER_StringToDataType(c_name.as_ptr()) }, datatype);
    }
    // SAFETY: a C string.
    let unknown = unsafe { TRITONSERVER_StringToDataType(c"INT128".as_ptr()) };
    assert_eq!(unknown, TRITONSERVER_DataType::INVALID);
    // SAFETY: any number may be asked for.
    check(unsafe { TRITONSERVER_MemoryTypeString(TRITONSERVER_MemoryType::CPU) }, "CPU");
    // SAFETY: any number may be asked for.
    check(unsafe { TRITONSERVER_ParameterTypeString(TRITONSERVER_ParameterType::INT) }, "INT");
    let kind = TRITONSERVER_InstanceGroupKind::CPU;
    // SAFETY: any number may be asked for.
    check(unsafe { TRITONSERVER_InstanceGroupKindString(kind) }, "CPU");
    let error = object(Err("busy".to_owned()));
    // SAFETY: a live error.
    check(unsafe { TRITONSERVER_ErrorCodeString(error) }, "Unavailable");
    assert_eq!(result(error), Err("busy".to_owned()));
    let (mut major, mut minor) = (0, 0);
    // SAFETY: places to write to.
    result(unsafe { TRITONSERVER_ApiVersion(&raw mut major, &raw mut minor) }).unwrap();
    assert_eq!(major, 1);
    assert!(minor >= 34, "{minor}");
}
