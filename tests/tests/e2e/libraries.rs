//! Libraries in C that are no backends for this server, or bad ones: each is an error of its model alone.

use crate::clients::{assert_serves, http, index, text, within_limit};
use hippocamp_client::{Error, InferInput, InferRequest, InferResult};
use hippocamp_tests::{Repository, Sandbox, Settings, compile_c};

/// A model of a backend of its own name; the library is still to be put beside it.
fn model(repository: Repository, name: &str) -> Repository {
    repository.model(
        name,
        &format!(
            "backend: \"{name}\"
            input [ {{ name: \"IN\" data_type: TYPE_FP32 dims: [ 1 ] }} ]
            output [ {{ name: \"OUT\" data_type: TYPE_FP32 dims: [ 1 ] }} ]
            instance_group [ {{ count: 1 kind: KIND_CPU }} ]"
        ),
    )
}

fn compile(repository: &Repository, name: &str, source: &str, more: &[&str]) {
    let library = repository.path().join(name).join(format!("libtriton_{name}.so"));
    compile_c(source, &library, more);
}

async fn ask(server: &Sandbox, model: &str) -> Result<InferResult, Error> {
    let request = InferRequest::new(model).input(InferInput::new("IN", &[1], &[1.0_f32]));
    within_limit(http(server).infer(&request)).await
}

/// A server over a repository in which models may fail.
fn start(repository: &Repository) -> Sandbox {
    Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .option("--model-control-mode", "explicit")
        .and("--load-model=*")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The line of a model in the index.
fn line<'a>(models: &'a [String], name: &str) -> &'a str {
    let line = models.iter().find(|line| line.starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name} is not in {models:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_does_wrong_is_alone_with_it() {
    let mut repository = Repository::new().simple("simple", "");
    let ways = [
        ("a", "INITIALIZE"),
        ("b", "ATTRIBUTE"),
        ("c", "MODEL_INITIALIZE"),
        ("d", "INSTANCE_INITIALIZE"),
        ("e", "EXECUTE"),
        ("f", "EVERY_FINALIZE"),
        ("g", "ANSWERS_TWICE"),
        ("h", "ANSWERS_AFTER_RELEASE"),
        ("i", "FOREIGN_ERROR"),
    ];
    for (name, how) in ways {
        repository = model(repository, name);
        compile(&repository, name, "hostile_backend.c", &[&format!("-DHOW={how}")]);
    }
    let server = start(&repository);
    let models = index(&server).await;
    for (name, refuses) in [
        ("a", "Initialize refuses"),
        ("b", "GetBackendAttribute refuses"),
        ("c", "ModelInitialize refuses"),
        ("d", "ModelInstanceInitialize refuses"),
    ] {
        assert_eq!(line(&models, name), format!("{name}: UNAVAILABLE {refuses}"));
    }
    for (name, says) in [
        ("e", Some("Execute refuses")),
        ("f", None),
        // The first answer counts, and one that comes too late is none.
        ("g", None),
        ("h", Some("the request was dropped without an answer")),
        ("i", Some("the backend returned a pointer that is no error object of this server")),
    ] {
        assert_eq!(line(&models, name), format!("{name}: READY"));
        for _ in 0..2 {
            let answer = ask(&server, name).await;
            assert_eq!(answer.as_ref().err().map(text), says, "{name}: {answer:?}");
        }
        assert_serves(&server, "simple").await;
    }
    for (name, _) in ways {
        within_limit(http(&server).unload(name, false)).await.expect("it is unloaded");
    }
    assert_serves(&server, "simple").await;
    let log = within_limit(async {
        loop {
            let log = server.log();
            // The library goes after its model, on the thread of the last instance.
            if log.contains("failed finalizing backend") {
                return log;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for refuses in ["ModelInstanceFinalize refuses", "ModelFinalize refuses", "=Finalize refuses"] {
        assert!(log.contains(refuses), "{log}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_for_another_version_or_without_its_function_is_refused() {
    let mut repository = Repository::new().simple("simple", "");
    let libraries: [(&str, &[&str]); 5] = [
        ("older", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=0"]),
        ("newer", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=99"]),
        ("next", &["-DBUILT_FOR_MAJOR=2", "-DBUILT_FOR_MINOR=0"]),
        ("before", &["-DBUILT_FOR_MAJOR=0", "-DBUILT_FOR_MINOR=9"]),
        ("no_backend", &["-DBUILT_FOR_MAJOR=1", "-DBUILT_FOR_MINOR=0", "-DNO_EXECUTE"]),
    ];
    for (name, built_for) in libraries {
        repository = model(repository, name);
        compile(&repository, name, "versioned_backend.c", built_for);
    }
    let server = start(&repository);
    let models = index(&server).await;
    for (model, built_for) in [("newer", "1.99"), ("next", "2.0"), ("before", "0.9")] {
        let expect = format!(
            "UNAVAILABLE triton backend API version does not support this backend: built for {built_for}, got 1.19"
        );
        assert_eq!(line(&models, model), format!("{model}: {expect}"));
    }
    let refused = line(&models, "no_backend");
    assert!(
        refused.contains("unable to find required entrypoint 'TRITONBACKEND_ModelInstanceExecute' in shared library: ")
            && refused.ends_with("no_backend/libtriton_no_backend.so"),
        "{refused}"
    );
    // What an older version was written for is there still; this one answers nothing.
    assert_eq!(line(&models, "older"), "older: READY");
    let error = ask(&server, "older").await.expect_err("it does not answer");
    assert_eq!(text(&error), "the request was dropped without an answer");
    assert_serves(&server, "simple").await;
    server.stop();
}
