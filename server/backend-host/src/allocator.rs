//! Memory of a caller of the C API for the outputs of its requests: its allocator's functions, and
//! the buffers that they gave.

use crate::{
    handles::{Arg, Object, tag},
    message::take_result,
};
use hippocamp_backend_abi::{
    TRITONSERVER_MemoryType, TRITONSERVER_ResponseAllocator,
    TRITONSERVER_ResponseAllocatorAllocFn_t as AllocFn,
    TRITONSERVER_ResponseAllocatorReleaseFn_t as ReleaseFn,
    TRITONSERVER_ResponseAllocatorStartFn_t as StartFn,
};
use hippocamp_types::Error;
use std::{
    ffi::{CStr, c_void},
    ptr,
};

/// `TRITONSERVER_ResponseAllocator`.
#[derive(Debug)]
pub(crate) struct AllocatorObject {
    pub(crate) alloc: AllocFn,
    pub(crate) release: ReleaseFn,
    pub(crate) start: Option<StartFn>,
}

impl Object for AllocatorObject {
    type Opaque = TRITONSERVER_ResponseAllocator;
    const TAG: u64 = tag(b"hc alctr");
    const NAME: &'static str = "allocator";
}

/// An allocator as one request uses it. The caller keeps the allocator until the request's
/// responses are deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocator {
    handle: *mut TRITONSERVER_ResponseAllocator,
    userp: *mut c_void,
    alloc: AllocFn,
    release: ReleaseFn,
    start: Option<StartFn>,
}

// SAFETY: the header lets the functions be called from any thread; `userp` is only handed on.
unsafe impl Send for Allocator {}
// SAFETY: as above.
unsafe impl Sync for Allocator {}

/// A buffer of an allocator, released when it is dropped.
#[derive(Debug)]
pub(crate) struct AllocatedBuffer {
    allocator: Allocator,
    pub(crate) start: *mut c_void,
    pub(crate) userp: *mut c_void,
    pub(crate) byte_size: usize,
    pub(crate) memory_type: TRITONSERVER_MemoryType,
    pub(crate) memory_type_id: i64,
}

// SAFETY: the memory belongs to this value until it is dropped; `userp` is only handed on.
unsafe impl Send for AllocatedBuffer {}
// SAFETY: nothing is written through a shared reference.
unsafe impl Sync for AllocatedBuffer {}

impl Allocator {
    pub(crate) fn new(
        handle: *mut TRITONSERVER_ResponseAllocator,
        userp: *mut c_void,
    ) -> Result<Self, Error> {
        let object = Arg::<AllocatorObject>::new(handle);
        let object = object.get()?;
        Ok(Self {
            handle,
            userp,
            alloc: object.alloc,
            release: object.release,
            start: object.start,
        })
    }

    /// Tells the allocator that the buffers of a new response follow.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        let Some(start) = self.start else { return Ok(()) };
        // SAFETY: the function of this allocator, with the pointer that its request came with.
        take_result(unsafe { start(self.handle, self.userp) })
    }

    /// A buffer of the caller's with a copy of `data`.
    pub(crate) fn copy(&self, name: &CStr, data: &[u8]) -> Result<AllocatedBuffer, Error> {
        let mut buffer = AllocatedBuffer {
            allocator: *self,
            start: ptr::null_mut(),
            userp: ptr::null_mut(),
            byte_size: data.len(),
            memory_type: TRITONSERVER_MemoryType::CPU,
            memory_type_id: 0,
        };
        // SAFETY: the function of this allocator; every place for a result is valid.
        let allocated = take_result(unsafe {
            (self.alloc)(
                self.handle,
                name.as_ptr(),
                data.len(),
                TRITONSERVER_MemoryType::CPU,
                0,
                self.userp,
                &raw mut buffer.start,
                &raw mut buffer.userp,
                &raw mut buffer.memory_type,
                &raw mut buffer.memory_type_id,
            )
        });
        if let Err(error) = allocated {
            // What else came back means nothing then.
            buffer.start = ptr::null_mut();
            return Err(error);
        }
        if data.is_empty() {
            return Ok(buffer);
        }
        let name = name.to_string_lossy();
        if buffer.memory_type == TRITONSERVER_MemoryType::GPU {
            return Err(Error::unsupported(format!(
                "output '{name}' lies in CPU memory, but its buffer was allocated in GPU memory"
            )));
        }
        if buffer.start.is_null() {
            return Err(Error::internal(format!(
                "output '{name}' has {} bytes, but no buffer was allocated for it",
                data.len()
            )));
        }
        // SAFETY: the allocator promises memory for that many bytes, which nobody else has yet.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), buffer.start.cast(), data.len()) };
        Ok(buffer)
    }
}

impl Drop for AllocatedBuffer {
    fn drop(&mut self) {
        if self.start.is_null() {
            return;
        }
        let (release, handle) = (self.allocator.release, self.allocator.handle);
        // SAFETY: the function of the allocator that gave the buffer, called once for it.
        let released = take_result(unsafe {
            release(
                handle,
                self.start,
                self.userp,
                self.byte_size,
                self.memory_type,
                self.memory_type_id,
            )
        });
        if let Err(error) = released {
            tracing::error!(target: "backend", %error, "failed to release the buffer of an output");
        }
    }
}
