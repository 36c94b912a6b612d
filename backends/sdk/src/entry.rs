//! The C functions of a backend, for any [`Backend`]. Each is a guard around one call of a trait;
//! the backend's values live behind the state pointers of the host's objects.

use crate::{
    Backend, BackendContext, Batch, Error, Instance, InstanceContext, Model, ModelContext, Request,
    abi::{
        self, BackendTable, TRITONBACKEND_Backend, TRITONBACKEND_BackendAttribute,
        TRITONBACKEND_Model, TRITONBACKEND_ModelInstance, TRITONBACKEND_Request,
        TRITONSERVER_Error,
    },
    batch::now,
    context,
    raw::{check, into_object, panic_error},
};
use std::{
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

/// A loaded model and what executions need of its configuration.
struct ModelState<M> {
    model: M,
    batched: bool,
}

/// An instance and what its executions need.
struct InstanceState<I> {
    instance: I,
    batched: bool,
}

/// The table of C functions that drives `B`; [`backend!`](crate::backend) is the way to it.
pub const fn table<B: Backend>() -> BackendTable {
    BackendTable {
        initialize: Some(initialize::<B>),
        finalize: Some(finalize::<B>),
        get_backend_attribute: Some(get_backend_attribute::<B>),
        model_initialize: Some(model_initialize::<B>),
        model_finalize: Some(model_finalize::<B>),
        model_instance_initialize: Some(model_instance_initialize::<B>),
        model_instance_finalize: Some(model_instance_finalize::<B>),
        model_instance_execute: Some(model_instance_execute::<B>),
        model_instance_ready: None,
    }
}

/// The [`abi::BackendTable`] of a type that implements [`Backend`], to link the backend into a server.
#[macro_export]
macro_rules! backend {
    ($backend:ty) => {
        $crate::entry::table::<$backend>()
    };
}

/// Exports a type that implements [`Backend`] under Triton's names, from a crate of type `cdylib`.
#[macro_export]
macro_rules! export_backend {
    ($backend:ty) => {
        $crate::export_backend!(@fn $backend, TRITONBACKEND_Initialize, initialize, backend: *mut $crate::abi::TRITONBACKEND_Backend);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_Finalize, finalize, backend: *mut $crate::abi::TRITONBACKEND_Backend);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_GetBackendAttribute, get_backend_attribute,
            backend: *mut $crate::abi::TRITONBACKEND_Backend, attributes: *mut $crate::abi::TRITONBACKEND_BackendAttribute);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_ModelInitialize, model_initialize, model: *mut $crate::abi::TRITONBACKEND_Model);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_ModelFinalize, model_finalize, model: *mut $crate::abi::TRITONBACKEND_Model);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_ModelInstanceInitialize, model_instance_initialize,
            instance: *mut $crate::abi::TRITONBACKEND_ModelInstance);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_ModelInstanceFinalize, model_instance_finalize,
            instance: *mut $crate::abi::TRITONBACKEND_ModelInstance);
        $crate::export_backend!(@fn $backend, TRITONBACKEND_ModelInstanceExecute, model_instance_execute,
            instance: *mut $crate::abi::TRITONBACKEND_ModelInstance,
            requests: *mut *mut $crate::abi::TRITONBACKEND_Request, count: u32);
    };
    (@fn $backend:ty, $export:ident, $entry:ident, $($name:ident: $type:ty),+) => {
        /// As tritonbackend.h declares it.
        ///
        /// # Safety
        /// Called by a server of the backend C API, with handles of its own.
        #[allow(unsafe_code, non_snake_case, reason = "the one surface of the plugin, under the names of tritonbackend.h")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $export($($name: $type),+) -> *mut $crate::abi::TRITONSERVER_Error {
            // SAFETY: the caller keeps the same conditions.
            unsafe { $crate::entry::$entry::<$backend>($($name),+) }
        }
    };
}

/// `TRITONBACKEND_Initialize`.
///
/// # Safety
/// `backend` is a live handle; called once.
pub unsafe extern "C" fn initialize<B: Backend>(
    backend: *mut TRITONBACKEND_Backend,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        check_version()?;
        // SAFETY: live by contract.
        let context = unsafe { BackendContext::read(backend) }?;
        let state = Box::into_raw(Box::new(B::initialize(&context)?));
        // SAFETY: live by contract; the host keeps the pointer and gives it back.
        let set = check(unsafe { abi::TRITONBACKEND_BackendSetState(backend, state.cast()) });
        // SAFETY: the box was made here and, if the host did not take it, nobody else has it.
        set.inspect_err(|_refused| drop(unsafe { Box::from_raw(state) }))
    })
}

/// `TRITONBACKEND_Finalize`.
///
/// # Safety
/// `backend` is a live handle that [`initialize`] of the same `B` was called with; called once.
pub unsafe extern "C" fn finalize<B: Backend>(
    backend: *mut TRITONBACKEND_Backend,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // SAFETY: live by contract.
        let state = unsafe { backend_state(backend) }?;
        // SAFETY: null or the box made by `initialize`.
        unsafe { drop_state::<B>(state) };
        Ok(())
    })
}

