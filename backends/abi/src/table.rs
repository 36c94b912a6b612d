//! The functions that a backend exports, as `dlsym` finds them or as a linked-in backend lists them.

use crate::{
    TRITONBACKEND_Backend, TRITONBACKEND_BackendAttribute, TRITONBACKEND_Model,
    TRITONBACKEND_ModelInstance, TRITONBACKEND_Request, TRITONSERVER_Error,
};

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
