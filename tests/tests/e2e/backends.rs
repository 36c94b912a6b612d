//! Backends that come from elsewhere: the library of docs/backends.md, in each place where the server looks.

use crate::clients::{assert_unavailable, grpc, http, text, within_limit};
use hippocamp_client::{InferInput, InferRequest};
use hippocamp_tests::{Repository, Sandbox, Settings, server_binary, workspace_root};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tokio::task::JoinSet;

/// What `cargo test` makes of backends/sdk/examples/scale.rs.
fn library() -> PathBuf {
    let path = server_binary().with_file_name("examples").join("libscale.so");
    assert!(
        path.exists(),
        "{} is missing: run `cargo test` for the whole workspace",
        path.display()
    );
    path
}

/// Puts the library at `path`, below a directory.
fn install(directory: &Path, path: &str) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("it is writable");
    fs::copy(library(), path).expect("it is writable");
}

fn config(factor: &str) -> String {
    format!(
        "backend: \"scale\" parameters {{ key: \"factor\" value {{ string_value: \"{factor}\" }} }}"
    )
}

fn scale(model: &str, rows: &[[f32; 2]]) -> InferRequest {
    let shape = [i64::try_from(rows.len()).expect("a few"), 2];
    InferRequest::new(model).input(InferInput::new("INPUT", &shape, rows.as_flattened()))
}

async fn assert_scales(server: &Sandbox, model: &str, factor: f32) {
    let rows = [[1.0, -2.0], [0.5, 3.0], [0.0, 8.0]];
    let request = scale(model, &rows);
    let expect: Vec<f32> = rows.as_flattened().iter().map(|value| value * factor).collect();
    let client = grpc(server).await;
    for result in [
        within_limit(http(server).infer(&request)).await,
        within_limit(client.infer(&request)).await,
    ] {
        let result = result.unwrap_or_else(|error| panic!("{model}: {error}"));
        let output = result.output("OUTPUT").expect("OUTPUT");
        assert_eq!((&*output.shape, output.as_f32().expect("FP32")), (&[3, 2][..], expect.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_found_in_its_places() {
    let runtime = format!("{} runtime: \"other.so\"", config("4"));
    let repository = Repository::new()
        .model("of_directory", &config("2"))
        .model("of_model", &config("3"))
        .model("of_version", &runtime)
        // Before the one that is linked in; its INPUT0 is not scale's.
        .model("replaced", &config("5").replace("scale", "identity"));
    let backends = tempfile::tempdir().expect("the temporary directory is writable");
    install(backends.path(), "scale/libtriton_scale.so");
    install(backends.path(), "identity/libtriton_identity.so");
    install(repository.path(), "of_model/libtriton_scale.so");
    install(repository.path(), "of_version/1/other.so");
    let server = Settings::new(repository.path())
        .option("--backend-directory", backends.path())
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    for (model, factor) in
        [("of_directory", 2.0), ("of_model", 3.0), ("of_version", 4.0), ("replaced", 5.0)]
    {
        assert_scales(&server, model, factor).await;
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_batch_get_their_own_rows() {
    let repository = Repository::new().model("half", &config("0.5"));
    install(repository.path(), "half/libtriton_scale.so");
    let server = Sandbox::start(repository.path());
    let mut requests = JoinSet::new();
    for number in 0..32_u8 {
        let client = http(&server);
        requests.spawn(async move {
            let rows = vec![[f32::from(number), 1.0]; 1 + usize::from(number % 3)];
            let result = within_limit(client.infer(&scale("half", &rows))).await;
            let output = result.expect("it infers").output("OUTPUT").expect("OUTPUT").clone();
            let expect = vec![[f32::from(number) / 2.0, 0.5]; rows.len()];
            assert_eq!(output.as_f32().expect("FP32"), expect.as_flattened());
        });
    }
    requests.join_all().await;
    server.stop();
}

/// The directories that `backend new` makes are those that a server is started with. (The crate itself
/// is the example under another name, so its library takes the place of what would be built.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_backend_is_served_from_where_it_was_made() {
    let scratch = tempfile::tempdir().expect("the temporary directory is writable");
    let made = scratch.path().join("made");
    let output = Command::new(server_binary())
        .args(["backend", "new", "half", "--directory"])
        .arg(&made)
        .arg("--sdk")
        .arg(workspace_root().join("backends/sdk"))
        .output()
        .expect("the server's binary can be executed");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("cargo build --release"), "{output:?}");
    install(&made, "target/release/libtriton_half.so");
    let server = Settings::new(&made.join("models"))
        .option("--backend-directory", made.join("backends"))
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_scales(&server, "half", 0.5).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_loaded_says_why_and_the_rest_serves() {
    let repository = Repository::new()
        .model("good", &config("2"))
        .model("no_number", &config("many"))
        .model("no_library", "backend: \"nope\"")
        .model("leads_out", "backend: \"scale\" runtime: \"../good/libtriton_scale.so\"")
        .file("no_elf/libtriton_scale.so", "this is no library")
        .model("no_elf", &config("1"));
    for model in ["good", "no_number"] {
        install(repository.path(), &format!("{model}/libtriton_scale.so"));
    }
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let reasons = [
        ("no_number", "parameter 'factor' expects a number, got 'many'"),
        ("no_library", "'nope'"),
        ("leads_out", "../good/libtriton_scale.so"),
        ("no_elf", "libtriton_scale.so"),
    ];
    assert_unavailable(&server, &reasons).await;
    assert_scales(&server, "good", 2.0).await;
    let wrong = InferRequest::new("good").input(InferInput::new("INPUT", &[1, 1], &[1]));
    let error = within_limit(http(&server).infer(&wrong)).await.expect_err("it is INT32");
    assert!(text(&error).contains("INPUT"), "{error}");
    server.stop();
}
