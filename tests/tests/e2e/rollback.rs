//! The way back, by call and by command; and versions that are refused by what they answer.

use crate::{
    clients::{assert_serves, body, get, http, infer, send, text},
    polling::{copy, polled, until},
    under_load::UnderLoad,
};
use hippocamp_tests::{Repository, Sandbox, server_binary};
use http::Method;
use std::{fs, process::Command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_served_before_serves_again() {
    let repository = Repository::new().simple("simple", "");
    let (root, server) = (repository.path().to_owned(), polled(&repository, 1));
    let client = http(&server);
    let path = "/v2/repository/models/simple/rollback";
    let nothing = send(server.http(), Method::POST, path, &[], "").await;
    assert_eq!(nothing.status, 400);
    assert!(body(&nothing).contains("no earlier generation of model 'simple' is kept"));
    let escaped = "/v2/repository/models/there%2Fsimple/rollback";
    let other = send(server.http(), Method::POST, escaped, &[], "").await;
    assert!(body(&other).contains("model 'there/simple' is not loaded"), "{}", body(&other));

    let load = UnderLoad::start(&server);
    copy(&root.join("simple/1"), &root.join(".two"));
    fs::rename(root.join(".two"), root.join("simple/2")).expect("it is one file system");
    fs::remove_dir_all(root.join("simple/1")).expect("it is ours");
    until(&client, "simple", "2 READY").await;
    let answer = send(server.http(), Method::POST, path, &[], "").await;
    assert_eq!(
        (answer.status, body(&answer)),
        (200, r#"{"models":[{"name":"simple","from":["2"],"to":["1"]}]}"#.to_owned())
    );
    assert_eq!(infer(&server, "simple", 1, 1).await.expect("it serves").model_version, "1");

    // It stays so though the files that it went back from are looked at again, until they change.
    repository.write("other/1/model.onnx", "no model");
    until(&client, "other", "1 UNAVAILABLE").await;
    assert_eq!(infer(&server, "simple", 1, 1).await.expect("it serves").model_version, "1");
    copy(&root.join("simple/2"), &root.join(".three"));
    fs::rename(root.join(".three"), root.join("simple/3")).expect("it is one file system");
    until(&client, "simple", "3 READY").await;

    // The command does the same.
    let url = format!("http://{}", server.http());
    let rollback = |model: &str| {
        let command =
            Command::new(server_binary()).args(["rollback", model, "--url", &url]).output();
        command.expect("the binary can be executed")
    };
    let done = rollback("simple");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "went back: simple from version 3 to 1\n");
    assert_eq!(infer(&server, "simple", 1, 1).await.expect("it serves").model_version, "1");
    let refused = rollback("nope");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("answered 404: ") && told.contains("'nope'"),
        "{told}"
    );
    load.stop().await;
    server.stop();
}

const WARM: &str = r#"model_warmup { name: "sum" batch_size: 2
    inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: 16 input_data_file: "ones" } }
    inputs { key: "INPUT1" value { data_type: TYPE_INT32 dims: 16 zero_data: true } } }"#;

#[tokio::test]
async fn a_version_that_answers_otherwise_is_not_taken_into_service() {
    let ones: Vec<u8> = [1_i32; 16].iter().flat_map(|one| one.to_le_bytes()).collect();
    let expected = |sum: i32| {
        let data = vec![sum.to_string(); 16].join(",");
        format!(
            r#"{{"outputs":[{{"name":"OUTPUT0","datatype":"INT32","shape":[1,16],"data":[{data}]}}]}}"#
        )
    };
    let repository = Repository::new()
        .simple("simple", WARM)
        .file("simple/warmup/ones", ones)
        .file("simple/warmup/sum.expected.json", expected(1));
    let server = Sandbox::explicit(repository.path());
    let client = http(&server);
    client.load("simple").await.expect("it answers as expected");
    let statistics = client.statistics(Some("simple"), None).await.expect("it is there");
    assert_eq!(statistics[0].inference_count, 0, "a warm-up is nobody's request");

    repository.write("simple/warmup/sum.expected.json", expected(2));
    let refused = client.load("simple").await.expect_err("it answers otherwise");
    let reason =
        "refused by its acceptance check: sample 'sum': output 'OUTPUT0', element 0: 1, expected 2";
    assert!(text(&refused).contains(reason), "{refused}");
    assert_serves(&server, "simple").await;
    until(&client, "simple", "1 READY version 1: refused by its acceptance check").await;
    let page = body(&get(server.metrics(), "/metrics").await);
    for line in [
        r#"hippocamp_model_loads_total{model="simple",outcome="success"} 1"#,
        r#"hippocamp_model_loads_total{model="simple",outcome="failure"} 1"#,
    ] {
        assert!(page.lines().any(|told| told == line), "{page}");
    }
    let memory = r#"hippocamp_model_memory_bytes{model="simple",version="1",type="CPU",id="0"} "#;
    let memory = page.lines().find_map(|told| told.strip_prefix(memory)).expect("it is told");
    assert!(memory.parse::<u64>().expect("a number") > 100, "{memory}");
    server.stop();
}
