//! Order of the calls into a backend, and what keeps a model from loading.

use super::{
    CONFIG,
    calls::{object, result},
    host, load_error, spec, validated,
};
use crate::{BackendHost, BackendTable, HostError, HostOptions};
use hippocamp_backend_abi::*;
use hippocamp_types::MonotonicClock;
use std::{
    fs, ptr,
    sync::{Arc, Mutex},
};

/// Declares the functions of a table that write down their calls in `LOG`, within a test.
macro_rules! recording_table {
    ($log:ident) => {{
        fn note(call: &str) -> *mut TRITONSERVER_Error {
            $log.lock().unwrap().push(call.to_owned());
            object(Ok(()))
        }
        unsafe extern "C" fn initialize(_: *mut TRITONBACKEND_Backend) -> *mut TRITONSERVER_Error {
            note("initialize")
        }
        unsafe extern "C" fn finalize(_: *mut TRITONBACKEND_Backend) -> *mut TRITONSERVER_Error {
            note("finalize")
        }
        unsafe extern "C" fn model_initialize(
            _: *mut TRITONBACKEND_Model,
        ) -> *mut TRITONSERVER_Error {
            note("model initialize")
        }
        unsafe extern "C" fn model_finalize(
            _: *mut TRITONBACKEND_Model,
        ) -> *mut TRITONSERVER_Error {
            note("model finalize")
        }
        unsafe extern "C" fn instance_initialize(
            instance: *mut TRITONBACKEND_ModelInstance,
        ) -> *mut TRITONSERVER_Error {
            let mut name = ptr::null();
            // SAFETY: a live instance.
            result(unsafe { TRITONBACKEND_ModelInstanceName(instance, &raw mut name) }).unwrap();
            // SAFETY: a C string of the instance.
            let name = unsafe { std::ffi::CStr::from_ptr(name) }.to_str().unwrap();
            note(&format!("instance initialize {name}"))
        }
        unsafe extern "C" fn instance_finalize(
            _: *mut TRITONBACKEND_ModelInstance,
        ) -> *mut TRITONSERVER_Error {
            note("instance finalize")
        }
        BackendTable {
            initialize: Some(initialize),
            finalize: Some(finalize),
            model_initialize: Some(model_initialize),
            model_finalize: Some(model_finalize),
            model_instance_initialize: Some(instance_initialize),
            model_instance_finalize: Some(instance_finalize),
            model_instance_execute: Some(never),
            ..BackendTable::default()
        }
    }};
}

unsafe extern "C" fn never(
    _: *mut TRITONBACKEND_ModelInstance,
    _: *mut *mut TRITONBACKEND_Request,
    _: u32,
) -> *mut TRITONSERVER_Error {
    object(Err("nothing is executed here".to_owned()))
}

#[test]
fn what_begins_ends_in_reverse() {
    static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let host = host(recording_table!(LOG));
    let config = format!(
        "{CONFIG} instance_group [ {{ name: \"g\" count: 2 kind: KIND_CPU }}, {{ name: \"p\" count: 1 kind: KIND_CPU passive: true }} ]"
    );
    let first = host.load_model(spec(&config)).unwrap();
    let second = host.load_model(spec(CONFIG)).unwrap();
    assert_eq!(host.loaded_backends(), ["test"]);
    let instances = first.instances(&validated(&first)).unwrap();
    let names: Vec<_> = instances.iter().map(|instance| instance.name().to_owned()).collect();
    assert_eq!(names, ["g_0", "g_1"]);
    drop(first);
    drop(instances);
    drop(second);
    assert!(host.loaded_backends().is_empty());
    let expect = [
        "initialize",
        "model initialize",
        "model initialize",
        "instance initialize g_0",
        "instance initialize g_1",
        "instance initialize p_0",
        "instance finalize",
        "instance finalize",
        "instance finalize",
        "model finalize",
        "model finalize",
        "finalize",
    ];
    assert_eq!(*LOG.lock().unwrap(), expect);
    // The backend may come back.
    drop(host.load_model(spec(CONFIG)).unwrap());
    assert_eq!(
        LOG.lock().unwrap()[expect.len()..],
        ["initialize", "model initialize", "model finalize", "finalize"]
    );
}

