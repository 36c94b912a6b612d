//! What a backend asks about an instance.

use crate::{
    handles::{Arg, Out, guard},
    instance::{InstanceObject, load, store},
};
use hippocamp_backend_abi::{
    TRITONBACKEND_Model, TRITONSERVER_Error, TRITONSERVER_InstanceGroupKind, TRITONSERVER_Message,
};
use hippocamp_types::Error;
use std::{
    ffi::{c_char, c_void},
    sync::atomic::Ordering,
};

/// The name stays the instance object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceName(
    instance: Arg<InstanceObject>,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| name.set(instance.get()?.name.as_ptr()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceKind(
    instance: Arg<InstanceObject>,
    kind: Out<TRITONSERVER_InstanceGroupKind>,
) -> *mut TRITONSERVER_Error {
    guard(|| kind.set(instance.get()?.kind()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceDeviceId(
    instance: Arg<InstanceObject>,
    device_id: Out<i32>,
) -> *mut TRITONSERVER_Error {
    guard(|| device_id.set(instance.get()?.setting.device_id))
}

/// The message stays the instance object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceHostPolicy(
    instance: Arg<InstanceObject>,
    host_policy: Out<*mut TRITONSERVER_Message>,
) -> *mut TRITONSERVER_Error {
    guard(|| host_policy.set(instance.get()?.host_policy.as_raw()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceIsPassive(
    instance: Arg<InstanceObject>,
    is_passive: Out<bool>,
) -> *mut TRITONSERVER_Error {
    guard(|| is_passive.set(instance.get()?.setting.passive))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceProfileCount(
    instance: Arg<InstanceObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| count.set(u32::try_from(instance.get()?.profiles.len()).unwrap_or(u32::MAX)))
}

/// The name stays the instance object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceProfileName(
    instance: Arg<InstanceObject>,
    index: u32,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let profiles = &instance.get()?.profiles;
        let profile = profiles.get(index as usize).ok_or_else(|| {
            Error::invalid(format!(
                "out of bounds index {index}: instance is configured with {} profiles",
                profiles.len()
            ))
        })?;
        name.set(profile.as_ptr())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceSecondaryDeviceCount(
    instance: Arg<InstanceObject>,
    count: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        count
            .set(u32::try_from(instance.get()?.setting.secondary_devices.len()).unwrap_or(u32::MAX))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(
    instance: Arg<InstanceObject>,
    index: u32,
    kind: Out<*const c_char>,
    id: Out<i64>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let devices = &instance.get()?.setting.secondary_devices;
        let device = devices.get(index as usize).ok_or_else(|| {
            Error::invalid(format!(
                "out of bounds index {index}: instance is configured with {} secondary devices",
                devices.len()
            ))
        })?;
        kind.set(c"KIND_NVDLA".as_ptr())?;
        id.set(*device)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceModel(
    instance: Arg<InstanceObject>,
    model: Out<*mut TRITONBACKEND_Model>,
) -> *mut TRITONSERVER_Error {
    guard(|| model.set(instance.get()?.model.load(Ordering::Relaxed)))
}

/// The state stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceState(
    instance: Arg<InstanceObject>,
    state: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| state.set(load(&instance.get()?.state)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceSetState(
    instance: Arg<InstanceObject>,
    state: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        store(&instance.get()?.state, state);
        Ok(())
    })
}
