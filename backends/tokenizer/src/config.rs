//! The model's configuration: completes what it leaves out, and refuses what this backend cannot do.
//! Pure: JSON in, JSON out.

use crate::text::Options;
use hippocamp_backend::{
    DataType, Error,
    config::{list, sizes, text},
};
use serde_json::{Value, json};

/// `max_batch_size` of a configuration that has neither inputs nor outputs.
const DEFAULT_MAX_BATCH_SIZE: u64 = 64;

/// One of the tensors that a text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ids,
    Mask,
    Types,
    /// Where a token stands in its text: first byte, and the one behind its last.
    Offsets,
}

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// INT64 or INT32.
    pub(crate) datatype: DataType,
}

/// The tensors that encoders take.
const ROLES: [(&str, Role); 3] =
    [("input_ids", Role::Ids), ("attention_mask", Role::Mask), ("token_type_ids", Role::Types)];

/// One more, for who explains what an encoder made of a text; served where a configuration names it.
const OFFSETS: (&str, Role) = ("offsets", Role::Offsets);

/// The configuration with inputs and outputs; `None` if it has them already.
pub(crate) fn complete(config: &Value) -> Option<Value> {
    let (no_inputs, no_outputs) =
        (list(config, "input").is_empty(), list(config, "output").is_empty());
    if !no_inputs && !no_outputs {
        return None;
    }
    let mut completed = config.clone();
    if no_inputs && no_outputs && config["max_batch_size"].as_u64().unwrap_or(0) == 0 {
        completed["max_batch_size"] = json!(DEFAULT_MAX_BATCH_SIZE);
    }
    let batched = completed["max_batch_size"].as_u64().unwrap_or(0) > 0;
    if no_inputs {
        completed["input"] = json!([{
            "name": "TEXT", "data_type": "TYPE_STRING", "dims": [if batched { 1 } else { -1 }]
        }]);
    }
    if no_outputs {
        let dims: &[i64] = if batched { &[-1] } else { &[-1, -1] };
        let output = |(name, _): &(&str, Role)| json!({"name": name, "data_type": "TYPE_INT64", "dims": dims});
        completed["output"] = ROLES.iter().map(output).collect();
    }
    Some(completed)
}

/// The outputs of a configuration, which is checked on the way.
///
/// # Errors
/// What is wrong, what was expected, and what came.
pub(crate) fn outputs(model: &str, config: &Value) -> Result<Vec<Output>, Error> {
    let refuse = |text: String| Error::invalid(format!("model '{model}': {text}"));
    let batched = config["max_batch_size"].as_u64().unwrap_or(0) > 0;
    match list(config, "input") {
        [input] if input["data_type"] == "TYPE_STRING" => {}
        [input] => {
            return Err(refuse(format!(
                "input '{}' has data_type {}: the tokenizer backend expects TYPE_STRING",
                text(input, "name"),
                text(input, "data_type")
            )));
        }
        inputs => {
            return Err(refuse(format!(
                "the tokenizer backend expects one input, of TYPE_STRING; the configuration has {}",
                inputs.len()
            )));
        }
    }
    let outputs = list(config, "output");
    if outputs.is_empty() {
        return Err(refuse(format!(
            "the configuration names no outputs, expected some of {}",
            names()
        )));
    }
    outputs
        .iter()
        .map(|output| {
            let name = text(output, "name");
            let mut roles = ROLES.iter().chain([&OFFSETS]);
            let Some((_, role)) = roles.find(|(known, _)| *known == name) else {
                return Err(refuse(format!("output '{name}' is unknown, expected some of {}", names())));
            };
            let datatype = match text(output, "data_type") {
                "TYPE_INT64" => DataType::Int64,
                "TYPE_INT32" => DataType::Int32,
                other => {
                    return Err(refuse(format!(
                        "output '{name}' has data_type {other}, expected TYPE_INT64 or TYPE_INT32"
                    )));
                }
            };
            let dims = sizes(output, "dims");
            let (expected, shown): (&[i64], _) = match (batched, role) {
                (true, Role::Offsets) => (&[-1, 2], "[ -1, 2 ]"),
                (true, _) => (&[-1], "[ -1 ]"),
                (false, Role::Offsets) => (&[-1, -1, 2], "[ -1, -1, 2 ]"),
                (false, _) => (&[-1, -1], "[ -1, -1 ]"),
            };
            if dims != expected {
                return Err(refuse(format!(
                    "output '{name}' has dims {dims:?}, expected {shown}: as many tokens as the longest text has"
                )));
            }
            Ok(Output { name: name.to_owned(), role: *role, datatype })
        })
        .collect()
}

