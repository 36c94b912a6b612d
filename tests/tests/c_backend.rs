//! A backend in C goes through load, execute and unload; once more in a process whose allocator is
//! AddressSanitizer's, which sees every byte that the backend or the host writes, reads after its end or
//! forgets. The test's own process has the system's allocator, so that it can be replaced.
#![forbid(unsafe_code)]

use hippocamp_backend_host::{BackendHost, HostOptions, ModelSpec};
use hippocamp_config::{ModelConfig, finish, parse_pbtxt};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_tests::{c_compiler, compile_c};
use hippocamp_types::{
    Clock, DataType, InferRequest, MonotonicClock, Reply, Responder, ResponseSink, Shape, Tensor,
};
use std::{
    env, fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

const CONFIG: &str = r#"
    name: "m" backend: "c" max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 2 ] } ]
    output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 2 ] } ]"#;

#[derive(Clone, Default)]
struct Replies(Arc<Mutex<Vec<Reply>>>);

impl ResponseSink for Replies {
    fn accept(&self, reply: Reply) {
        self.0.lock().unwrap().push(reply);
    }
}

/// One request; `name` is that of its input.
fn request(name: &str, values: [i32; 2]) -> (InferRequest, Replies) {
    let replies = Replies::default();
    let mut request = InferRequest::new(MonotonicClock.now(), Responder::new(replies.clone()));
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    request.inputs.push(Tensor {
        name: name.to_owned(),
        datatype: DataType::Int32,
        shape: Shape::new(&[1, 2]),
        data: data.into(),
    });
    (request, replies)
}

#[test]
fn a_backend_in_c_answers() {
    let directory = tempfile::tempdir().unwrap();
    let backends = directory.path().join("backends");
    let sanitized = env::var_os("SANITIZED").is_some();
    let more: &[&str] = if sanitized { &["-fsanitize=address"] } else { &[] };
    compile_c("c_backend.c", &backends.join("c/libtriton_c.so"), more);
    let model = directory.path().join("m");
    fs::create_dir_all(model.join("1")).unwrap();
    let host = BackendHost::new(HostOptions {
        backend_directory: backends,
        backend_config: Vec::new(),
        builtin: Vec::new(),
        aliases: Vec::new(),
        clock: Arc::new(MonotonicClock),
    });
    for _ in 0..3 {
        let loaded = host
            .load_model(ModelSpec {
                name: "m".to_owned(),
                version: 1,
                repository_dir: model.clone(),
                config: parse_pbtxt(CONFIG, "config.pbtxt").unwrap(),
                auto_complete: true,
                statistics: Arc::new(ModelStatistics::new("m", 1, 8, false)),
            })
            .unwrap();
        let config = finish(loaded.config().clone(), loaded.preferred_instance_groups());
        let config = Arc::new(ModelConfig::new(config).unwrap());
        let mut instances = loaded.instances(&config).unwrap();
        let (good, good_replies) = request("INPUT0", [3, -4]);
        let (bad, bad_replies) = request("INPUT9", [0, 0]);
        instances[0].execute(vec![good, bad]);
        let response = good_replies.0.lock().unwrap().remove(0).response.unwrap().unwrap();
        let expect = [3_i32, -4].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(response.outputs[0].name, "OUTPUT0");
        assert_eq!(response.outputs[0].data, expect);
        let error = bad_replies.0.lock().unwrap().remove(0).response.unwrap().unwrap_err();
        assert!(error.message().contains("INPUT0"), "{error}");
        drop(instances);
        drop(loaded);
        assert!(host.loaded_backends().is_empty());
    }
}

#[test]
fn address_sanitizer_has_nothing_to_report() {
    let library =
        c_compiler().arg("-print-file-name=libasan.so").output().expect("the C compiler runs");
    let library = String::from_utf8(library.stdout).unwrap();
    let library = library.trim();
    assert!(
        Path::new(library).is_absolute(),
        "the C compiler comes without AddressSanitizer: install gcc's libasan"
    );
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_backend_in_c_answers", "--test-threads=1"])
        .env("SANITIZED", "1")
        .env("LD_PRELOAD", library)
        // Stacks and heaps in one; what the process still points to at its end is no leak.
        .env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1")
        .output()
        .expect("the test can start itself");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("Sanitizer"), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
