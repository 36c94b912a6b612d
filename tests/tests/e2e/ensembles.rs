//! Ensembles: steps within one request, and what is refused at load.

use crate::clients::{assert_output, grpc, index, infer, simple, statistics, text, within_limit};
use hippocamp_tests::{Repository, Sandbox, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_step_gets_what_the_first_made() {
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let server = Sandbox::start(repository.path());
    let over_http = infer(&server, "both", 40, 2).await.expect("the ensemble infers");
    let request = simple("both", 40, 2);
    let over_grpc = within_limit(grpc(&server).await.infer(&request)).await;
    for result in [over_http, over_grpc.expect("the ensemble infers")] {
        // (a + b) + (a - b), and (a + b) - (a - b).
        assert_output(&result, "OUTPUT0", 80);
        assert_output(&result, "OUTPUT1", 4);
    }
    let inferences = statistics(&server, "simple", 4).await.inference_count;
    assert_eq!(inferences, 4, "two steps for each of two requests");
    assert_eq!(statistics(&server, "both", 2).await.inference_count, 2);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_request_is_refused_and_leaves_nothing_behind() {
    let repository = Repository::new().simple("simple", "").ensemble_of_simple("both", "simple");
    let server = Sandbox::start(repository.path());
    let mut request = simple("both", 40, 2);
    request.inputs.truncate(1);
    let error = within_limit(grpc(&server).await.infer(&request)).await;
    assert!(text(&error.expect_err("an input is missing")).contains("INPUT1"));
    let result = infer(&server, "both", 1, 1).await.expect("the ensemble infers");
    assert_output(&result, "OUTPUT0", 2);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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
