//! The model's configuration against its ONNX file: completes what the configuration leaves out,
//! and refuses what contradicts the file. Rules and texts are those of Triton's ONNX Runtime
//! backend, so that a repository made for it behaves the same. Pure: JSON in, JSON out.

use crate::onnx::TensorInfo;
use hippocamp_backend::{
    Error,
    config::{list, sizes},
};
use serde_json::{Value, json};

/// The configuration with inputs, outputs and `max_batch_size` from the file; `None` if it has
/// inputs and outputs already. A batch dimension is assumed where the first dimension of every
/// input and output is open; then `max_batch_size` becomes `default_max_batch_size`, and above 1
/// the dynamic batcher is added, unless the configuration says otherwise.
///
/// # Errors
/// If the configuration asks for batches that the file cannot take.
pub(crate) fn complete(
    model: &str,
    config: &Value,
    inputs: &[TensorInfo],
    outputs: &[TensorInfo],
    default_max_batch_size: u64,
) -> Result<Option<Value>, Error> {
    let (has_inputs, has_outputs) =
        (!list(config, "input").is_empty(), !list(config, "output").is_empty());
    if has_inputs && has_outputs {
        return Ok(None);
    }
    let takes_batches = inputs.iter().chain(outputs).all(|info| dims_of(info).first() == Some(&-1));
    let mut max_batch_size = config["max_batch_size"].as_u64().unwrap_or(0);
    if max_batch_size > 0 && !takes_batches {
        return Err(Error::invalid(format!(
            "autofill failed for model '{model}': model does not support batching while non-zero \
             max_batch_size is specified"
        )));
    }
    let mut completed = config.clone();
    // Tensors that are spelt out with the whole shape say that there is no batch dimension.
    let spelt_out = |key: &str, infos: &[TensorInfo]| {
        list(config, key).iter().any(|entry| {
            let info = infos.iter().find(|info| Some(info.name.as_str()) == entry["name"].as_str());
            info.is_some_and(|info| shape_of(entry).len() == dims_of(info).len())
        })
    };
    if takes_batches
        && max_batch_size == 0
        && !spelt_out("input", inputs)
        && !spelt_out("output", outputs)
    {
        max_batch_size = default_max_batch_size;
        completed["max_batch_size"] = json!(max_batch_size);
        let scheduled = ["dynamic_batching", "sequence_batching"]
            .iter()
            .any(|key| config.get(key).is_some_and(|value| !value.is_null()));
        if max_batch_size > 1 && !scheduled {
            completed["dynamic_batching"] = json!({});
        }
    }
    let batched = max_batch_size > 0;
    if !has_inputs {
        completed["input"] = inputs.iter().map(|info| entry(info, batched)).collect();
    }
    if !has_outputs {
        completed["output"] = outputs.iter().map(|info| entry(info, batched)).collect();
    }
    Ok(Some(completed))
}

/// Checks that the configuration agrees with the file. It names every input; outputs may be fewer.
///
/// # Errors
/// The first disagreement, with the tensor, what the file has and what the configuration has.
pub(crate) fn validate(
    model: &str,
    config: &Value,
    inputs: &[TensorInfo],
    outputs: &[TensorInfo],
) -> Result<(), Error> {
    let batched = config["max_batch_size"].as_u64().unwrap_or(0) > 0;
    let configured = list(config, "input");
    if configured.len() != inputs.len() {
        return Err(Error::invalid(format!(
            "unable to load model '{model}', configuration expects {} inputs, model provides {}",
            configured.len(),
            inputs.len()
        )));
    }
    if list(config, "output").is_empty() {
        return Err(Error::invalid(format!(
            "unable to load model '{model}', configuration names no outputs, model provides {}",
            names(outputs)
        )));
    }
    for (kind, infos) in [("input", inputs), ("output", outputs)] {
        for entry in list(config, kind) {
            let name = entry["name"].as_str().unwrap_or_default();
            let info = infos.iter().find(|info| info.name == name).ok_or_else(|| {
                Error::invalid(format!(
                    "unexpected inference {kind} '{name}', allowed {kind}s are: {}",
                    names(infos)
                ))
            })?;
            check_tensor(model, info, entry, batched)?;
        }
    }
    Ok(())
}

