//! The configuration of a square model: its parameters, and the one shape that it may have. Pure but for
//! [`Settings::clean_up`].

use hippocamp_backend::{Error, config::list};
use serde_json::{Value, json};
use std::{thread, time::Duration};

/// What the parameters say; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) infer_delay: Duration,
    pub(crate) output_delay: Duration,
    pub(crate) cancel_delay: Duration,
    pub(crate) failures: u32,
    pub(crate) empty: u32,
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is sent.
    Response,
    /// An error is sent in its place.
    Failure,
    /// It is left out.
    Nothing,
}

impl Settings {
    /// What becomes of response `index` of `count`: failures come last but for what is left out.
    pub(crate) fn outcome(&self, index: u32, count: u32) -> Outcome {
        let left = count.saturating_sub(index);
        if left <= self.empty {
            Outcome::Nothing
        } else if left <= self.empty.saturating_add(self.failures) {
            Outcome::Failure
        } else {
            Outcome::Response
        }
    }

    /// Takes the time that a cancelled request is to need for its end.
    pub(crate) fn clean_up(&self) {
        thread::sleep(self.cancel_delay);
    }
}

/// Reads the parameters.
///
/// # Errors
/// If a value is no number.
pub(crate) fn settings(
    model: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Error> {
    let number = |key: &str| match parameter(key) {
        None => Ok(0),
        Some(text) => text.parse::<u32>().map_err(|_invalid| {
            Error::invalid(format!(
                "model '{model}': parameter '{key}' expects a number from 0 to {}, got '{text}'",
                u32::MAX
            ))
        }),
    };
    let delay = |key: &str| number(key).map(|nanos| Duration::from_nanos(nanos.into()));
    Ok(Settings {
        infer_delay: delay("CUSTOM_INFER_DELAY_NS")?,
        output_delay: delay("CUSTOM_OUTPUT_DELAY_NS")?,
        cancel_delay: delay("CUSTOM_CANCEL_DELAY_NS")?,
        failures: number("CUSTOM_FAIL_COUNT")?,
        empty: number("CUSTOM_EMPTY_COUNT")?,
    })
}

/// The configuration with input, output and the decoupled transaction policy; `None` if input and
/// output are there: then the rest is the user's, too.
pub(crate) fn complete(config: &Value) -> Option<Value> {
    if !list(config, "input").is_empty() || !list(config, "output").is_empty() {
        return None;
    }
    let mut completed = config.clone();
    for (key, name) in [("input", "IN"), ("output", "OUT")] {
        completed[key] = json!([{"name": name, "data_type": "TYPE_INT32", "dims": [1]}]);
    }
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
    if config["model_transaction_policy"]["decoupled"] != true {
        return Some(
            "square backend sends any number of responses: write model_transaction_policy { decoupled: true }"
                .to_owned(),
        );
    }
    [("input", "IN"), ("output", "OUT")].into_iter().find_map(|(kind, name)| {
        let tensors = list(config, kind);
        let [tensor] = tensors else {
            return Some(format!("expected 1 {kind}, got {}", tensors.len()));
        };
        for (key, expected) in [("name", name), ("data_type", "TYPE_INT32")] {
            if tensor[key] != expected {
                let stated = tensor[key].as_str().unwrap_or("none");
                return Some(format!("expected {kind} with {key} {expected}, got {stated}"));
            }
        }
        // Protobuf's JSON has 64-bit integers as strings.
        let one = |dims: &[Value]| matches!(dims, [dim] if *dim == 1 || *dim == "1");
        (!one(list(tensor, "dims")))
            .then(|| format!("expected {name} shape to be [1], got {}", tensor["dims"]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    // The host functions that the SDK calls.
    use hippocamp_backend_host as _;

    #[test]
    fn failures_come_before_what_is_left_out() {
        use Outcome::{Failure, Nothing, Response};
        let check = |failures, empty, expect: &[Outcome]| {
            let settings = Settings { failures, empty, ..Settings::default() };
            let count = u32::try_from(expect.len()).expect("a few");
            let outcomes: Vec<_> = (0..count).map(|index| settings.outcome(index, count)).collect();
            assert_eq!(outcomes, expect);
        };
        check(0, 0, &[Response, Response]);
        check(1, 2, &[Response, Failure, Nothing, Nothing]);
        check(2, u32::MAX, &[Nothing, Nothing]);
        check(u32::MAX, 1, &[Failure, Nothing]);
    }

    #[test]
    fn parameters_are_numbers() {
        let read = |value: &str| {
            settings("m", |key| (key == "CUSTOM_FAIL_COUNT").then(|| value.to_owned()))
        };
        assert_eq!(read("3"), Ok(Settings { failures: 3, ..Settings::default() }));
        for bad in ["-1", "", "many", "4294967296"] {
            let error = read(bad).expect_err(bad);
            assert!(error.message().contains("'CUSTOM_FAIL_COUNT' expects a number"), "{error}");
        }
    }

    #[test]
    fn any_other_configuration_is_refused() {
        let good = complete(&json!({"max_batch_size": 4})).expect("nothing is there");
        assert_eq!(check("m", &good), Ok(()));
        assert_eq!(complete(&good), None);
        let check = |change: &dyn Fn(&mut Value), expect: &str| {
            let mut config = good.clone();
            change(&mut config);
            let error = check("m", &config).expect_err(expect);
            assert!(error.message().contains(expect), "{error}");
        };
        check(&|config| config["model_transaction_policy"] = json!({}), "decoupled: true");
        check(&|config| config["output"] = json!([]), "expected 1 output, got 0");
        check(
            &|config| config["input"][0]["name"] = json!("X"),
            "expected input with name IN, got X",
        );
        check(
            &|config| config["output"][0]["data_type"] = json!("TYPE_FP32"),
            "expected output with data_type TYPE_INT32, got TYPE_FP32",
        );
        check(&|config| config["input"][0]["dims"] = json!(["-1"]), "expected IN shape to be [1]");
    }
}