/// The options that the configuration's parameters set.
///
/// # Errors
/// If a parameter's value is not what it should be.
pub(crate) fn options(
    model: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> Result<Options, Error> {
    let refuse = |key: &str, expected: &str, value: &str| {
        Error::invalid(format!(
            "model '{model}': parameter '{key}' expects {expected}, got '{value}'"
        ))
    };
    let max_length = parameter("max_length")
        .map(|value| match value.parse() {
            Ok(length @ 1..=1_000_000) => Ok(length),
            _ => Err(refuse("max_length", "a number of tokens, 1 to 1000000", &value)),
        })
        .transpose()?;
    let allow_empty = parameter("allow_empty")
        .map(|value| value.parse().map_err(|_other| refuse("allow_empty", "true or false", &value)))
        .transpose()?
        .unwrap_or(false);
    Ok(Options { max_length, allow_empty })
}

fn names() -> String {
    let roles = ROLES.iter().chain([&OFFSETS]);
    roles.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_tokenizer_has_the_three_tensors() {
        let completed = complete(&json!({"max_batch_size": 0})).unwrap();
        assert_eq!(completed["max_batch_size"], 64);
        assert_eq!(completed["input"][0]["dims"], json!([1]));
        let found = outputs("m", &completed).unwrap();
        assert_eq!(
            found.iter().map(|o| o.role).collect::<Vec<_>>(),
            [Role::Ids, Role::Mask, Role::Types]
        );
        assert_eq!(complete(&completed), None);
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let input = json!([{"name": "T", "data_type": "TYPE_STRING", "dims": [1]}]);
        let check = |input: &Value, output: Value, expect: &str| {
            let config = json!({"max_batch_size": 8, "input": input, "output": output});
            assert_eq!(
                outputs("m", &config).unwrap_err().message(),
                format!("model 'm': {expect}")
            );
        };
        let good = json!([{"name": "input_ids", "data_type": "TYPE_INT64", "dims": [-1]}]);
        check(
            &json!([{"name": "T", "data_type": "TYPE_FP32", "dims": [1]}]),
            good.clone(),
            "input 'T' has data_type TYPE_FP32: the tokenizer backend expects TYPE_STRING",
        );
        check(
            &json!([]),
            good,
            "the tokenizer backend expects one input, of TYPE_STRING; the configuration has 0",
        );
        check(
            &input,
            json!([]),
            "the configuration names no outputs, expected some of input_ids, attention_mask, token_type_ids, offsets",
        );
        check(
            &input,
            json!([{"name": "ids", "data_type": "TYPE_INT64", "dims": [-1]}]),
            "output 'ids' is unknown, expected some of input_ids, attention_mask, token_type_ids, offsets",
        );
        check(
            &input,
            json!([{"name": "input_ids", "data_type": "TYPE_FP32", "dims": [-1]}]),
            "output 'input_ids' has data_type TYPE_FP32, expected TYPE_INT64 or TYPE_INT32",
        );
        check(
            &input,
            json!([{"name": "input_ids", "data_type": "TYPE_INT32", "dims": ["128"]}]),
            "output 'input_ids' has dims [128], expected [ -1 ]: as many tokens as the longest text has",
        );
    }

    #[test]
    fn parameters_are_read() {
        let of = |key: &'static str, value: &'static str| {
            options("m", move |asked| (asked == key).then(|| value.to_owned()))
        };
        assert_eq!(of("", ""), Ok(Options::default()));
        assert_eq!(of("max_length", "256").unwrap().max_length, Some(256));
        assert!(of("allow_empty", "true").unwrap().allow_empty);
        for (key, value, expect) in [
            (
                "max_length",
                "0",
                "model 'm': parameter 'max_length' expects a number of tokens, 1 to 1000000, got '0'",
            ),
            (
                "max_length",
                "many",
                "model 'm': parameter 'max_length' expects a number of tokens, 1 to 1000000, got 'many'",
            ),
            (
                "allow_empty",
                "1",
                "model 'm': parameter 'allow_empty' expects true or false, got '1'",
            ),
        ] {
            assert_eq!(of(key, value).unwrap_err().message(), expect);
        }
    }
}
