//! What a backend asks about a model, and how it completes the model's configuration.

use crate::{
    handles::{Arg, Handle, Out, guard},
    instance::{load, store},
    message::MessageObject,
    model::ModelObject,
};
use hippocamp_backend_abi::{
    TRITONBACKEND_ArtifactType, TRITONBACKEND_Backend, TRITONSERVER_Error, TRITONSERVER_Message,
    TRITONSERVER_Server,
};
use hippocamp_types::Error;
use std::{
    ffi::{c_char, c_void},
    sync::atomic::Ordering,
};

/// The name stays the model object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelName(
    model: Arg<ModelObject>,
    name: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| name.set(model.get()?.name.as_ptr()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelVersion(
    model: Arg<ModelObject>,
    version: Out<u64>,
) -> *mut TRITONSERVER_Error {
    guard(|| version.set(model.get()?.version))
}

/// The path stays the model object's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelRepository(
    model: Arg<ModelObject>,
    kind: Out<TRITONBACKEND_ArtifactType>,
    location: Out<*const c_char>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        kind.set(TRITONBACKEND_ArtifactType::FILESYSTEM)?;
        location.set(model.get()?.directory.as_ptr())
    })
}

/// The message is new and the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelConfig(
    model: Arg<ModelObject>,
    config_version: u32,
    config: Out<*mut TRITONSERVER_Message>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        check_version(config_version)?;
        let json = model.get()?.config_json();
        let message = Handle::give(MessageObject { json });
        config.set(message).inspect_err(|_no_place| drop(Arg::<MessageObject>::new(message).take()))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelAutoCompleteConfig(
    model: Arg<ModelObject>,
    auto_complete: Out<bool>,
) -> *mut TRITONSERVER_Error {
    guard(|| auto_complete.set(model.get()?.auto_complete))
}

/// The message stays the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelSetConfig(
    model: Arg<ModelObject>,
    config_version: u32,
    config: Arg<MessageObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        check_version(config_version)?;
        model.get()?.complete_config(&config.get()?.json)
    })
}

/// The handle stays the server's, and is valid as long as the model.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelServer(
    model: Arg<ModelObject>,
    server: Out<*mut TRITONSERVER_Server>,
) -> *mut TRITONSERVER_Error {
    guard(|| server.set(model.get()?.server.as_raw()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelBackend(
    model: Arg<ModelObject>,
    backend: Out<*mut TRITONBACKEND_Backend>,
) -> *mut TRITONSERVER_Error {
    guard(|| backend.set(model.get()?.backend.load(Ordering::Relaxed)))
}

/// The state stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelState(
    model: Arg<ModelObject>,
    state: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| state.set(load(&model.get()?.state)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelSetState(
    model: Arg<ModelObject>,
    state: *mut c_void,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        store(&model.get()?.state, state);
        Ok(())
    })
}

/// There is one version of the JSON form.
fn check_version(version: u32) -> Result<(), Error> {
    if version == 1 {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "model configuration version {version} not supported, supported versions are: 1"
    )))
}
