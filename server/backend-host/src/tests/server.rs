//! Model control by backends, and the handle of the server itself.

use super::{
    CONFIG, REGISTRY,
    calls::{object, result},
    client::ParameterGuard,
    fake::Fake,
    host, spec,
};
use crate::{BackendTable, handles::Handle, server::ServerObject};
use hippocamp_backend_abi::*;
use hippocamp_telemetry::CustomMetrics;
use hippocamp_types::Host;
use std::{
    ffi::CStr,
    ptr,
    sync::{Arc, Mutex},
};

#[test]
fn models_are_ready_and_decoupled_or_not() {
    let fake = Arc::new(Fake::default());
    let server = fake.server();
    let ready = |model: &CStr, version| {
        let mut ready = false;
        // SAFETY: a live server and a C string.
        result(unsafe {
            TRITONSERVER_ServerModelIsReady(
                server.as_raw(),
                model.as_ptr(),
                version,
                &raw mut ready,
            )
        })
        .map(|()| ready)
    };
    assert_eq!(ready(c"echo", -1), Ok(true));
    assert_eq!(ready(c"echo", 2), Ok(false));
    assert_eq!(ready(c"none", -1), Ok(false));
    assert!(ready(c"echo", -7).is_err());
    let properties = |model: &CStr| {
        let (mut flags, mut pointer) = (0, ptr::dangling_mut());
        // SAFETY: a live server and a C string.
        result(unsafe {
            TRITONSERVER_ServerModelTransactionProperties(
                server.as_raw(),
                model.as_ptr(),
                -1,
                &raw mut flags,
                &raw mut pointer,
            )
        })
        .map(|()| (flags, pointer.is_null()))
    };
    assert_eq!(properties(c"echo"), Ok((TXN_ONE_TO_ONE, true)));
    assert_eq!(properties(c"streams"), Ok((TXN_DECOUPLED, true)));
    assert_eq!(properties(c"none"), Err("no none".to_owned()));
}

fn load(
    server: &Handle<ServerObject>,
    model: &CStr,
    parameters: &[&ParameterGuard],
) -> Result<(), String> {
    let mut handles: Vec<_> = parameters.iter().map(|parameter| parameter.0.cast_const()).collect();
    // SAFETY: a live server, a C string, live parameters.
    result(unsafe {
        TRITONSERVER_ServerLoadModelWithParameters(
            server.as_raw(),
            model.as_ptr(),
            handles.as_mut_ptr(),
            handles.len() as u64,
        )
    })
}

#[test]
fn models_are_loaded_and_unloaded() {
    let fake = Arc::new(Fake::default());
    let server = fake.server();
    load(&server, c"a", &[]).unwrap();
    let config = ParameterGuard::string("config", "{}");
    let file = ParameterGuard::bytes("file:1/model.py", b"pass\0");
    load(&server, c"b", &[&config, &file]).unwrap();
    assert_eq!(load(&server, c"none", &[]), Err("nowhere".to_owned()));
    let wrong = [
        ParameterGuard::string("file:1/model.py", "text"),
        ParameterGuard::bytes("config", b"{}"),
        ParameterGuard::int("config", 1),
    ];
    for wrong in &wrong {
        assert!(load(&server, c"c", &[wrong]).unwrap_err().starts_with("unexpected parameter"));
    }
    // SAFETY: a live server and a C string.
    result(unsafe { TRITONSERVER_ServerUnloadModel(server.as_raw(), c"a".as_ptr()) }).unwrap();
    // SAFETY: as above.
    result(unsafe { TRITONSERVER_ServerUnloadModelAndDependents(server.as_raw(), c"b".as_ptr()) })
        .unwrap();
    assert_eq!(
        *fake.calls.lock().unwrap(),
        [
            "load a None []",
            "load b Some(\"{}\") [(\"file:1/model.py\", b\"pass\\0\")]",
            "load none None []",
            "unload a false",
            "unload b true",
        ]
    );
}

#[test]
fn parameters_that_are_none_are_null() {
    let number = 1_i64;
    let new = |name: *const _, kind, value| {
        // SAFETY: C strings, a number, or null.
        unsafe { TRITONSERVER_ParameterNew(name, kind, value) }
    };
    let value = (&raw const number).cast();
    assert!(new(ptr::null(), TRITONSERVER_ParameterType::INT, value).is_null());
    assert!(new(c"x".as_ptr(), TRITONSERVER_ParameterType::INT, ptr::null()).is_null());
    assert!(new(c"x".as_ptr(), TRITONSERVER_ParameterType::BYTES, value).is_null());
    assert!(new(c"x".as_ptr(), TRITONSERVER_ParameterType(9), value).is_null());
    // SAFETY: null stands for bytes that are not there.
    assert!(unsafe { TRITONSERVER_ParameterBytesNew(c"x".as_ptr(), ptr::null(), 1) }.is_null());
}

#[test]
fn a_backend_reaches_the_server_that_is_attached_to_its_host() {
    static READY: Mutex<Vec<Result<bool, String>>> = Mutex::new(Vec::new());
    unsafe extern "C" fn initialize(model: *mut TRITONBACKEND_Model) -> *mut TRITONSERVER_Error {
        let (mut server, mut ready) = (ptr::null_mut(), false);
        // SAFETY: a live model.
        result(unsafe { TRITONBACKEND_ModelServer(model, &raw mut server) }).unwrap();
        // SAFETY: a live server and a C string.
        let asked = result(unsafe {
            TRITONSERVER_ServerModelIsReady(server, c"echo".as_ptr(), -1, &raw mut ready)
        });
        READY.lock().unwrap().push(asked.map(|()| ready));
        object(Ok(()))
    }
    unsafe extern "C" fn never(
        _: *mut TRITONBACKEND_ModelInstance,
        _: *mut *mut TRITONBACKEND_Request,
        _: u32,
    ) -> *mut TRITONSERVER_Error {
        object(Err("nothing is executed here".to_owned()))
    }
    let host = host(BackendTable {
        model_initialize: Some(initialize),
        model_instance_execute: Some(never),
        ..BackendTable::default()
    });
    drop(host.load_model(spec(CONFIG)).unwrap());
    let fake: Arc<dyn Host> = Arc::new(Fake::default());
    let _registry = REGISTRY.lock();
    host.attach(&fake, &Arc::new(CustomMetrics::default()));
    drop(host.load_model(spec(CONFIG)).unwrap());
    let ready = READY.lock().unwrap();
    assert!(ready[0].is_err() && ready[1] == Ok(true), "{ready:?}");
}
