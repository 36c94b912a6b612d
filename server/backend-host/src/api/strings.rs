//! Names and sizes of the enums. All texts are static.

use crate::{
    handles::Text,
    request::{datatype_from_c, datatype_to_c},
};
use hippocamp_backend_abi::{
    TRITONSERVER_DataType, TRITONSERVER_InstanceGroupKind, TRITONSERVER_MemoryType,
    TRITONSERVER_ParameterType,
};
use hippocamp_types::DataType;
use std::ffi::{CStr, c_char};

const INVALID: &CStr = c"<invalid>";

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_DataTypeString(datatype: TRITONSERVER_DataType) -> *const c_char {
    match datatype {
        TRITONSERVER_DataType::BOOL => c"BOOL",
        TRITONSERVER_DataType::UINT8 => c"UINT8",
        TRITONSERVER_DataType::UINT16 => c"UINT16",
        TRITONSERVER_DataType::UINT32 => c"UINT32",
        TRITONSERVER_DataType::UINT64 => c"UINT64",
        TRITONSERVER_DataType::INT8 => c"INT8",
        TRITONSERVER_DataType::INT16 => c"INT16",
        TRITONSERVER_DataType::INT32 => c"INT32",
        TRITONSERVER_DataType::INT64 => c"INT64",
        TRITONSERVER_DataType::FP16 => c"FP16",
        TRITONSERVER_DataType::FP32 => c"FP32",
        TRITONSERVER_DataType::FP64 => c"FP64",
        TRITONSERVER_DataType::BYTES => c"BYTES",
        TRITONSERVER_DataType::BF16 => c"BF16",
        _ => INVALID,
    }
    .as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_StringToDataType(name: Text) -> TRITONSERVER_DataType {
    DataType::from_name(&name.or_empty()).map_or(TRITONSERVER_DataType::INVALID, datatype_to_c)
}

/// 0 for BYTES, whose elements differ, and for what is no datatype.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_DataTypeByteSize(datatype: TRITONSERVER_DataType) -> u32 {
    let size = datatype_from_c(datatype).and_then(DataType::byte_size).unwrap_or(0);
    u32::try_from(size).unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_MemoryTypeString(
    memory_type: TRITONSERVER_MemoryType,
) -> *const c_char {
    match memory_type {
        TRITONSERVER_MemoryType::CPU => c"CPU",
        TRITONSERVER_MemoryType::CPU_PINNED => c"CPU_PINNED",
        TRITONSERVER_MemoryType::GPU => c"GPU",
        _ => INVALID,
    }
    .as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ParameterTypeString(
    kind: TRITONSERVER_ParameterType,
) -> *const c_char {
    match kind {
        TRITONSERVER_ParameterType::STRING => c"STRING",
        TRITONSERVER_ParameterType::INT => c"INT",
        TRITONSERVER_ParameterType::BOOL => c"BOOL",
        TRITONSERVER_ParameterType::DOUBLE => c"DOUBLE",
        TRITONSERVER_ParameterType::BYTES => c"BYTES",
        _ => INVALID,
    }
    .as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_InstanceGroupKindString(
    kind: TRITONSERVER_InstanceGroupKind,
) -> *const c_char {
    match kind {
        TRITONSERVER_InstanceGroupKind::AUTO => c"AUTO",
        TRITONSERVER_InstanceGroupKind::CPU => c"CPU",
        TRITONSERVER_InstanceGroupKind::GPU => c"GPU",
        TRITONSERVER_InstanceGroupKind::MODEL => c"MODEL",
        _ => INVALID,
    }
    .as_ptr()
}
