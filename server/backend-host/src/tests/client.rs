//! A caller of inference, as Python's backend is one: an allocator, callbacks, and what they saw.

use super::calls::result;
use crate::{handles::Handle, server::ServerObject};
use hippocamp_backend_abi::*;
use std::{
    ffi::{CStr, CString, c_char, c_void},
    ptr, slice,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What a response callback saw.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// No response, only an end.
    End {
        flags: u32,
    },
    Error {
        flags: u32,
        code: u32,
        text: String,
    },
    /// Name, datatype, shape and bytes of each output, and the names of the parameters.
    Outputs {
        flags: u32,
        outputs: Vec<(String, u32, Vec<i64>, Vec<u8>)>,
        parameters: Vec<String>,
    },
}

/// How the allocator behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Memory {
    #[default]
    Good,
    /// Refuses.
    Fails,
    /// Says yes and gives nothing.
    Null,
    /// Answers that it lies elsewhere.
    Gpu,
}

/// Lives as long as its requests.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) memory: Memory,
    pub(super) seen: Mutex<Vec<Seen>>,
    pub(super) begun: AtomicUsize,
    pub(super) allocated: AtomicUsize,
    pub(super) freed: AtomicUsize,
    pub(super) released: AtomicUsize,
}

/// # Safety
/// `userp` is a live client.
unsafe fn client<'a>(userp: *mut c_void) -> &'a Client {
    // SAFETY: by contract.
    unsafe { &*userp.cast::<Client>() }
}

unsafe extern "C" fn begin(
    _: *mut TRITONSERVER_ResponseAllocator,
    userp: *mut c_void,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the pointer that was given with the allocator.
    unsafe { client(userp) }.begun.fetch_add(1, Ordering::Relaxed);
    ptr::null_mut()
}

unsafe extern "C" fn allocate(
    _: *mut TRITONSERVER_ResponseAllocator,
    _: *const c_char,
    byte_size: usize,
    memory_type: TRITONSERVER_MemoryType,
    _: i64,
    userp: *mut c_void,
    buffer: *mut *mut c_void,
    buffer_userp: *mut *mut c_void,
    actual: *mut TRITONSERVER_MemoryType,
    actual_id: *mut i64,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the pointer that was given with the allocator.
    let client = unsafe { client(userp) };
    if client.memory == Memory::Fails {
        return super::calls::object(Err("out of memory".to_owned()));
    }
    let memory = match client.memory {
        Memory::Null => ptr::null_mut(),
        _ => Box::into_raw(vec![0_u8; byte_size].into_boxed_slice()).cast::<u8>(),
    };
    client.allocated.fetch_add(usize::from(!memory.is_null()), Ordering::Relaxed);
    // SAFETY: a place for the result.
    unsafe { buffer.write(memory.cast()) };
    // SAFETY: a place for the result.
    unsafe { buffer_userp.write(userp) };
    let gpu = client.memory == Memory::Gpu;
    // SAFETY: a place for the result.
    unsafe { actual.write(if gpu { TRITONSERVER_MemoryType::GPU } else { memory_type }) };
    // SAFETY: a place for the result.
    unsafe { actual_id.write(0) };
    ptr::null_mut()
}

unsafe extern "C" fn free(
    _: *mut TRITONSERVER_ResponseAllocator,
    buffer: *mut c_void,
    buffer_userp: *mut c_void,
    byte_size: usize,
    _: TRITONSERVER_MemoryType,
    _: i64,
) -> *mut TRITONSERVER_Error {
    let memory = ptr::slice_from_raw_parts_mut(buffer.cast::<u8>(), byte_size);
    // SAFETY: made by `allocate` from a box of this size, and freed once.
    drop(unsafe { Box::from_raw(memory) });
    // SAFETY: the pointer that `allocate` gave.
    unsafe { client(buffer_userp) }.freed.fetch_add(1, Ordering::Relaxed);
    ptr::null_mut()
}

unsafe extern "C" fn release(
    request: *mut TRITONSERVER_InferenceRequest,
    flags: u32,
    userp: *mut c_void,
) {
    assert_eq!(flags, REQUEST_RELEASE_ALL);
    // SAFETY: the pointer that was given with the callback.
    unsafe { client(userp) }.released.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the request is ours again, deleted once.
    result(unsafe { TRITONSERVER_InferenceRequestDelete(request) }).unwrap();
}

