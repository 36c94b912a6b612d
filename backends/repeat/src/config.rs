//! The one shape that a configuration of a repeat model may have: completed where it is left out,
//! refused where it is another. Pure.

use hippocamp_backend::{
    Error,
    config::{list, sizes},
};
use serde_json::{Value, json};

const INPUTS: [Tensor; 3] =
    [("IN", "TYPE_INT32"), ("DELAY", "TYPE_UINT32"), ("WAIT", "TYPE_UINT32")];
const OUTPUTS: [Tensor; 2] = [("OUT", "TYPE_INT32"), ("IDX", "TYPE_UINT32")];

/// Name and datatype.
type Tensor = (&'static str, &'static str);

/// The configuration with inputs, outputs and the decoupled transaction policy; `None` if inputs and
/// outputs are there: then the rest is the user's, too.
pub(crate) fn complete(config: &Value) -> Option<Value> {
    if !list(config, "input").is_empty() || !list(config, "output").is_empty() {
        return None;
    }
    let tensors = |tensors: &[Tensor]| -> Value {
        let tensor = |&(name, datatype): &Tensor| {
            let dim = if matches!(name, "IN" | "DELAY") { -1 } else { 1 };
            json!({"name": name, "data_type": datatype, "dims": [dim]})
        };
        tensors.iter().map(tensor).collect()
    };
    let mut completed = config.clone();
    completed["input"] = tensors(&INPUTS);
    completed["output"] = tensors(&OUTPUTS);
    completed["model_transaction_policy"] = json!({"decoupled": true});
    Some(completed)
}

/// Checks a configuration.
///
/// # Errors
/// What was expected and what came.
pub(crate) fn check(model: &str, config: &Value) -> Result<(), Error> {
    fault(config).map_or(Ok(()), |fault| Err(Error::invalid(format!("model '{model}': {fault}"))))
}

fn fault(config: &Value) -> Option<String> {
    if config["max_batch_size"].as_i64().unwrap_or(0) != 0 {
        return Some("repeat backend only supports models with max_batch_size == 0".to_owned());
    }
    if config["model_transaction_policy"]["decoupled"] != true {
        return Some(
            "repeat backend sends any number of responses: write model_transaction_policy { decoupled: true }"
                .to_owned(),
        );
    }
    tensors_fault("input", list(config, "input"), &INPUTS)
        .or_else(|| tensors_fault("output", list(config, "output"), &OUTPUTS))
}

fn tensors_fault(kind: &str, tensors: &[Value], expected: &[Tensor]) -> Option<String> {
    if tensors.len() != expected.len() {
        return Some(format!("expected {} {kind}s, got {}", expected.len(), tensors.len()));
    }
    expected.iter().find_map(|&(name, datatype)| {
        let Some(tensor) = tensors.iter().find(|tensor| tensor["name"] == name) else {
            return Some(format!("expected an {kind} named {name}, of {datatype}"));
        };
        if tensor["data_type"] != datatype {
            return Some(format!(
                "expected {name} datatype to be {datatype}, got {}",
                tensor["data_type"].as_str().unwrap_or("none")
            ));
        }
        let dims = sizes(tensor, "dims");
        let fits = match name {
            "IN" | "DELAY" => dims.len() == 1,
            _ => dims == [1],
        };
        (!fits).then(|| {
            let shape = if matches!(name, "IN" | "DELAY") { "one dimension" } else { "[1]" };
            format!("expected {name} shape to be {shape}, got {dims:?}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    // The host functions that the SDK calls.
    use hippocamp_backend_host as _;

    #[test]
    fn what_is_left_out_is_completed_and_what_is_there_is_kept() {
        let completed = complete(&json!({"name": "m"})).expect("nothing is there");
        assert_eq!(check("m", &completed), Ok(()));
        assert_eq!(completed["name"], "m");
        assert_eq!(complete(&completed), None);
    }

    #[test]
    fn any_other_configuration_is_refused() {
        let good = complete(&json!({})).expect("nothing is there");
        let check = |change: &dyn Fn(&mut Value), expect: &str| {
            let mut config = good.clone();
            change(&mut config);
            let error = check("m", &config).expect_err(expect);
            assert!(error.message().contains(expect), "{error}");
        };
        check(&|config| config["max_batch_size"] = json!(8), "max_batch_size == 0");
        check(&|config| config["model_transaction_policy"] = json!({}), "decoupled: true");
        check(&|config| config["input"] = json!([good["input"][0]]), "expected 3 inputs, got 1");
        check(&|config| config["output"][1]["name"] = json!("ID"), "expected an output named IDX");
        check(
            &|config| config["input"][1]["data_type"] = json!("TYPE_INT32"),
            "expected DELAY datatype to be TYPE_UINT32, got TYPE_INT32",
        );
        check(
            &|config| config["input"][2]["dims"] = json!(["2"]),
            "expected WAIT shape to be [1], got [2]",
        );
        check(
            &|config| config["input"][0]["dims"] = json!([-1, 2]),
            "expected IN shape to be one dimension, got [-1, 2]",
        );
    }
}