/// `TRITONBACKEND_GetBackendAttribute`.
///
/// # Safety
/// Both handles are live; the backend was initialised by [`initialize`] of the same `B`.
pub unsafe extern "C" fn get_backend_attribute<B: Backend>(
    backend: *mut TRITONBACKEND_Backend,
    attributes: *mut TRITONBACKEND_BackendAttribute,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // SAFETY: live by contract.
        let state = unsafe { backend_state(backend) }?;
        // SAFETY: null or the box made by `initialize`.
        let wishes = unsafe { state_ref::<B>(state) }?.attributes();
        for group in &wishes.preferred_groups {
            // SAFETY: live by contract; the devices are live for the call, which copies them.
            check(unsafe {
                abi::TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
                    attributes,
                    group.kind.to_abi(),
                    group.count,
                    group.devices.as_ptr(),
                    group.devices.len() as u64,
                )
            })?;
        }
        if wishes.parallel_instances {
            // SAFETY: live by contract.
            check(unsafe {
                abi::TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, true)
            })?;
        }
        Ok(())
    })
}

/// `TRITONBACKEND_ModelInitialize`.
///
/// # Safety
/// `model` is a live handle whose backend was initialised by [`initialize`] of the same `B`; called once.
pub unsafe extern "C" fn model_initialize<B: Backend>(
    model: *mut TRITONBACKEND_Model,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let mut backend = ptr::null_mut();
        // SAFETY: live by contract.
        check(unsafe { abi::TRITONBACKEND_ModelBackend(model, &raw mut backend) })?;
        // SAFETY: the backend lives longer than its models.
        let state = unsafe { backend_state(backend) }?;
        // SAFETY: null or the box made by `initialize`.
        let backend = unsafe { state_ref::<B>(state) }?;
        // SAFETY: live by contract.
        let mut context = unsafe { ModelContext::read(model) }?;
        let loaded = backend.load(&mut context)?;
        let batched = context.max_batch_size() > 0;
        let state = Box::into_raw(Box::new(ModelState { model: loaded, batched }));
        // SAFETY: live by contract; the host keeps the pointer and gives it back.
        let set = check(unsafe { abi::TRITONBACKEND_ModelSetState(model, state.cast()) });
        // SAFETY: the box was made here and, if the host did not take it, nobody else has it.
        set.inspect_err(|_refused| drop(unsafe { Box::from_raw(state) }))
    })
}

/// `TRITONBACKEND_ModelFinalize`.
///
/// # Safety
/// `model` is a live handle without instances that [`model_initialize`] of the same `B` was called with; called once.
pub unsafe extern "C" fn model_finalize<B: Backend>(
    model: *mut TRITONBACKEND_Model,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // SAFETY: live by contract.
        let state = unsafe { model_state(model) }?;
        // SAFETY: null or the box made by `model_initialize`.
        unsafe { drop_state::<ModelState<B::Model>>(state) };
        Ok(())
    })
}

/// `TRITONBACKEND_ModelInstanceInitialize`.
///
/// # Safety
/// `instance` is a live handle whose model was initialised by [`model_initialize`] of the same `B`; called once.
pub unsafe extern "C" fn model_instance_initialize<B: Backend>(
    instance: *mut TRITONBACKEND_ModelInstance,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let mut model = ptr::null_mut();
        // SAFETY: live by contract.
        check(unsafe { abi::TRITONBACKEND_ModelInstanceModel(instance, &raw mut model) })?;
        // SAFETY: the model lives longer than its instances.
        let state = unsafe { model_state(model) }?;
        // SAFETY: null or the box made by `model_initialize`.
        let state = unsafe { state_ref::<ModelState<B::Model>>(state) }?;
        // SAFETY: live by contract.
        let context = unsafe { InstanceContext::read(instance) }?;
        // Triton completes configurations after ModelInitialize (its default max_batch_size, say):
        // what holds for executions is what the configuration says now.
        // SAFETY: the model lives longer than its instances.
        let batched = unsafe { context::model_config(model) }
            .map_or(state.batched, |config| context::max_batch_size(&config) > 0);
        let made = InstanceState { instance: state.model.instance(&context)?, batched };
        let made = Box::into_raw(Box::new(made));
        // SAFETY: live by contract; the host keeps the pointer and gives it back.
        let set = check(unsafe { abi::TRITONBACKEND_ModelInstanceSetState(instance, made.cast()) });
        // SAFETY: the box was made here and, if the host did not take it, nobody else has it.
        set.inspect_err(|_refused| drop(unsafe { Box::from_raw(made) }))
    })
}

/// `TRITONBACKEND_ModelInstanceFinalize`.
///
/// # Safety
/// `instance` is a live handle that [`model_instance_initialize`] of the same `B` was called with; called once.
pub unsafe extern "C" fn model_instance_finalize<B: Backend>(
    instance: *mut TRITONBACKEND_ModelInstance,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // SAFETY: live by contract.
        let state = unsafe { instance_state(instance) }?;
        // SAFETY: null or the box made by `model_instance_initialize`.
        unsafe { drop_state::<InstanceState<InstanceOf<B>>>(state) };
        Ok(())
    })
}

