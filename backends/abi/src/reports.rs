//! What a backend reports of its responses and its memory, and implicit state.
#![allow(missing_docs, reason = "documented in the headers of the C API")]

use crate::types::*;
use std::ffi::{c_char, c_void};

unsafe extern "C" {
    pub fn TRITONBACKEND_ModelInstanceReportMemoryUsage(
        instance: *mut TRITONBACKEND_ModelInstance,
        usage: *mut *mut TRITONSERVER_BufferAttributes,
        usage_size: u32,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceReportResponseStatistics(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsDelete(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsNew(
        response_statistics: *mut *mut TRITONBACKEND_ModelInstanceResponseStatistics,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        compute_output_start: u64,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetError(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        error: *mut TRITONSERVER_Error,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        model_instance: *mut TRITONBACKEND_ModelInstance,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        response_end: u64,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        response_factory: *mut TRITONBACKEND_ResponseFactory,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(
        response_statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
        response_start: u64,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_ModelReportMemoryUsage(
        model: *mut TRITONBACKEND_Model,
        usage: *mut *mut TRITONSERVER_BufferAttributes,
        usage_size: u32,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_StateBuffer(
        state: *mut TRITONBACKEND_State,
        buffer: *mut *mut c_void,
        buffer_byte_size: u64,
        memory_type: *mut TRITONSERVER_MemoryType,
        memory_type_id: *mut i64,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_StateBufferAttributes(
        state: *mut TRITONBACKEND_State,
        buffer_attributes: *mut *mut TRITONSERVER_BufferAttributes,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_StateNew(
        state: *mut *mut TRITONBACKEND_State,
        request: *mut TRITONBACKEND_Request,
        name: *const c_char,
        datatype: TRITONSERVER_DataType,
        shape: *const i64,
        dims_count: u32,
    ) -> *mut TRITONSERVER_Error;
    pub fn TRITONBACKEND_StateUpdate(state: *mut TRITONBACKEND_State) -> *mut TRITONSERVER_Error;
}