unsafe extern "C" fn complete(
    response: *mut TRITONSERVER_InferenceResponse,
    flags: u32,
    userp: *mut c_void,
) {
    let seen = if response.is_null() { Seen::End { flags } } else { look(response, flags) };
    // SAFETY: the pointer that was given with the callback.
    unsafe { client(userp) }.seen.lock().unwrap().push(seen);
    // SAFETY: ours, deleted once; null is no error.
    result(unsafe { TRITONSERVER_InferenceResponseDelete(response) }).unwrap();
}

fn look(response: *mut TRITONSERVER_InferenceResponse, flags: u32) -> Seen {
    // SAFETY: a live response.
    let error = unsafe { TRITONSERVER_InferenceResponseError(response) };
    if !error.is_null() {
        // SAFETY: a live error.
        let code = unsafe { TRITONSERVER_ErrorCode(error) }.0;
        // Takes the text, and deletes what is the response's, as Python's backend does.
        let text = result(error).unwrap_err();
        // SAFETY: a live response, whose error is still there.
        assert_eq!(unsafe { TRITONSERVER_InferenceResponseError(response) }, error);
        return Seen::Error { flags, code, text };
    }
    let (mut count, mut parameters) = (0, Vec::new());
    // SAFETY: a live response.
    result(unsafe { TRITONSERVER_InferenceResponseParameterCount(response, &raw mut count) })
        .unwrap();
    for index in 0..=count {
        let (mut name, mut value) = (ptr::null(), ptr::null());
        let mut kind = TRITONSERVER_ParameterType::BYTES;
        // SAFETY: a live response and places for the results.
        let got = result(unsafe {
            TRITONSERVER_InferenceResponseParameter(
                response,
                index,
                &raw mut name,
                &raw mut kind,
                &raw mut value,
            )
        });
        assert_eq!(got.is_ok(), index < count);
        if index < count {
            parameters.push(text(name));
        }
    }
    // SAFETY: a live response.
    result(unsafe { TRITONSERVER_InferenceResponseOutputCount(response, &raw mut count) }).unwrap();
    let outputs = (0..count).map(|index| output(response, index).unwrap()).collect();
    assert!(output(response, count).unwrap_err().starts_with("out of bounds index"));
    Seen::Outputs { flags, outputs, parameters }
}

fn output(
    response: *mut TRITONSERVER_InferenceResponse,
    index: u32,
) -> Result<(String, u32, Vec<i64>, Vec<u8>), String> {
    let (mut name, mut shape, mut base) = (ptr::null(), ptr::null(), ptr::null());
    let (mut datatype, mut memory) = (TRITONSERVER_DataType::INVALID, TRITONSERVER_MemoryType::GPU);
    let (mut rank, mut size, mut id, mut userp) = (0, 0, 7, ptr::null_mut());
    // SAFETY: a live response and places for the results.
    result(unsafe {
        TRITONSERVER_InferenceResponseOutput(
            response,
            index,
            &raw mut name,
            &raw mut datatype,
            &raw mut shape,
            &raw mut rank,
            &raw mut base,
            &raw mut size,
            &raw mut memory,
            &raw mut id,
            &raw mut userp,
        )
    })?;
    assert_eq!((memory, id, userp.is_null()), (TRITONSERVER_MemoryType::CPU, 0, false));
    // SAFETY: the shape of the output.
    let shape = unsafe { slice::from_raw_parts(shape, usize::try_from(rank).unwrap()) }.to_vec();
    // SAFETY: the buffer of the output.
    let data = unsafe { slice::from_raw_parts(base.cast::<u8>(), size) }.to_vec();
    Ok((text(name), datatype.0, shape, data))
}

pub(super) fn text(text: *const c_char) -> String {
    // SAFETY: a C string of a live object.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned()
}