/// `TRITONBACKEND_ModelInstanceExecute`.
///
/// # Safety
/// `instance` is a live handle that [`model_instance_initialize`] of the same `B` was called with,
/// not executing now; `requests` points at `count` live requests, which are ours if this succeeds.
pub unsafe extern "C" fn model_instance_execute<B: Backend>(
    instance: *mut TRITONBACKEND_ModelInstance,
    requests: *mut *mut TRITONBACKEND_Request,
    count: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let exec_start = now();
        // SAFETY: live by contract.
        let state = unsafe { instance_state(instance) }?.cast::<InstanceState<InstanceOf<B>>>();
        if state.is_null() || requests.is_null() || count == 0 {
            return Err(Error::internal(
                "the server gave an instance without state, or no requests",
            ));
        }
        // SAFETY: the box made by `model_instance_initialize`; executions of one instance never overlap.
        let state = unsafe { &mut *state };
        // SAFETY: `count` handles by contract.
        let handles = unsafe { slice::from_raw_parts(requests, count as usize) };
        let requests = handles
            .iter()
            // SAFETY: live by contract, and ours: from here on this function cannot fail.
            .map(|&handle| unsafe { Request::new(handle, state.batched) })
            .collect();
        let batch = Batch::new(instance, state.batched, requests, exec_start);
        let result = catch_unwind(AssertUnwindSafe(|| state.instance.execute(&batch)))
            .unwrap_or_else(|panic| Err(panic_error(&*panic)));
        batch.end(result);
        Ok(())
    })
}

/// What a backend's models make.
type InstanceOf<B> = <<B as Backend>::Model as Model>::Instance;

/// Runs the body of an entry point: neither a panic nor a Rust error leaves it.
fn guard(body: impl FnOnce() -> Result<(), Error>) -> *mut TRITONSERVER_Error {
    let result =
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panic_error(&*panic)));
    into_object(result)
}

/// Refuses a server whose API is older than this one, or of another major version.
fn check_version() -> Result<(), Error> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both results are places to write to.
    check(unsafe { abi::TRITONBACKEND_ApiVersion(&raw mut major, &raw mut minor) })?;
    offers(major, minor)
}

/// Whether a server with this version of the API has what this SDK calls.
fn offers(major: u32, minor: u32) -> Result<(), Error> {
    if major == abi::API_VERSION_MAJOR && minor >= abi::API_VERSION_MINOR {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "the backend is built for version {}.{} of the backend API, the server offers {major}.{minor}",
        abi::API_VERSION_MAJOR,
        abi::API_VERSION_MINOR
    )))
}

/// # Safety
/// `backend` is a live handle.
unsafe fn backend_state(backend: *mut TRITONBACKEND_Backend) -> Result<*mut c_void, Error> {
    let mut state = ptr::null_mut();
    // SAFETY: live by contract, `state` is a place to write to.
    check(unsafe { abi::TRITONBACKEND_BackendState(backend, &raw mut state) })?;
    Ok(state)
}

/// # Safety
/// `model` is a live handle.
unsafe fn model_state(model: *mut TRITONBACKEND_Model) -> Result<*mut c_void, Error> {
    let mut state = ptr::null_mut();
    // SAFETY: live by contract, `state` is a place to write to.
    check(unsafe { abi::TRITONBACKEND_ModelState(model, &raw mut state) })?;
    Ok(state)
}

/// # Safety
/// `instance` is a live handle.
unsafe fn instance_state(instance: *mut TRITONBACKEND_ModelInstance) -> Result<*mut c_void, Error> {
    let mut state = ptr::null_mut();
    // SAFETY: live by contract, `state` is a place to write to.
    check(unsafe { abi::TRITONBACKEND_ModelInstanceState(instance, &raw mut state) })?;
    Ok(state)
}

/// # Safety
/// `state` is null or a live `T`, not mutated during `'a`.
unsafe fn state_ref<'a, T>(state: *mut c_void) -> Result<&'a T, Error> {
    if state.is_null() {
        return Err(Error::internal("the server gave an object without state"));
    }
    // SAFETY: by contract.
    Ok(unsafe { &*state.cast::<T>() })
}

/// # Safety
/// `state` is null or a boxed `T` that nobody uses after this.
unsafe fn drop_state<T>(state: *mut c_void) {
    if !state.is_null() {
        // SAFETY: by contract.
        drop(unsafe { Box::from_raw(state.cast::<T>()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_server_is_refused_and_told_both_versions() {
        let says = |major, minor| offers(major, minor).map_err(|error| error.to_string());
        assert_eq!(says(1, 19), Ok(()));
        assert_eq!(says(1, 20), Ok(()));
        for (major, minor) in [(1, 18), (0, 30), (2, 0), (2, 19)] {
            let expect = format!(
                "the backend is built for version 1.19 of the backend API, the server offers {major}.{minor}"
            );
            assert_eq!(says(major, minor), Err(expect));
        }
    }
}
