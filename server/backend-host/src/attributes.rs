//! `TRITONSERVER_BufferAttributes`: where a buffer lies and how long it is.

use crate::handles::{Handle, Object, tag};
use hippocamp_backend_abi::{TRITONSERVER_BufferAttributes, TRITONSERVER_MemoryType};
use std::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicUsize, Ordering},
};

/// The attributes of one buffer. Each field is set and read on its own.
#[derive(Debug)]
pub(crate) struct BufferAttributes {
    byte_size: AtomicUsize,
    memory_type: AtomicU32,
    memory_type_id: AtomicI64,
    cuda_ipc_handle: AtomicPtr<c_void>,
}

impl Object for BufferAttributes {
    type Opaque = TRITONSERVER_BufferAttributes;
    const TAG: u64 = tag(b"hc battr");
    const NAME: &'static str = "buffer_attributes";
}

impl BufferAttributes {
    /// Of a buffer in CPU memory.
    pub(crate) fn cpu(byte_size: usize) -> Handle<Self> {
        Handle::new(Self::in_cpu(byte_size))
    }

    pub(crate) fn in_cpu(byte_size: usize) -> Self {
        Self {
            byte_size: AtomicUsize::new(byte_size),
            memory_type: AtomicU32::new(TRITONSERVER_MemoryType::CPU.0),
            memory_type_id: AtomicI64::new(0),
            cuda_ipc_handle: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn byte_size(&self) -> usize {
        self.byte_size.load(Ordering::Relaxed)
    }

    pub(crate) fn set_byte_size(&self, byte_size: usize) {
        self.byte_size.store(byte_size, Ordering::Relaxed);
    }

    pub(crate) fn memory_type(&self) -> TRITONSERVER_MemoryType {
        TRITONSERVER_MemoryType(self.memory_type.load(Ordering::Relaxed))
    }

    pub(crate) fn set_memory_type(&self, memory_type: TRITONSERVER_MemoryType) {
        self.memory_type.store(memory_type.0, Ordering::Relaxed);
    }

    pub(crate) fn memory_type_id(&self) -> i64 {
        self.memory_type_id.load(Ordering::Relaxed)
    }

    pub(crate) fn set_memory_type_id(&self, id: i64) {
        self.memory_type_id.store(id, Ordering::Relaxed);
    }

    pub(crate) fn cuda_ipc_handle(&self) -> *mut c_void {
        self.cuda_ipc_handle.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cuda_ipc_handle(&self, handle: *mut c_void) {
        self.cuda_ipc_handle.store(handle, Ordering::Relaxed);
    }
}
