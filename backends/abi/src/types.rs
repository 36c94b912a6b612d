//! Opaque handles, and enums as integers: foreign code may send numbers that no header knows.

/// Major version of the backend API.
pub const API_VERSION_MAJOR: u32 = 1;
/// Minor version of the backend API.
pub const API_VERSION_MINOR: u32 = 19;
/// Major version of tritonserver.h.
pub const SERVER_API_VERSION_MAJOR: u32 = 1;
/// Minor version of tritonserver.h.
pub const SERVER_API_VERSION_MINOR: u32 = 34;

/// `TRITONSERVER_REQUEST_FLAG_SEQUENCE_START`.
pub const REQUEST_FLAG_SEQUENCE_START: u32 = 1;
/// `TRITONSERVER_REQUEST_FLAG_SEQUENCE_END`.
pub const REQUEST_FLAG_SEQUENCE_END: u32 = 2;
/// `TRITONSERVER_REQUEST_RELEASE_ALL`.
pub const REQUEST_RELEASE_ALL: u32 = 1;
/// `TRITONSERVER_REQUEST_RELEASE_RESCHEDULE`.
pub const REQUEST_RELEASE_RESCHEDULE: u32 = 2;
/// `TRITONSERVER_TXN_ONE_TO_ONE`.
pub const TXN_ONE_TO_ONE: u32 = 1;
/// `TRITONSERVER_TXN_DECOUPLED`.
pub const TXN_DECOUPLED: u32 = 2;
/// `TRITONSERVER_RESPONSE_COMPLETE_FINAL`.
pub const RESPONSE_COMPLETE_FINAL: u32 = 1;

macro_rules! handles {
    ($($name:ident)*) => {$(
        /// Opaque: only pointers to it exist.
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            _opaque: [u8; 0],
            _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
        }
    )*};
}

handles! {
    TRITONBACKEND_Backend
    TRITONBACKEND_BackendAttribute
    TRITONBACKEND_Batcher
    TRITONBACKEND_Input
    TRITONBACKEND_MemoryManager
    TRITONBACKEND_Model
    TRITONBACKEND_ModelInstance
    TRITONBACKEND_ModelInstanceResponseStatistics
    TRITONBACKEND_Output
    TRITONBACKEND_Request
    TRITONBACKEND_Response
    TRITONBACKEND_ResponseFactory
    TRITONBACKEND_State
    TRITONSERVER_BufferAttributes
    TRITONSERVER_Error
    TRITONSERVER_InferenceRequest
    TRITONSERVER_InferenceResponse
    TRITONSERVER_InferenceTrace
    TRITONSERVER_Message
    TRITONSERVER_Metric
    TRITONSERVER_MetricArgs
    TRITONSERVER_MetricFamily
    TRITONSERVER_Parameter
    TRITONSERVER_ResponseAllocator
    TRITONSERVER_Server
}

macro_rules! enums {
    ($($name:ident { $($constant:ident = $value:literal),* $(,)? })*) => {$(
        /// An enum of the C API; any number may come.
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);

        #[expect(missing_docs, reason = "the names are the header's")]
        impl $name {
            $(pub const $constant: Self = Self($value);)*
        }
    )*};
}

enums! {
    TRITONSERVER_Error_Code {
        UNKNOWN = 0, INTERNAL = 1, NOT_FOUND = 2, INVALID_ARG = 3, UNAVAILABLE = 4, UNSUPPORTED = 5,
        ALREADY_EXISTS = 6, CANCELLED = 7,
    }
    TRITONSERVER_DataType {
        INVALID = 0, BOOL = 1, UINT8 = 2, UINT16 = 3, UINT32 = 4, UINT64 = 5, INT8 = 6, INT16 = 7, INT32 = 8,
        INT64 = 9, FP16 = 10, FP32 = 11, FP64 = 12, BYTES = 13, BF16 = 14,
    }
    TRITONSERVER_MemoryType { CPU = 0, CPU_PINNED = 1, GPU = 2 }
    TRITONSERVER_ParameterType { STRING = 0, INT = 1, BOOL = 2, DOUBLE = 3, BYTES = 4 }
    TRITONSERVER_InstanceGroupKind { AUTO = 0, CPU = 1, GPU = 2, MODEL = 3 }
    TRITONSERVER_MetricKind { COUNTER = 0, GAUGE = 1, HISTOGRAM = 2 }
    TRITONSERVER_LogLevel { INFO = 0, WARN = 1, ERROR = 2, VERBOSE = 3 }
    TRITONBACKEND_ArtifactType { FILESYSTEM = 0 }
    TRITONBACKEND_ExecutionPolicy { BLOCKING = 0, DEVICE_BLOCKING = 1 }
}
