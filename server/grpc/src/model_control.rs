//! Parameters of the calls that load and unload models.

use hippocamp_core::LoadOverrides;
use hippocamp_proto::inference::{self as proto, model_repository_parameter::ParameterChoice};
use hippocamp_types::Error;

pub(crate) type RepositoryParameters =
    std::collections::BTreeMap<String, proto::ModelRepositoryParameter>;

pub(crate) fn load_overrides(parameters: RepositoryParameters) -> Result<LoadOverrides, Error> {
    let mut overrides = LoadOverrides::default();
    for (name, parameter) in parameters {
        let wrong_type = |expected| {
            Error::invalid(format!(
                "invalid value type for load parameter '{name}', expected {expected}."
            ))
        };
        if name == "config" {
            let Some(ParameterChoice::StringParam(config)) = parameter.parameter_choice else {
                return Err(wrong_type("string_param"));
            };
            overrides.config = Some(config);
        } else if name.starts_with("file:") {
            let Some(ParameterChoice::BytesParam(contents)) = parameter.parameter_choice else {
                return Err(wrong_type("bytes_param"));
            };
            overrides.files.push((name, contents));
        } else {
            return Err(Error::invalid(format!("unrecognized load parameter '{name}'.")));
        }
    }
    Ok(overrides)
}

/// Whether a load is to go back to what served before: parameter `rollback`, ours, which comes alone.
pub(crate) fn roll_back(parameters: &RepositoryParameters) -> Result<bool, Error> {
    match parameters.get("rollback").map(|parameter| &parameter.parameter_choice) {
        None => Ok(false),
        Some(Some(ParameterChoice::BoolParam(true))) if parameters.len() == 1 => Ok(true),
        Some(_other) => Err(Error::invalid(
            "invalid value for load parameter 'rollback', expected bool_param true and no other parameter.",
        )),
    }
}

pub(crate) fn unload_dependents(parameters: &RepositoryParameters) -> Result<bool, Error> {
    match parameters.get("unload_dependents").map(|parameter| &parameter.parameter_choice) {
        None => Ok(false),
        Some(Some(ParameterChoice::BoolParam(unload))) => Ok(*unload),
        Some(_other) => Err(Error::invalid(
            "invalid value type for 'unload_dependents' parameter, expected bool_param.",
        )),
    }
}

/// There is one repository, and it has no name.
pub(crate) fn the_repository(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        Ok(())
    } else {
        Err(Error::unsupported("'repository_name' specification is not supported"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn parameters<const N: usize>(pairs: [(&str, ParameterChoice); N]) -> RepositoryParameters {
        pairs
            .into_iter()
            .map(|(name, choice)| {
                (
                    name.to_owned(),
                    proto::ModelRepositoryParameter { parameter_choice: Some(choice) },
                )
            })
            .collect()
    }

    #[test]
    fn load_parameters() {
        use ParameterChoice::{BoolParam, BytesParam, StringParam};
        let contents = Bytes::from_static(b"onnx");
        let overrides = load_overrides(parameters([
            ("config", StringParam("{}".into())),
            ("file:1/model.onnx", BytesParam(contents.clone())),
        ]))
        .unwrap();
        assert_eq!(overrides.config.as_deref(), Some("{}"));
        assert_eq!(overrides.files, [("file:1/model.onnx".to_owned(), contents)]);

        let check = |name, choice, expect: &str| {
            assert_eq!(load_overrides(parameters([(name, choice)])).unwrap_err().message(), expect);
        };
        check(
            "config",
            BoolParam(true),
            "invalid value type for load parameter 'config', expected string_param.",
        );
        check(
            "file:1/m",
            StringParam("x".into()),
            "invalid value type for load parameter 'file:1/m', expected bytes_param.",
        );
        check("other", BoolParam(true), "unrecognized load parameter 'other'.");
    }

    #[test]
    fn a_way_back_comes_alone() {
        use ParameterChoice::{BoolParam, StringParam};
        assert_eq!(roll_back(&parameters([("config", StringParam("{}".into()))])), Ok(false));
        assert_eq!(roll_back(&parameters([("rollback", BoolParam(true))])), Ok(true));
        assert!(roll_back(&parameters([("rollback", BoolParam(false))])).is_err());
        let both = [("rollback", BoolParam(true)), ("config", StringParam("{}".into()))];
        assert!(roll_back(&parameters(both)).is_err());
    }

    #[test]
    fn unload_parameters() {
        use ParameterChoice::{BoolParam, Int64Param};
        assert_eq!(unload_dependents(&parameters([])), Ok(false));
        assert_eq!(
            unload_dependents(&parameters([("unload_dependents", BoolParam(true))])),
            Ok(true)
        );
        assert_eq!(
            unload_dependents(&parameters([("unload_dependents", Int64Param(1))]))
                .unwrap_err()
                .message(),
            "invalid value type for 'unload_dependents' parameter, expected bool_param."
        );
    }

    #[test]
    fn only_the_nameless_repository_is_there() {
        assert_eq!(the_repository(""), Ok(()));
        assert_eq!(
            the_repository("r").unwrap_err().code(),
            hippocamp_types::ErrorCode::Unsupported
        );
    }
}
