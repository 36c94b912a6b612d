use super::*;

fn config(raw: &Value) -> ModelConfig {
    let mut text = json!({
        "name": "m", "backend": "identity", "version_policy": { "latest": { "num_versions": 1 } },
        "instance_group": [{ "name": "m_0", "count": 1, "kind": "KIND_CPU" }],
    });
    text.as_object_mut().unwrap().extend(raw.as_object().unwrap().clone());
    ModelConfig::new(hippocamp_config::from_json(&text.to_string()).unwrap()).unwrap()
}

fn made(raw: &Value) -> Value {
    let all = serde_json::from_slice(&crate::openapi::document()).unwrap();
    serde_json::from_slice(&document(all, "m", &config(raw))).unwrap()
}

/// The body that the document gives as an example for a route.
fn example<'a>(document: &'a Value, route: &str) -> &'a Value {
    let post = &document["paths"][format!("/v2/models/m/{route}")]["post"];
    &post["requestBody"]["content"]["application/json"]["example"]
}

#[test]
fn tensors_are_filled_in() {
    let document = made(&json!({
        "max_batch_size": 8,
        "input": [
            { "name": "IDS", "data_type": "TYPE_INT32", "dims": [-1, 2] },
            { "name": "TEXT", "data_type": "TYPE_STRING", "dims": [1] },
            { "name": "K", "data_type": "TYPE_INT32", "dims": [1], "optional": true },
        ],
        "output": [{ "name": "OUT", "data_type": "TYPE_FP32", "dims": [4] }],
    }));
    assert_eq!(
        *example(&document, "infer"),
        json!({ "inputs": [
            { "name": "IDS", "datatype": "INT32", "shape": [1, 1, 2], "data": [0, 0] },
            { "name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "data": [""] },
        ]})
    );
    assert_eq!(*example(&document, "generate"), json!({ "IDS": [0, 0], "TEXT": "" }));
    let infer = &document["paths"]["/v2/models/m/infer"]["post"];
    let inputs =
        &infer["requestBody"]["content"]["application/json"]["schema"]["properties"]["inputs"];
    assert_eq!((&inputs["minItems"], &inputs["maxItems"]), (&json!(2), &json!(3)));
    let shape = &inputs["items"]["oneOf"][0]["properties"]["shape"];
    assert_eq!(shape["prefixItems"][2], json!({ "const": 2 }));
    let outputs = &infer["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        ["outputs"];
    assert_eq!(outputs["items"]["anyOf"][0]["properties"]["datatype"], json!({ "const": "FP32" }));

    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.iter().all(|path| path.starts_with("/v2/models/m")), "{paths:?}");
    assert!(paths.iter().all(|path| !path.contains(['{', '}'])), "{paths:?}");
    for route in ["", "/ready", "/config", "/stats", "/infer", "/generate", "/generate_stream"] {
        assert!(paths.contains(&&format!("/v2/models/m{route}")), "no {route} in {paths:?}");
    }
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array();
            assert!(parameters.into_iter().flatten().all(|parameter| parameter["in"] != "path"));
        }
    }
}

#[test]
fn the_configurations_own_example_comes_first() {
    let document = made(&json!({
        "input": [{ "name": "TEXT", "data_type": "TYPE_STRING", "dims": [1] }],
        "output": [{ "name": "OUT", "data_type": "TYPE_STRING", "dims": [1] }],
        "parameters": { "example": { "string_value": "{\"TEXT\": \"the sea\", \"k\": 3}" } },
    }));
    assert_eq!(*example(&document, "generate"), json!({ "TEXT": "the sea", "k": 3 }));
    assert_eq!(
        *example(&document, "infer"),
        json!({ "inputs": [{ "name": "TEXT", "datatype": "BYTES", "shape": [1], "data": ["the sea"] }] })
    );
}

#[test]
fn what_json_cannot_carry_has_no_example() {
    let check = |datatype: &str, dims: Value| {
        let document = made(&json!({
            "input": [{ "name": "IN", "data_type": datatype, "dims": dims }],
            "output": [{ "name": "OUT", "data_type": datatype, "dims": dims }],
        }));
        assert_eq!(*example(&document, "infer"), Value::Null);
        let description = document["info"]["description"].as_str().unwrap();
        assert!(description.contains("too large for an example"), "{description}");
    };
    check("TYPE_FP16", json!([2]));
    check("TYPE_BF16", json!([2]));
    check("TYPE_FP32", json!([3, 224, 224]));
}

#[test]
fn a_decoupled_model_streams() {
    let document = made(&json!({
        "input": [{ "name": "IN", "data_type": "TYPE_INT32", "dims": [1] }],
        "output": [{ "name": "OUT", "data_type": "TYPE_INT32", "dims": [1] }],
        "model_transaction_policy": { "decoupled": true },
    }));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/v2/models/m/generate_stream"));
    assert!(!paths.contains_key("/v2/models/m/infer"));
    assert!(!paths.contains_key("/v2/models/m/generate"));
}
