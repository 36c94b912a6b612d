//! The memory manager, and buffer attributes.

use crate::{
    attributes::BufferAttributes,
    backend::BackendObject,
    buffer,
    handles::{Arg, Handle, Object, Out, guard, tag},
};
use hippocamp_backend_abi::{
    TRITONBACKEND_MemoryManager, TRITONSERVER_BufferAttributes, TRITONSERVER_Error,
    TRITONSERVER_MemoryType,
};
use hippocamp_types::Error;
use std::{ffi::c_void, sync::LazyLock};

/// `TRITONBACKEND_MemoryManager`: there is one.
#[derive(Debug)]
struct MemoryManager;

impl Object for MemoryManager {
    type Opaque = TRITONBACKEND_MemoryManager;
    const TAG: u64 = tag(b"hc memry");
    const NAME: &'static str = "manager";
}

static MANAGER: LazyLock<Handle<MemoryManager>> = LazyLock::new(|| Handle::new(MemoryManager));

/// The manager stays the server's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendMemoryManager(
    backend: Arg<BackendObject>,
    manager: Out<*mut TRITONBACKEND_MemoryManager>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        backend.get()?;
        manager.set(MANAGER.as_raw())
    })
}

/// The memory is the backend's until it frees it here.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_MemoryManagerAllocate(
    manager: Arg<MemoryManager>,
    buffer: Out<*mut c_void>,
    memory_type: TRITONSERVER_MemoryType,
    _memory_type_id: i64,
    byte_size: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        manager.get()?;
        match memory_type {
            TRITONSERVER_MemoryType::CPU => {}
            TRITONSERVER_MemoryType::CPU_PINNED => {
                return Err(Error::unsupported("Pinned memory allocation not supported"));
            }
            _ => return Err(Error::unsupported("GPU memory allocation not supported")),
        }
        let byte_size = usize::try_from(byte_size)
            .map_err(|_large| Error::unavailable("CPU memory allocation failed"))?;
        let memory = buffer::allocate_for_backend(byte_size)?;
        buffer.set(memory).inspect_err(|_no_place| {
            // SAFETY: allocated just now, and nobody else has it.
            drop(unsafe { buffer::free(memory) });
        })
    })
}

/// Takes back memory that was allocated above.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_MemoryManagerFree(
    manager: Arg<MemoryManager>,
    buffer: *mut c_void,
    memory_type: TRITONSERVER_MemoryType,
    _memory_type_id: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        manager.get()?;
        if memory_type != TRITONSERVER_MemoryType::CPU {
            return Err(Error::unsupported("only CPU memory is allocated here"));
        }
        // SAFETY: the caller promises null or memory of this manager that is not freed.
        unsafe { buffer::free(buffer) }
    })
}

/// The object is new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesNew(
    attributes: Out<*mut TRITONSERVER_BufferAttributes>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let object = Handle::give(BufferAttributes::in_cpu(0));
        attributes
            .set(object)
            .inspect_err(|_no_place| drop(Arg::<BufferAttributes>::new(object).take()))
    })
}

/// Frees what the function above made.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesDelete(
    attributes: Arg<BufferAttributes>,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesSetMemoryTypeId(
    attributes: Arg<BufferAttributes>,
    memory_type_id: i64,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.get().map(|attributes| attributes.set_memory_type_id(memory_type_id)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesSetMemoryType(
    attributes: Arg<BufferAttributes>,
    memory_type: TRITONSERVER_MemoryType,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.get().map(|attributes| attributes.set_memory_type(memory_type)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesSetCudaIpcHandle(
    attributes: Arg<BufferAttributes>,
    cuda_ipc_handle: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.get().map(|attributes| attributes.set_cuda_ipc_handle(cuda_ipc_handle)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesSetByteSize(
    attributes: Arg<BufferAttributes>,
    byte_size: usize,
) -> *mut TRITONSERVER_Error {
    guard(|| attributes.get().map(|attributes| attributes.set_byte_size(byte_size)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesMemoryTypeId(
    attributes: Arg<BufferAttributes>,
    memory_type_id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| memory_type_id.set(attributes.get()?.memory_type_id()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesMemoryType(
    attributes: Arg<BufferAttributes>,
    memory_type: Out<TRITONSERVER_MemoryType>,
) -> *mut TRITONSERVER_Error {
    guard(|| memory_type.set(attributes.get()?.memory_type()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesCudaIpcHandle(
    attributes: Arg<BufferAttributes>,
    cuda_ipc_handle: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| cuda_ipc_handle.set(attributes.get()?.cuda_ipc_handle()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_BufferAttributesByteSize(
    attributes: Arg<BufferAttributes>,
    byte_size: Out<usize>,
) -> *mut TRITONSERVER_Error {
    guard(|| byte_size.set(attributes.get()?.byte_size()))
}
