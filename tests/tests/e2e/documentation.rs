//! What users read first is true: the README's first request, the OpenAPI document, Swagger UI (which
//! comes from the binary and fetches nothing from elsewhere).

use crate::clients::{body, get, get_json, send, within_limit};
use hippocamp_tests::{Repository, Sandbox, golden_models, workspace_root};
use http::Method;
use serde_json::Value;
use std::{fs, time::Duration};

#[tokio::test]
async fn the_first_request_of_the_readme_works_as_printed() {
    if std::env::var_os(crate::films::LEFT_OUT).is_some() {
        return;
    }
    let readme = fs::read_to_string(workspace_root().join("README.md")).expect("it is there");
    let between = |start: &str, end: &str| {
        let rest = readme.split_once(start).unwrap_or_else(|| panic!("no {start:?}")).1;
        rest.split_once(end).unwrap_or_else(|| panic!("no {end:?}")).0.to_owned()
    };
    let path = between("curl -s localhost:8000", " -d '");
    let request = between(" -d '", "'\n");
    let titles = between("```json\n", "\n```");
    let (simple, sum) = readme.rsplit_once(" -d '").expect("a second request");

    let server = Sandbox::start(&workspace_root().join("model_repository"));
    // As curl sends it.
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = send(server.http(), Method::POST, &path, &kind, request.clone()).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    assert!(body(&answer).contains(&titles), "{}", body(&answer));

    // The server itself offers the same request in its log.
    let offered = format!("/v2/models/recommend_by_plot/generate -d '{request}'");
    // A moment after it is ready.
    let told = async {
        while !server.log().contains(&offered) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within_limit(told).await;

    let path = simple.rsplit_once("localhost:8000").expect("its address").1;
    let request = sum.split_once("'\n").expect("its end").0.to_owned();
    let answer = send(server.http(), Method::POST, path, &kind, request).await;
    assert!(body(&answer).contains("\"data\":[1,2,3,4,5,6,7,8,9,10,"), "{}", body(&answer));
    server.stop();
}

#[tokio::test]
async fn openapi_describes_the_routes() {
    let repository = Repository::new();
    let server = Sandbox::start(repository.path());
    let document = get_json(&server, "/openapi.json").await;
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model}",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}/infer",
        "/v2/models/{model}/generate",
        "/v2/models/{model}/config",
        "/v2/models/{model}/stats",
        "/v1/embeddings",
        "/v1/models",
        "/v1/rerank",
        "/rerank",
        "/v2/repository/index",
        "/v2/repository/models/{model}/load",
        "/v2/repository/models/{model}/unload",
    ] {
        assert!(paths.contains_key(path), "{path} is not among {:?}", paths.keys());
    }
    server.stop();
}

#[tokio::test]
async fn swagger_ui_comes_from_the_binary() {
    let repository = Repository::new();
    let server = Sandbox::start(repository.path());
    assert_eq!(get(server.http(), "/docs").await.header("location"), Some("/docs/"));
    let page = get(server.http(), "/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let page = body(&page);
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.split(attribute).skip(1) {
            let target = rest.split('"').next().expect("split yields something");
            assert!(!target.contains("://"), "the page fetches {target}");
            let file = target.trim_start_matches("./").trim_start_matches("/docs/");
            assert_eq!(get(server.http(), &format!("/docs/{file}")).await.status, 200, "{file}");
            files += 1;
        }
    }
    assert!(files > 1, "the page has no files:\n{page}");
    server.stop();
}

/// Every example of a model's own document is sent as it stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_every_model_work() {
    let server = Sandbox::start(&golden_models());
    let index = send(server.http(), Method::POST, "/v2/repository/index", &[], "").await;
    let index: Vec<Value> = index.json().expect("JSON");
    let mut sent = 0;
    for model in index {
        let name = model["name"].as_str().expect("a name");
        let document = get_json(&server, &format!("/v2/models/{name}/openapi.json")).await;
        let paths = document["paths"].as_object().expect("paths");
        for (path, item) in paths {
            let body = &item["post"]["requestBody"]["content"]["application/json"]["example"];
            if body.is_null() || path.ends_with("/setting") {
                continue;
            }
            let answer = send(server.http(), Method::POST, path, &[], body.to_string()).await;
            assert_eq!(answer.status, 200, "{path} {body}: {}", self::body(&answer));
            sent += 1;
        }
        let page = get(server.http(), &format!("/v2/models/{name}/docs")).await;
        assert_eq!(page.status, 200);
        assert!(self::body(&page).contains("url: \"openapi.json\""));
    }
    assert!(sent > 10, "only {sent} examples");
    for path in ["docs", "openapi.json"] {
        assert_eq!(get(server.http(), &format!("/v2/models/nope/{path}")).await.status, 404);
    }
    server.stop();
}
