//! Libraries in C that are no backends for this server: each is an error of its model alone.

use crate::clients::{get_json, http, index, text, within_limit};
use hippocamp_client::{InferInput, InferRequest};
use hippocamp_tests::{Repository, Settings, compile_c};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_for_another_version_or_without_its_function_is_refused() {
    let mut repository = Repository::new();
    let libraries: [(&str, &[&str]); 5] = [
        ("older", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=0"]),
        ("newer", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=99"]),
        ("next", &["-DBUILT_FOR_MAJOR=2", "-DBUILT_FOR_MINOR=0"]),
        ("before", &["-DBUILT_FOR_MAJOR=0", "-DBUILT_FOR_MINOR=9"]),
        ("no_backend", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=0", "-DNO_EXECUTE"]),
    ];
    for (name, built_for) in libraries {
        repository = repository.model(
            name,
            &format!(
                "backend: \"{name}\"
                input [ {{ name: \"IN\" data_type: TYPE_FP32 dims: [ 1 ] }} ]
                output [ {{ name: \"OUT\" data_type: TYPE_FP32 dims: [ 1 ] }} ]"
            ),
        );
        let library = repository.path().join(name).join(format!("libtriton_{name}.so"));
        compile_c("versioned_backend.c", &library, built_for);
    }
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let models = index(&server).await;
    let line = |model: &str| {
        let line = models.iter().find(|line| line.starts_with(&format!("{model}: ")));
        line.unwrap_or_else(|| panic!("{model} is not in {models:?}")).clone()
    };
    for (model, built_for) in [("newer", "1.99"), ("next", "2.0"), ("before", "0.9")] {
        let expect = format!(
            "UNAVAILABLE triton backend API version does not support this backend: built for {built_for}, got 1.19"
        );
        assert_eq!(line(model), format!("{model}: {expect}"));
    }
    let refused = line("no_backend");
    assert!(
        refused.contains("unable to find required entrypoint 'TRITONBACKEND_ModelInstanceExecute' in shared library: ")
            && refused.ends_with("no_backend/libtriton_no_backend.so"),
        "{refused}"
    );
    // What an older version was written for is there still; this one answers nothing.
    assert_eq!(line("older"), "older: READY");
    let request = InferRequest::new("older").input(InferInput::new("IN", &[1], &[1.0_f32]));
    let error = within_limit(http(&server).infer(&request)).await.expect_err("it does not answer");
    assert!(!text(&error).is_empty(), "{error}");
    get_json(&server, "/v2").await;
    server.stop();
}
