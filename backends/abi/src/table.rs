//! The functions that a backend exports, as `dlsym` finds them or as a linked-in backend lists them.

use crate::{
    TRITONBACKEND_Backend, TRITONBACKEND_BackendAttribute, TRITONBACKEND_Batcher,
    TRITONBACKEND_Model, TRITONBACKEND_ModelInstance, TRITONBACKEND_Request, TRITONSERVER_Error,
};
use std::ffi::c_void;

/// `TRITONBACKEND_Initialize`, `TRITONBACKEND_Finalize`.
pub type BackendFn = unsafe extern "C" fn(*mut TRITONBACKEND_Backend) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_GetBackendAttribute`.
pub type BackendAttributeFn = unsafe extern "C" fn(
    *mut TRITONBACKEND_Backend,
    *mut TRITONBACKEND_BackendAttribute,
) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelInitialize`, `TRITONBACKEND_ModelFinalize`.
pub type ModelFn = unsafe extern "C" fn(*mut TRITONBACKEND_Model) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelInstanceInitialize`, `…Finalize`, `…Ready`.
pub type ModelInstanceFn =
    unsafe extern "C" fn(*mut TRITONBACKEND_ModelInstance) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelInstanceExecute`.
pub type ModelInstanceExecuteFn = unsafe extern "C" fn(
    *mut TRITONBACKEND_ModelInstance,
    *mut *mut TRITONBACKEND_Request,
    u32,
) -> *mut TRITONSERVER_Error;

/// What a backend exports. Only `model_instance_execute` is required.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names are the header's")]
pub struct BackendTable {
    pub initialize: Option<BackendFn>,
    pub finalize: Option<BackendFn>,
    pub get_backend_attribute: Option<BackendAttributeFn>,
    pub model_initialize: Option<ModelFn>,
    pub model_finalize: Option<ModelFn>,
    pub model_instance_initialize: Option<ModelInstanceFn>,
    pub model_instance_finalize: Option<ModelInstanceFn>,
    pub model_instance_execute: Option<ModelInstanceExecuteFn>,
    pub model_instance_ready: Option<ModelInstanceFn>,
}

/// `TRITONBACKEND_ModelBatcherInitialize`.
pub type BatcherInitializeFn = unsafe extern "C" fn(
    *mut *mut TRITONBACKEND_Batcher,
    *mut TRITONBACKEND_Model,
) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelBatcherFinalize`.
pub type BatcherFinalizeFn =
    unsafe extern "C" fn(*mut TRITONBACKEND_Batcher) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelBatchInitialize`.
pub type BatchInitializeFn =
    unsafe extern "C" fn(*const TRITONBACKEND_Batcher, *mut *mut c_void) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelBatchIncludeRequest`.
pub type BatchIncludeRequestFn = unsafe extern "C" fn(
    *mut TRITONBACKEND_Request,
    *mut c_void,
    *mut bool,
) -> *mut TRITONSERVER_Error;
/// `TRITONBACKEND_ModelBatchFinalize`.
pub type BatchFinalizeFn = unsafe extern "C" fn(*mut c_void) -> *mut TRITONSERVER_Error;

/// What the library of a custom batching strategy exports: all of them.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the header's")]
pub struct BatchStrategyTable {
    pub batcher_initialize: BatcherInitializeFn,
    pub batcher_finalize: BatcherFinalizeFn,
    pub batch_initialize: BatchInitializeFn,
    pub batch_include_request: BatchIncludeRequestFn,
    pub batch_finalize: BatchFinalizeFn,
}
