//! The identity backend: outputs are inputs. It serves tests, and as the example of a backend.
//!
//! An output takes the input of the same suffix (`OUTPUT1` the input `INPUT1`), else the one at the
//! same position. Any datatype, any number of pairs, with or without a batch dimension.
#![forbid(unsafe_code)]

use hippocamp_backend::{
    Backend, BackendContext, Batch, Error, Instance, InstanceContext, Model, ModelContext, Request,
    config::{list, text},
};
use serde_json::Value;

/// The backend; it has no state.
#[derive(Debug)]
pub struct Identity;

/// A model: which input each output takes.
#[derive(Clone, Debug)]
pub struct IdentityModel {
    /// Output and input, in the configuration's order of outputs.
    pairs: Vec<(String, String)>,
}

impl Backend for Identity {
    type Model = IdentityModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<IdentityModel, Error> {
        Ok(IdentityModel { pairs: pairs(context.name(), context.config())? })
    }
}

impl Model for IdentityModel {
    type Instance = Self;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<Self, Error> {
        Ok(self.clone())
    }
}

impl Instance for IdentityModel {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        for request in batch.requests() {
            // One bad request does not fail its neighbours.
            if let Err(error) = self.answer(request) {
                request.fail(&error);
            }
        }
        Ok(())
    }
}

impl IdentityModel {
    fn answer(&self, request: &Request) -> Result<(), Error> {
        let wanted = request.outputs()?;
        let mut response = request.response()?;
        for (output, input) in
            self.pairs.iter().filter(|(output, _)| wanted.contains(&output.as_str()))
        {
            let input = request.input(input)?;
            response.output(output, input.datatype(), input.shape(), input.data())?;
        }
        response.send()
    }
}

/// Pairs each output of the configuration with its input; datatypes and sizes must agree.
fn pairs(model: &str, config: &Value) -> Result<Vec<(String, String)>, Error> {
    let (inputs, outputs) = (tensors(config, "input"), tensors(config, "output"));
    if inputs.is_empty() || outputs.is_empty() {
        return Err(Error::invalid(format!(
            "model '{model}': the identity backend has no file to learn inputs and outputs from; write at least one pair into config.pbtxt, \
             such as input [ {{ name: \"INPUT0\" data_type: TYPE_FP32 dims: [ -1 ] }} ] \
             output [ {{ name: \"OUTPUT0\" data_type: TYPE_FP32 dims: [ -1 ] }} ]"
        )));
    }
    let pair = |(position, output): (usize, &Tensor<'_>)| {
        let same_suffix = |input: &&Tensor<'_>| {
            output
                .name
                .strip_prefix("OUTPUT")
                .is_some_and(|suffix| input.name.strip_prefix("INPUT") == Some(suffix))
        };
        let input =
            inputs.iter().find(same_suffix).or_else(|| inputs.get(position)).ok_or_else(|| {
                Error::invalid(format!(
                    "model '{model}': there is no input for output '{}'",
                    output.name
                ))
            })?;
        if input.datatype != output.datatype {
            return Err(Error::invalid(format!(
                "model '{model}': output '{}' has data_type {}, but its input '{}' has {}",
                output.name, output.datatype, input.name, input.datatype
            )));
        }
        Ok((output.name.to_owned(), input.name.to_owned()))
    };
    outputs.iter().enumerate().map(pair).collect()
}

/// What matters here of an input or output in the configuration.
struct Tensor<'a> {
    name: &'a str,
    datatype: &'a str,
}

fn tensors<'a>(config: &'a Value, key: &str) -> Vec<Tensor<'a>> {
    list(config, key)
        .iter()
        .map(|tensor| Tensor { name: text(tensor, "name"), datatype: text(tensor, "data_type") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    // The host functions that the SDK calls.
    use hippocamp_backend_host as _;
    use serde_json::json;

    #[test]
    fn outputs_find_their_inputs() {
        let tensors = |names: &[&str]| -> Vec<Value> {
            names.iter().map(|name| json!({ "name": name, "data_type": "TYPE_FP32" })).collect()
        };
        let check = |inputs: &[&str], outputs: &[&str], expect: &[(&str, &str)]| {
            let config = json!({ "input": tensors(inputs), "output": tensors(outputs) });
            let expect: Vec<_> = expect
                .iter()
                .map(|(output, input)| ((*output).to_owned(), (*input).to_owned()))
                .collect();
            assert_eq!(pairs("m", &config), Ok(expect));
        };
        check(&["INPUT0"], &["OUTPUT0"], &[("OUTPUT0", "INPUT0")]);
        check(
            &["INPUT1", "INPUT0"],
            &["OUTPUT0", "OUTPUT1"],
            &[("OUTPUT0", "INPUT0"), ("OUTPUT1", "INPUT1")],
        );
        check(&["a", "b"], &["x", "y"], &[("x", "a"), ("y", "b")]);
    }

    #[test]
    fn what_has_no_pair_is_an_error() {
        let check = |config: &Value, expect: &str| {
            let error = pairs("m", config).unwrap_err();
            assert!(error.message().contains(expect), "{error}");
        };
        check(&json!({}), "write at least one pair into config.pbtxt");
        let tensor = |name: &str, datatype: &str| json!({ "name": name, "data_type": datatype });
        check(
            &json!({ "input": [tensor("a", "TYPE_FP32")], "output": [tensor("x", "TYPE_FP32"), tensor("y", "TYPE_FP32")] }),
            "there is no input for output 'y'",
        );
        check(
            &json!({ "input": [tensor("a", "TYPE_FP32")], "output": [tensor("x", "TYPE_INT8")] }),
            "output 'x' has data_type TYPE_INT8, but its input 'a' has TYPE_FP32",
        );
    }
}