#[test]
fn a_backend_that_refuses_is_cleaned_up() {
    static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    unsafe extern "C" fn refuse(_: *mut TRITONBACKEND_Model) -> *mut TRITONSERVER_Error {
        object(Err("no such file".to_owned()))
    }
    let table = BackendTable { model_initialize: Some(refuse), ..recording_table!(LOG) };
    let error = load_error(&host(table), spec(CONFIG));
    assert_eq!(error.to_string(), "no such file");
    assert_eq!(*LOG.lock().unwrap(), ["initialize", "model finalize", "finalize"]);
}

#[test]
fn the_configuration_is_completed_in_model_initialize_only() {
    static LATE: Mutex<Option<Result<(), String>>> = Mutex::new(None);
    fn complete(model: *mut TRITONBACKEND_Model) -> Result<(), String> {
        let json = r#"{"name": "ignored", "max_batch_size": 3, "dynamic_batching": {},
            "input": [{"name": "IN", "data_type": "TYPE_FP32", "dims": [2]}],
            "output": [{"name": "OUT", "data_type": "TYPE_FP32", "dims": [2]}]}"#;
        let mut message = ptr::null_mut();
        // SAFETY: the text is live.
        result(unsafe {
            TRITONSERVER_MessageNewFromSerializedJson(
                &raw mut message,
                json.as_ptr().cast(),
                json.len(),
            )
        })?;
        // SAFETY: both are live.
        let set = result(unsafe { TRITONBACKEND_ModelSetConfig(model, 1, message) });
        // SAFETY: ours, deleted once.
        result(unsafe { TRITONSERVER_MessageDelete(message) })?;
        set
    }
    unsafe extern "C" fn in_time(model: *mut TRITONBACKEND_Model) -> *mut TRITONSERVER_Error {
        object(complete(model))
    }
    unsafe extern "C" fn late(
        instance: *mut TRITONBACKEND_ModelInstance,
    ) -> *mut TRITONSERVER_Error {
        let mut model = ptr::null_mut();
        // SAFETY: a live instance.
        result(unsafe { TRITONBACKEND_ModelInstanceModel(instance, &raw mut model) }).unwrap();
        *LATE.lock().unwrap() = Some(complete(model));
        object(Ok(()))
    }
    let table = BackendTable {
        model_initialize: Some(in_time),
        model_instance_initialize: Some(late),
        model_instance_execute: Some(never),
        ..BackendTable::default()
    };
    let loaded = host(table).load_model(spec("name: \"m\" backend: \"test\"")).unwrap();
    let config = loaded.config();
    assert_eq!((config.name.as_str(), config.max_batch_size), ("m", 3));
    assert_eq!((config.input.len(), config.output[0].name.as_str()), (1, "OUT"));
    assert!(config.scheduling_choice.is_some());
    loaded.instances(&validated(&loaded)).unwrap();
    let late = LATE.lock().unwrap().take().unwrap().unwrap_err();
    assert_eq!(
        late,
        "the model configuration can be set during TRITONBACKEND_ModelInitialize only"
    );
}

#[test]
fn what_cannot_be_found_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let backends = directory.path().join("backends");
    let model = directory.path().join("m");
    fs::create_dir_all(backends.join("junk")).unwrap();
    fs::create_dir_all(&model).unwrap();
    fs::write(backends.join("junk/libtriton_junk.so"), "no library").unwrap();
    let host = BackendHost::new(HostOptions {
        backend_directory: backends.clone(),
        backend_config: Vec::new(),
        builtin: vec![("empty", BackendTable::default())],
        aliases: Vec::new(),
        clock: Arc::new(MonotonicClock),
    });
    let check = |config: &str, expect: &str| {
        let spec = crate::ModelSpec {
            repository_dir: model.clone(),
            ..spec(&format!("name: \"m\" {config}"))
        };
        let error = load_error(&host, spec);
        assert!(error.to_string().starts_with(expect), "{error}");
        error
    };
    check("", "must specify 'backend' for 'm'");
    check(
        "backend: \"none\"",
        "unable to find backend library for backend 'none', try specifying runtime on the model configuration.",
    );
    check("backend: \"../junk\"", "unable to find backend library for backend '../junk'");
    check(
        "backend: \"junk\" runtime: \"other.so\"",
        &format!(
            "unable to find backend library 'other.so' for model 'm', searched: '{0}/1' '{0}' '{1}/junk'",
            model.display(),
            backends.display()
        ),
    );
    check(
        "backend: \"junk\" runtime: \"../junk/libtriton_junk.so\"",
        "backend library name '../junk/libtriton_junk.so' escapes backend directory",
    );
    check(
        "backend: \"none\" runtime: \"model.py\"",
        &format!(
            "unable to find Python backend based backend library 'model.py' for model 'm', searched: '{}/none/model.py'",
            backends.display()
        ),
    );
    fs::create_dir_all(backends.join("snake")).unwrap();
    fs::write(backends.join("snake/model.py"), "").unwrap();
    for runtime in ["", "runtime: \"model.py\""] {
        check(
            &format!("backend: \"snake\" {runtime}"),
            &format!(
                "unable to find backend library 'libtriton_python.so' for model 'm', searched: '{0}/1' '{0}' '{1}/snake' '{1}/python'",
                model.display(),
                backends.display()
            ),
        );
    }
    let broken = check("backend: \"junk\"", "unable to load shared library: ");
    assert!(
        matches!(broken, HostError::Library { reason, .. } if reason.contains("libtriton_junk.so"))
    );
    check(
        "backend: \"empty\"",
        "unable to find required entrypoint 'TRITONBACKEND_ModelInstanceExecute'",
    );
}

