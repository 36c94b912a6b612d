//! Calls into a backend's table. This is the one place where its functions are called.

use crate::message::take_result;
use hippocamp_backend_abi::{
    BackendTable, TRITONBACKEND_Backend, TRITONBACKEND_BackendAttribute, TRITONBACKEND_Model,
    TRITONBACKEND_ModelInstance, TRITONBACKEND_Request,
};
use hippocamp_types::Error;

/// The functions of a loaded backend. Functions that it lacks succeed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    table: BackendTable,
}

impl Entry {
    /// The functions in `table`.
    ///
    /// # Safety
    /// They keep the contract of tritonbackend.h, and stay loaded as long as copies of this value
    /// are used.
    pub(crate) unsafe fn new(table: BackendTable) -> Self {
        Self { table }
    }

    /// `backend` is live.
    pub(crate) fn initialize(&self, backend: *mut TRITONBACKEND_Backend) -> Result<(), Error> {
        let Some(function) = self.table.initialize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(backend) })
    }

    /// `backend` is live and has no models.
    pub(crate) fn finalize(&self, backend: *mut TRITONBACKEND_Backend) -> Result<(), Error> {
        let Some(function) = self.table.finalize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(backend) })
    }

    /// Both handles are live.
    pub(crate) fn attributes(
        &self,
        backend: *mut TRITONBACKEND_Backend,
        attributes: *mut TRITONBACKEND_BackendAttribute,
    ) -> Result<(), Error> {
        let Some(function) = self.table.get_backend_attribute else { return Ok(()) };
        // SAFETY: the caller keeps the handles live for the call; the function is loaded.
        take_result(unsafe { function(backend, attributes) })
    }

    /// `model` is live, its backend initialised.
    pub(crate) fn model_initialize(&self, model: *mut TRITONBACKEND_Model) -> Result<(), Error> {
        let Some(function) = self.table.model_initialize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(model) })
    }

    /// `model` is live and has no instances.
    pub(crate) fn model_finalize(&self, model: *mut TRITONBACKEND_Model) -> Result<(), Error> {
        let Some(function) = self.table.model_finalize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(model) })
    }

    /// `instance` is live, its model initialised.
    pub(crate) fn instance_initialize(
        &self,
        instance: *mut TRITONBACKEND_ModelInstance,
    ) -> Result<(), Error> {
        let Some(function) = self.table.model_instance_initialize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(instance) })
    }

    /// `instance` is live and executes nothing.
    pub(crate) fn instance_finalize(
        &self,
        instance: *mut TRITONBACKEND_ModelInstance,
    ) -> Result<(), Error> {
        let Some(function) = self.table.model_instance_finalize else { return Ok(()) };
        // SAFETY: the caller keeps the handle live for the call; the function is loaded.
        take_result(unsafe { function(instance) })
    }

    /// `instance` is live and executes nothing; `requests` are live and become the backend's if
    /// this succeeds.
    pub(crate) fn execute(
        &self,
        instance: *mut TRITONBACKEND_ModelInstance,
        requests: &mut [*mut TRITONBACKEND_Request],
    ) -> Result<(), Error> {
        let Some(function) = self.table.model_instance_execute else {
            return Err(Error::internal("the backend cannot execute"));
        };
        let count = u32::try_from(requests.len())
            .map_err(|_many| Error::internal("a batch has too many requests"))?;
        // SAFETY: the caller keeps the handles live for the call; the function is loaded.
        take_result(unsafe { function(instance, requests.as_mut_ptr(), count) })
    }
}
