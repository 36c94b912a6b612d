//! Libraries in C that are no backends for this server, or bad ones: each is an error of its model alone.

use crate::clients::{assert_serves, http, index, text, within_limit};
use hippocamp_client::{Error, InferInput, InferRequest, InferResult};
use hippocamp_tests::{Repository, Sandbox, Settings, compile_c, server_binary};
use std::{fs, time::Duration};

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

/// Asks without a limit of time of its own.
fn ask_in_background(
    server: &Sandbox,
    model: &str,
) -> tokio::task::JoinHandle<Result<InferResult, Error>> {
    let client = http(server);
    let request = InferRequest::new(model).input(InferInput::new("IN", &[1], &[1.0_f32]));
    tokio::spawn(async move { client.infer(&request).await })
}

/// Waits until the backends have written that they keep so many requests.
async fn until_kept(server: &Sandbox, requests: usize) {
    within_limit(async {
        while server.log().matches("a request is kept").count() < requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn keepers(ways: &[(&str, &str)]) -> Repository {
    let mut repository = Repository::new().simple("simple", "");
    for (name, how) in ways {
        repository = model(repository, name);
        compile(&repository, name, "hostile_backend.c", &[&format!("-DHOW={how}")]);
    }
    repository
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_keeps_what_it_was_given_holds_up_nobody() {
    let ways =
        [("never", "NEVER_ANSWERS"), ("forgets", "LEAKS_RESPONSE"), ("keeps", "LEAKS_REQUEST")];
    let repository = keepers(&ways);
    let server = start(&repository);
    ask(&server, "keeps").await.expect("it is answered, and never released");
    let waiting = ["never", "forgets"].map(|name| ask_in_background(&server, name));
    until_kept(&server, 3).await;
    assert_serves(&server, "simple").await;
    for (name, _) in ways {
        within_limit(http(&server).unload(name, false)).await.expect("it is accepted");
    }
    assert_serves(&server, "simple").await;
    // The backends get 30 s to give back what they have.
    for answer in waiting {
        let answer = tokio::time::timeout(Duration::from_secs(60), answer).await;
        let error = answer.expect("it ends").expect("no panic").expect_err("it was not computed");
        assert_eq!(text(&error), "the model was unloaded before the backend answered");
    }
    assert_serves(&server, "simple").await;
    // Each of the three instances is told of, in no order.
    within_limit(async {
        while server.log().matches("the backend did not give back its requests").count()
            < ways.len()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_never_answers_does_not_keep_the_server() {
    let repository = keepers(&[("never", "NEVER_ANSWERS"), ("keeps", "LEAKS_REQUEST")]);
    let mut server = Settings::new(repository.path())
        .option("--exit-timeout-secs", "1")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let waiting = ask_in_background(&server, "never");
    ask(&server, "keeps").await.expect("it is answered, and never released");
    until_kept(&server, 2).await;
    server.terminate();
    let status = server.wait();
    let log = server.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("requests were still in flight when the exit timeout ran out"), "{log}");
    within_limit(waiting).await.expect("no panic").expect_err("its connection is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_library_is_an_error_of_its_model() {
    let library = server_binary().with_file_name("examples").join("libpanics.so");
    assert!(
        library.exists(),
        "{} is missing: run `cargo test` for the whole workspace",
        library.display()
    );
    let mut repository = Repository::new().simple("simple", "");
    for place in ["load", "instance", "execute", "drop"] {
        repository = repository.model(
            place,
            &format!(
                "backend: \"panics\"
                input [ {{ name: \"IN\" data_type: TYPE_FP32 dims: [ 1 ] }} ]
                output [ {{ name: \"OUT\" data_type: TYPE_FP32 dims: [ 1 ] }} ]
                instance_group [ {{ count: 1 kind: KIND_CPU }} ]
                parameters {{ key: \"in\" value {{ string_value: \"{place}\" }} }}"
            ),
        );
        let directory = repository.path().join(place);
        fs::create_dir_all(&directory).expect("it is writable");
        fs::copy(&library, directory.join("libtriton_panics.so")).expect("it is writable");
    }
    let server = start(&repository);
    let models = index(&server).await;
    for place in ["load", "instance"] {
        let says = line(&models, place);
        assert!(
            says.starts_with(&format!("{place}: UNAVAILABLE")) && says.contains("panic"),
            "{says}"
        );
    }
    for _ in 0..2 {
        let error = ask(&server, "execute").await.expect_err("it panics");
        assert!(text(&error).contains("panic"), "{error:?}");
        assert_serves(&server, "simple").await;
    }
    ask(&server, "drop").await.expect_err("it gives no answer, and does not panic yet");
    for place in ["execute", "drop"] {
        within_limit(http(&server).unload(place, false)).await.expect("it is unloaded");
    }
    assert_serves(&server, "simple").await;
    server.stop();
}