#[test]
fn an_alias_is_served_where_there_is_no_backend_of_that_name() {
    static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let host = host(recording_table!(LOG));
    let loaded = host.load_model(spec("name: \"m\" backend: \"other\"")).unwrap();
    assert_eq!(host.loaded_backends(), ["test"]);
    drop(loaded);
}

/// A backend that says whether its instances may be initialised at once, and counts how many are.
mod together {
    use super::*;
    use std::{
        sync::{
            Condvar,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    pub(super) static ALLOWED: AtomicBool = AtomicBool::new(false);
    /// Instances inside, and the most there were.
    pub(super) static INSIDE: Mutex<(usize, usize)> = Mutex::new((0, 0));
    static CHANGED: Condvar = Condvar::new();

    pub(super) unsafe extern "C" fn attributes(
        _: *mut TRITONBACKEND_Backend,
        attributes: *mut TRITONBACKEND_BackendAttribute,
    ) -> *mut TRITONSERVER_Error {
        let allowed = ALLOWED.load(Ordering::Relaxed);
        // SAFETY: live attributes.
        unsafe {
            TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, allowed)
        }
    }

    /// Waits for another instance, but only for as long as one that is loaded alone may take.
    pub(super) unsafe extern "C" fn initialize(
        _: *mut TRITONBACKEND_ModelInstance,
    ) -> *mut TRITONSERVER_Error {
        let limit =
            Duration::from_millis(if ALLOWED.load(Ordering::Relaxed) { 10_000 } else { 20 });
        let mut inside = INSIDE.lock().unwrap();
        inside.0 += 1;
        inside.1 = inside.1.max(inside.0);
        CHANGED.notify_all();
        let (mut inside, _) =
            CHANGED.wait_timeout_while(inside, limit, |inside| inside.1 < 2).unwrap();
        inside.0 -= 1;
        object(Ok(()))
    }
}

#[test]
fn instances_are_initialised_together_where_the_backend_allows_it() {
    use std::sync::atomic::Ordering;
    let table = BackendTable {
        get_backend_attribute: Some(together::attributes),
        model_instance_initialize: Some(together::initialize),
        model_instance_execute: Some(never),
        ..BackendTable::default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (allowed, expect) in [(false, 1), (true, cores.min(2))] {
        together::ALLOWED.store(allowed, Ordering::Relaxed);
        *together::INSIDE.lock().unwrap() = (0, if cores == 1 && allowed { 2 } else { 0 });
        let config =
            format!("{CONFIG} instance_group [ {{ name: \"g\" count: 3 kind: KIND_CPU }} ]");
        let loaded = host(table).load_model(spec(&config)).unwrap();
        let instances = loaded.instances(&validated(&loaded)).unwrap();
        let names: Vec<_> = instances.iter().map(|instance| instance.name().to_owned()).collect();
        assert_eq!(names, ["g_0", "g_1", "g_2"], "in order, however they were made");
        if cores > 1 {
            assert_eq!(together::INSIDE.lock().unwrap().1, expect, "allowed: {allowed}");
        }
    }
}
