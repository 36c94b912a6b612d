//! What a backend asks about itself, and what it wishes for.

use crate::{
    backend::{AttributeObject, BackendObject},
    handles::{Arg, Array, Out, guard},
    instance::{load, store},
};
use hippocamp_backend_abi::{
    API_VERSION_MAJOR, API_VERSION_MINOR, SERVER_API_VERSION_MAJOR, SERVER_API_VERSION_MINOR,
    TRITONBACKEND_ArtifactType, TRITONBACKEND_ExecutionPolicy, TRITONSERVER_Error,
    TRITONSERVER_InstanceGroupKind, TRITONSERVER_Message,
};
use hippocamp_proto::inference::{ModelInstanceGroup, model_instance_group::Kind};
use hippocamp_types::Error;
use std::{
    ffi::{c_char, c_void},
    sync::{PoisonError, atomic::Ordering},
};

/// Bound of the devices of one preferred instance group.
const MAX_DEVICES: u64 = 1024;

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ApiVersion(
    major: Out<u32>,
    minor: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        major.set(API_VERSION_MAJOR)?;
        minor.set(API_VERSION_MINOR)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ApiVersion(
    major: Out<u32>,
    minor: Out<u32>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        major.set(SERVER_API_VERSION_MAJOR)?;
        minor.set(SERVER_API_VERSION_MINOR)
    })
}

/// The name stays the backend object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendName(
    backend: Arg<BackendObject>,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| name.set(backend.get()?.name.as_ptr()))
}

/// The message stays the backend object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendConfig(
    backend: Arg<BackendObject>,
    config: Out<*mut TRITONSERVER_Message>,
) -> *mut TRITONSERVER_Error {
    guard(|| config.set(backend.get()?.config.as_raw()))
}

/// The path stays the backend object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendArtifacts(
    backend: Arg<BackendObject>,
    kind: Out<TRITONBACKEND_ArtifactType>,
    location: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        kind.set(TRITONBACKEND_ArtifactType::FILESYSTEM)?;
        location.set(backend.get()?.directory.as_ptr())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendExecutionPolicy(
    backend: Arg<BackendObject>,
    policy: Out<TRITONBACKEND_ExecutionPolicy>,
) -> *mut TRITONSERVER_Error {
    guard(|| policy.set(backend.get()?.execution_policy()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendSetExecutionPolicy(
    backend: Arg<BackendObject>,
    policy: TRITONBACKEND_ExecutionPolicy,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        backend.get()?.set_execution_policy(policy);
        Ok(())
    })
}

/// The state stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendState(
    backend: Arg<BackendObject>,
    state: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| state.set(load(&backend.get()?.state)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendSetState(
    backend: Arg<BackendObject>,
    state: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        store(&backend.get()?.state, state);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
    attributes: Arg<AttributeObject>,
    kind: TRITONSERVER_InstanceGroupKind,
    count: u64,
    device_ids: Array<u64>,
    id_count: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let attributes = attributes.get()?;
        let kind = match kind {
            TRITONSERVER_InstanceGroupKind::AUTO => Kind::Auto,
            TRITONSERVER_InstanceGroupKind::CPU => Kind::Cpu,
            TRITONSERVER_InstanceGroupKind::GPU => Kind::Gpu,
            TRITONSERVER_InstanceGroupKind::MODEL => Kind::Model,
            unknown => {
                return Err(Error::invalid(format!(
                    "there is no instance group kind {}",
                    unknown.0
                )));
            }
        };
        if id_count > MAX_DEVICES {
            return Err(Error::invalid(format!(
                "an instance group has at most {MAX_DEVICES} devices, got {id_count}"
            )));
        }
        let large = |_large| Error::invalid("a count or device of an instance group is too large");
        let devices = device_ids.copy(usize::try_from(id_count).map_err(large)?)?;
        let group = ModelInstanceGroup {
            kind: kind.into(),
            count: i32::try_from(count).map_err(large)?,
            gpus: devices
                .into_iter()
                .map(i32::try_from)
                .collect::<Result<_, _>>()
                .map_err(large)?,
            ..ModelInstanceGroup::default()
        };
        attributes.preferred_groups.lock().unwrap_or_else(PoisonError::into_inner).push(group);
        Ok(())
    })
}

/// As many at a time as there are cores.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(
    attributes: Arg<AttributeObject>,
    enabled: bool,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        attributes.get()?.parallel_instances.store(enabled, Ordering::Relaxed);
        Ok(())
    })
}