/// The parameter that says which encoder a model is.
const EMBEDDING_SPACE: &str = "embedding_space";

/// The configuration with the parameter `embedding_space`, if the file names one and the
/// configuration does not.
pub(crate) fn with_embedding_space(config: &Value, found: Option<&str>) -> Option<Value> {
    let found = found.filter(|_| !config["parameters"][EMBEDDING_SPACE].is_object())?;
    let mut named = config.clone();
    named["parameters"][EMBEDDING_SPACE] = json!({ "string_value": found });
    Some(named)
}

/// Checks that the file is the encoder that the configuration says it is: an index is paired with
/// it by that name.
///
/// # Errors
/// If the file names another one, or the configuration names none and may not be completed.
pub(crate) fn check_embedding_space(
    model: &str,
    config: &Value,
    found: Option<&str>,
    auto_complete: bool,
) -> Result<(), Error> {
    match (found, config["parameters"][EMBEDDING_SPACE]["string_value"].as_str()) {
        (Some(found), Some(stated)) if found != stated => Err(Error::invalid(format!(
            "model '{model}': the file is encoder '{found}', but the configuration's parameter '{EMBEDDING_SPACE}' \
             is '{stated}': serve the file that belongs to it, or change the parameter"
        ))),
        (Some(found), None) if !auto_complete => Err(Error::invalid(format!(
            "model '{model}': the configuration does not say which encoder it is, and may not be completed: \
             write parameters {{ key: \"{EMBEDDING_SPACE}\" value {{ string_value: \"{found}\" }} }}"
        ))),
        _ => Ok(()),
    }
}

fn check_tensor(model: &str, info: &TensorInfo, entry: &Value, batched: bool) -> Result<(), Error> {
    let refuse = |text: String| {
        Err(Error::invalid(format!("model '{model}', tensor '{}': {text}", info.name)))
    };
    let expected = info.datatype.config_name();
    let actual = entry["data_type"].as_str().unwrap_or_default();
    if actual != expected {
        return refuse(format!(
            "the model expects datatype {expected} but the model configuration specifies {actual}"
        ));
    }
    let expected = dims_of(info);
    let mut actual = shape_of(entry);
    if batched {
        if expected.first() != Some(&-1) {
            return refuse(format!(
                "for the model to support batching the shape should have at least 1 dimension and \
                 the first dimension must be -1; but shape expected by the model is {}",
                brackets(expected)
            ));
        }
        actual.insert(0, -1);
    }
    let agrees = expected.len() == actual.len()
        && expected
            .iter()
            .zip(&actual)
            .all(|(&expected, &actual)| expected == -1 || expected == actual);
    if agrees {
        return Ok(());
    }
    let (model_rank, model_shape) = (expected.len(), brackets(expected));
    let (config_rank, config_shape) = (actual.len(), brackets(&actual));
    refuse(if batched {
        format!(
            "the model expects {model_rank} dimensions (shape {model_shape}) but the model \
             configuration specifies {config_rank} dimensions (an initial batch dimension because \
             max_batch_size > 0 followed by the explicit tensor shape, making complete shape \
             {config_shape})"
        )
    } else {
        format!(
            "the model expects {model_rank} dimensions (shape {model_shape}) but the model \
             configuration specifies {config_rank} dimensions (shape {config_shape})"
        )
    })
}

/// A tensor as the configuration names it, without its batch dimension. A configuration cannot
/// say "no dimensions": one element and a reshape stand for it.
fn entry(info: &TensorInfo, batched: bool) -> Value {
    let dims = &dims_of(info)[usize::from(batched)..];
    let mut entry = json!({
        "name": info.name,
        "data_type": info.datatype.config_name(),
        "dims": if dims.is_empty() { &[1] } else { dims },
    });
    if dims.is_empty() {
        entry["reshape"] = json!({ "shape": [] });
    }
    entry
}

fn dims_of(info: &TensorInfo) -> &[i64] {
    info.dims.as_deref().unwrap_or_default()
}