impl Client {
    pub(super) fn userp(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// A request with callbacks, and the allocator that it uses.
    pub(super) fn request(
        &self,
        server: &Handle<ServerObject>,
        model: &CStr,
    ) -> (*mut TRITONSERVER_InferenceRequest, AllocatorGuard) {
        let (mut request, mut allocator) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a live server.
        result(unsafe {
            TRITONSERVER_InferenceRequestNew(&raw mut request, server.as_raw(), model.as_ptr(), -1)
        })
        .unwrap();
        // SAFETY: functions that keep the header's contract.
        result(unsafe {
            TRITONSERVER_ResponseAllocatorNew(
                &raw mut allocator,
                Some(allocate),
                Some(free),
                Some(begin),
            )
        })
        .unwrap();
        // SAFETY: a live allocator.
        result(unsafe { TRITONSERVER_ResponseAllocatorSetQueryFunction(allocator, None) }).unwrap();
        // SAFETY: all are live, and this client outlives the request.
        result(unsafe {
            TRITONSERVER_InferenceRequestSetResponseCallback(
                request,
                allocator,
                self.userp(),
                Some(complete),
                self.userp(),
            )
        })
        .unwrap();
        // SAFETY: as above.
        result(unsafe {
            TRITONSERVER_InferenceRequestSetReleaseCallback(request, Some(release), self.userp())
        })
        .unwrap();
        (request, AllocatorGuard(allocator))
    }

    /// Buffers that were allocated and freed, and requests that came back.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (of(&self.allocated), of(&self.freed), of(&self.released))
    }
}

/// An allocator, deleted with this.
pub(super) struct AllocatorGuard(pub(super) *mut TRITONSERVER_ResponseAllocator);

impl Drop for AllocatorGuard {
    fn drop(&mut self) {
        // SAFETY: ours, deleted once, after its requests.
        result(unsafe { TRITONSERVER_ResponseAllocatorDelete(self.0) }).unwrap();
    }
}

/// Adds an input of one dimension.
pub(super) fn add_input(
    request: *mut TRITONSERVER_InferenceRequest,
    name: &CStr,
    values: &[i32],
) -> Result<(), String> {
    let shape = [i64::try_from(values.len()).unwrap()];
    // SAFETY: a live request, a C string, a shape of one dimension.
    result(unsafe {
        TRITONSERVER_InferenceRequestAddInput(
            request,
            name.as_ptr(),
            TRITONSERVER_DataType::INT32,
            shape.as_ptr(),
            1,
        )
    })?;
    // In two pieces, as the header allows.
    let (first, rest) = values.split_at(values.len() / 2);
    append(request, name, first, TRITONSERVER_MemoryType::CPU)?;
    append(request, name, rest, TRITONSERVER_MemoryType::CPU_PINNED)
}

pub(super) fn append(
    request: *mut TRITONSERVER_InferenceRequest,
    name: &CStr,
    values: &[i32],
    memory: TRITONSERVER_MemoryType,
) -> Result<(), String> {
    // SAFETY: a live request, a C string, that many bytes.
    result(unsafe {
        TRITONSERVER_InferenceRequestAppendInputData(
            request,
            name.as_ptr(),
            values.as_ptr().cast(),
            size_of_val(values),
            memory,
            0,
        )
    })
}

pub(super) fn infer(
    server: &Handle<ServerObject>,
    request: *mut TRITONSERVER_InferenceRequest,
) -> Result<(), String> {
    // SAFETY: both are live; there is no trace.
    result(unsafe { TRITONSERVER_ServerInferAsync(server.as_raw(), request, ptr::null_mut()) })
}

/// A parameter object, deleted with this.
pub(super) struct ParameterGuard(pub(super) *mut TRITONSERVER_Parameter);

impl ParameterGuard {
    pub(super) fn string(name: &str, value: &str) -> Self {
        let (name, value) = (CString::new(name).unwrap(), CString::new(value).unwrap());
        let kind = TRITONSERVER_ParameterType::STRING;
        // SAFETY: C strings.
        Self(unsafe { TRITONSERVER_ParameterNew(name.as_ptr(), kind, value.as_ptr().cast()) })
    }

    pub(super) fn bytes(name: &str, value: &[u8]) -> Self {
        let (name, size) = (CString::new(name).unwrap(), value.len() as u64);
        // SAFETY: a C string, and that many bytes.
        Self(unsafe { TRITONSERVER_ParameterBytesNew(name.as_ptr(), value.as_ptr().cast(), size) })
    }

    pub(super) fn int(name: &str, value: i64) -> Self {
        let (name, kind) = (CString::new(name).unwrap(), TRITONSERVER_ParameterType::INT);
        // SAFETY: a C string, and a number of that kind.
        Self(unsafe { TRITONSERVER_ParameterNew(name.as_ptr(), kind, (&raw const value).cast()) })
    }
}

impl Drop for ParameterGuard {
    fn drop(&mut self) {
        // SAFETY: ours, deleted once.
        unsafe { TRITONSERVER_ParameterDelete(self.0) };
    }
}
