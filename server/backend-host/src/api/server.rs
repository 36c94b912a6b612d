//! What a backend asks of its server: inference by other models, and model control.

use super::inference_request::version;
use crate::{
    handles::{Arg, Array, Out, Text, guard},
    inference_request::InferenceRequestObject,
    message::{NamedValue, ParameterObject},
    server::ServerObject,
    trace::TraceObject,
};
use hippocamp_backend_abi::{
    TRITONSERVER_Error, TRITONSERVER_Parameter, TXN_DECOUPLED, TXN_ONE_TO_ONE,
};
use hippocamp_types::Error;
use std::{ffi::c_void, ptr};

/// Bound of the files of one load.
const MAX_PARAMETERS: u64 = 10_000;

/// The trace is the server's in any case; it may be null.
/// On success the request is the server's until its release callback is called, which may be before
/// this returns; every outcome, refusals too, comes as a response. On error it stays the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerInferAsync(
    server: Arg<ServerObject>,
    inference_request: Arg<InferenceRequestObject>,
    trace: Arg<TraceObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        // The server's from here on, whatever happens.
        let trace = if trace.is_null() { None } else { Some(TraceObject::take(trace)?) };
        let host = server.get()?.host()?;
        let handle = inference_request.handle()?;
        let (model, version) = (handle.model.clone(), handle.version);
        let mut request = InferenceRequestObject::submit(handle, host.now())?;
        request.trace = trace.and_then(|trace| trace.give());
        // From here on the request's object may be gone.
        host.infer(&model, version, request);
        Ok(())
    })
}

/// A model that is not there is not ready, which is no error.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerModelIsReady(
    server: Arg<ServerObject>,
    model_name: Text,
    model_version: i64,
    ready: Out<bool>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let host = server.get()?.host()?;
        ready.set(host.is_model_ready(&model_name.get()?, version(model_version)?))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerModelTransactionProperties(
    server: Arg<ServerObject>,
    model_name: Text,
    model_version: i64,
    txn_flags: Out<u32>,
    voidp: Out<*mut c_void>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let host = server.get()?.host()?;
        let decoupled = host.is_decoupled(&model_name.get()?, version(model_version)?)?;
        voidp.set_if_any(ptr::null_mut());
        txn_flags.set(if decoupled { TXN_DECOUPLED } else { TXN_ONE_TO_ONE })
    })
}

/// Returns when the model serves. The parameters stay the caller's: `config` is a configuration in
/// JSON, `file:<version>/<name>` a file.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerLoadModelWithParameters(
    server: Arg<ServerObject>,
    model_name: Text,
    parameters: Array<*mut TRITONSERVER_Parameter>,
    parameter_count: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let host = server.get()?.host()?;
        if parameter_count > MAX_PARAMETERS {
            return Err(Error::invalid(format!(
                "a model is loaded with at most {MAX_PARAMETERS} parameters, got {parameter_count}"
            )));
        }
        let count = usize::try_from(parameter_count)
            .map_err(|_large| Error::invalid("the parameter count is too large"))?;
        let (mut config, mut files) = (None, Vec::new());
        for parameter in parameters.copy(count)? {
            let parameter = Arg::<ParameterObject>::new(parameter);
            let ParameterObject { name, value } = parameter.get()?;
            match value {
                NamedValue::String(json) if name == "config" => config = Some(json.clone()),
                NamedValue::Bytes(bytes) if name.starts_with("file:") => {
                    files.push((name.clone(), bytes.clone()));
                }
                NamedValue::String(_) | NamedValue::Bytes(_) | NamedValue::Other => {
                    return Err(Error::invalid(format!(
                        "unexpected parameter '{name}': expected 'config' as a string or 'file:<version>/<name>' as bytes"
                    )));
                }
            }
        }
        host.load(&model_name.get()?, config, files)
    })
}

/// Returns when no new request reaches the model; those in flight are still served.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerUnloadModel(
    server: Arg<ServerObject>,
    model_name: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| server.get()?.host()?.unload(&model_name.get()?, false))
}

/// As above, with the members that nothing else needs.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_ServerUnloadModelAndDependents(
    server: Arg<ServerObject>,
    model_name: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| server.get()?.host()?.unload(&model_name.get()?, true))
}
