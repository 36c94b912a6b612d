//! Ensembles: steps within one request, and what is refused at load.

use crate::clients::{
    get, grpc, index, infer, little_endian, output, simple_message, within_limit,
};
use hippocamp_tests::{Repository, Sandbox, Settings};
use serde_json::json;

#[tokio::test]
async fn the_second_step_gets_what_the_first_made() {
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let server = Sandbox::start(repository.path());
    // (a + b) + (a - b), and (a + b) - (a - b).
    let response = infer(server.http(), "both", 40, 2).await.ok();
    assert_eq!(output(&response, "OUTPUT0")["data"], json!(vec![80; 16]));
    assert_eq!(output(&response, "OUTPUT1")["data"], json!(vec![4; 16]));

    let mut client = grpc(&server).await;
    let response = within_limit(client.model_infer(simple_message("both", 40, 2))).await;
    let response = response.expect("the ensemble infers").into_inner();
    for (name, value) in [("OUTPUT0", 80), ("OUTPUT1", 4)] {
        let at = response.outputs.iter().position(|output| output.name == name);
        let at = at.unwrap_or_else(|| panic!("no output {name}"));
        assert_eq!(response.raw_output_contents[at], little_endian(value));
    }

    let statistics = get(server.http(), "/v2/models/simple/stats").await.ok();
    let simple = &statistics["model_stats"][0];
    assert_eq!(simple["inference_count"], 4, "two steps for each of two requests: {simple}");
    server.stop();
}

#[tokio::test]
async fn an_error_in_a_step_is_the_ensembles_answer() {
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let server = Sandbox::start(repository.path());
    let mut request = simple_message("both", 40, 2);
    request.raw_input_contents.truncate(1);
    let mut client = grpc(&server).await;
    let status = within_limit(client.model_infer(request)).await.expect_err("an input is missing");
    assert!(!status.message().is_empty());
    // Nothing of it is left behind.
    let response = infer(server.http(), "both", 1, 1).await.ok();
    assert_eq!(output(&response, "OUTPUT0")["data"], json!(vec![2; 16]));
    server.stop();
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_at_load() {
    let of = |step: &str, input: &str, datatype: &str, output: &str| {
        format!(
            r#"
platform: "ensemble"
max_batch_size: 8
input [ {{ name: "IN" data_type: {datatype} dims: [ -1 ] }} ]
output [ {{ name: "OUT" data_type: {datatype} dims: [ -1 ] }} ]
ensemble_scheduling {{ step [ {{ model_name: "{step}" model_version: -1
  input_map {{ key: "{input}" value: "IN" }} output_map {{ key: "{output}" value: "OUT" }} }} ] }}
"#
        )
    };
    let repository = Repository::new()
        .identity("step", "TYPE_FP32", "")
        .model("good", &of("step", "INPUT0", "TYPE_FP32", "OUTPUT0"))
        .model("wrong_datatype", &of("step", "INPUT0", "TYPE_INT64", "OUTPUT0"))
        .model("no_such_input", &of("step", "INPUT9", "TYPE_FP32", "OUTPUT0"))
        .model("no_such_model", &of("nope", "INPUT0", "TYPE_FP32", "OUTPUT0"))
        .model("circle", &of("circle", "IN", "TYPE_FP32", "OUT"));
    let server = Settings::new(repository.path())
        .option("--exit-on-error", "false")
        .start()
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let models = index(&server).await;
    let find = |name: &str| {
        let found = models.iter().find(|model| model.starts_with(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("{name} is not in the index: {models:?}"))
    };
    assert_eq!(find("good"), "good: READY");
    for (name, says) in [
        ("wrong_datatype", "TYPE_INT64"),
        ("no_such_input", "INPUT9"),
        ("no_such_model", "nope"),
        ("circle", "circle"),
    ] {
        let model = find(name);
        assert!(model.contains("UNAVAILABLE") && model.contains(says), "{model}");
    }
    server.stop();
}