/// The shape that the model sees of a configured tensor: its reshape, or its dims.
fn shape_of(entry: &Value) -> Vec<i64> {
    match &entry["reshape"] {
        reshape if reshape.is_object() => sizes(reshape, "shape"),
        _ => sizes(entry, "dims"),
    }
}

fn names(infos: &[TensorInfo]) -> String {
    infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn brackets(dims: &[i64]) -> String {
    let dims: Vec<_> = dims.iter().map(i64::to_string).collect();
    format!("[{}]", dims.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_proto::DataType as OnnxType;

    fn info(name: &str, onnx: OnnxType, dims: &[i64]) -> TensorInfo {
        let (datatype, datum_type) = crate::datatype::from_onnx(onnx as i32).unwrap();
        TensorInfo { name: name.to_owned(), datatype, datum_type, dims: Some(dims.to_vec()) }
    }

    fn completed(config: Value, inputs: &[TensorInfo], outputs: &[TensorInfo]) -> Option<Value> {
        let completed = complete("m", &config, inputs, outputs, 4).unwrap();
        if let Some(completed) = &completed {
            validate("m", completed, inputs, outputs).unwrap();
        }
        completed
    }

    #[test]
    fn a_bare_model_with_an_open_first_dimension_batches() {
        let (x, y) = (info("x", OnnxType::Float, &[-1, 4]), info("y", OnnxType::String, &[-1]));
        let config = json!({"name": "m", "input": [], "output": [], "max_batch_size": 0});
        assert_eq!(
            completed(config, &[x], &[y]).unwrap(),
            json!({
                "name": "m",
                "max_batch_size": 4,
                "dynamic_batching": {},
                "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
                "output": [
                    {"name": "y", "data_type": "TYPE_STRING", "dims": [1], "reshape": {"shape": []}}
                ],
            })
        );
    }

    #[test]
    fn a_fixed_first_dimension_does_not_batch() {
        let (x, y) = (info("x", OnnxType::Float, &[-1, 4]), info("y", OnnxType::Int64, &[1, -1]));
        let (inputs, outputs) = ([x], [y]);
        let config = completed(json!({"max_batch_size": 0}), &inputs, &outputs).unwrap();
        assert_eq!(config["max_batch_size"], 0);
        assert_eq!(config["input"][0]["dims"], json!([-1, 4]));
        assert_eq!(config["output"][0]["dims"], json!([1, -1]));
        assert_eq!(config.get("dynamic_batching"), None);

        let error = complete("m", &json!({"max_batch_size": 2}), &inputs, &outputs, 4).unwrap_err();
        assert!(error.message().contains("non-zero max_batch_size"), "{error}");
    }

    #[test]
    fn what_the_configuration_says_stays() {
        let (x, y) = (info("x", OnnxType::Float, &[-1, 4]), info("y", OnnxType::Float, &[-1, 2]));
        let tensors = ([x], [y]);
        let check = |config: Value, expect: Option<(u64, bool)>| {
            let completed = completed(config, &tensors.0, &tensors.1);
            let found = completed.map(|config| {
                (
                    config["max_batch_size"].as_u64().unwrap(),
                    config.get("dynamic_batching").is_some(),
                )
            });
            assert_eq!(found, expect);
        };
        check(json!({"max_batch_size": 16}), Some((16, false)));
        check(json!({"sequence_batching": {}}), Some((4, false)));
        check(json!({"sequence_batching": null}), Some((4, true)));
        let input = |dims: Value| json!([{"name": "x", "data_type": "TYPE_FP32", "dims": dims}]);
        check(json!({"input": input(json!([4]))}), Some((4, true)));
        // The whole shape is spelt out: no batch dimension.
        check(json!({"max_batch_size": 0, "input": input(json!(["-1", "4"]))}), Some((0, false)));
        let output = json!([{"name": "y", "data_type": "TYPE_FP32", "dims": [-1, 2]}]);
        check(json!({"input": input(json!([-1, 4])), "output": output}), None);
    }

    #[test]
    fn an_encoder_is_what_its_file_says() {
        let bare = json!({"parameters": {}});
        let named = with_embedding_space(&bare, Some("bow:1")).unwrap();
        assert_eq!(named, json!({"parameters": {"embedding_space": {"string_value": "bow:1"}}}));
        assert_eq!(with_embedding_space(&named, Some("bow:2")), None);
        assert_eq!(with_embedding_space(&bare, None), None);

        assert_eq!(check_embedding_space("m", &named, Some("bow:1"), false), Ok(()));
        assert_eq!(check_embedding_space("m", &named, None, false), Ok(()));
        assert_eq!(check_embedding_space("m", &bare, Some("bow:1"), true), Ok(()));
        let error = check_embedding_space("m", &bare, Some("bow:1"), false).unwrap_err();
        assert!(error.message().ends_with(r#"value { string_value: "bow:1" } }"#), "{error}");
        let error = check_embedding_space("m", &named, Some("bow:2"), true).unwrap_err();
        assert_eq!(
            error.message(),
            "model 'm': the file is encoder 'bow:2', but the configuration's parameter 'embedding_space' is \
             'bow:1': serve the file that belongs to it, or change the parameter"
        );
    }

    #[test]
    fn disagreements_name_tensor_expected_and_actual() {
        let inputs = [
            info("INPUT0", OnnxType::Int32, &[-1, 16]),
            info("INPUT1", OnnxType::Int32, &[-1, 16]),
        ];
        let outputs = [
            info("OUTPUT0", OnnxType::Int32, &[-1, 16]),
            info("OUTPUT1", OnnxType::Int32, &[-1, 16]),
        ];
        let tensor = |name: &str, ty: &str, dims: Value| json!({"name": name, "data_type": ty, "dims": dims});
        let config = |max: u64, first: Value| {
            json!({
                "max_batch_size": max,
                "input": [first, tensor("INPUT1", "TYPE_INT32", if max > 0 { json!([16]) } else { json!([-1, 16]) })],
                "output": [tensor("OUTPUT1", "TYPE_INT32", if max > 0 { json!([16]) } else { json!([-1, 16]) })],
            })
        };
        let good = config(8, tensor("INPUT0", "TYPE_INT32", json!(["16"])));
        assert_eq!(validate("m", &good, &inputs, &outputs), Ok(()));
        let good = config(0, tensor("INPUT0", "TYPE_INT32", json!([1, 16])));
        assert_eq!(validate("m", &good, &inputs, &outputs), Ok(()));

        let check = |config: Value, expect: &str| {
            let error = validate("m", &config, &inputs, &outputs).unwrap_err();
            assert_eq!(error.message(), expect);
        };
        check(
            config(8, tensor("INPUT0", "TYPE_FP32", json!([16]))),
            "model 'm', tensor 'INPUT0': the model expects datatype TYPE_INT32 but the model \
             configuration specifies TYPE_FP32",
        );
        check(
            config(8, tensor("INPUT0", "TYPE_INT32", json!([8, 2]))),
            "model 'm', tensor 'INPUT0': the model expects 2 dimensions (shape [-1,16]) but the model \
             configuration specifies 3 dimensions (an initial batch dimension because max_batch_size > 0 \
             followed by the explicit tensor shape, making complete shape [-1,8,2])",
        );
        check(
            config(0, tensor("INPUT0", "TYPE_INT32", json!([16]))),
            "model 'm', tensor 'INPUT0': the model expects 2 dimensions (shape [-1,16]) but the model \
             configuration specifies 1 dimensions (shape [16])",
        );
        check(
            config(8, tensor("foo", "TYPE_INT32", json!([16]))),
            "unexpected inference input 'foo', allowed inputs are: INPUT0, INPUT1",
        );
        check(
            json!({"input": []}),
            "unable to load model 'm', configuration expects 0 inputs, model provides 2",
        );
        let fixed = [info("x", OnnxType::Float, &[1, 4])];
        let config = json!({
            "max_batch_size": 8,
            "input": [tensor("x", "TYPE_FP32", json!([4]))],
            "output": [tensor("x", "TYPE_FP32", json!([4]))],
        });
        let error = validate("m", &config, &fixed, &fixed).unwrap_err();
        assert!(error.message().ends_with("but shape expected by the model is [1,4]"), "{error}");
    }
}
