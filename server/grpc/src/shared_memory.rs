//! Tensors in shared memory: what the parameters of a tensor say of it, and the copies from and to
//! the regions that clients have registered.

use hippocamp_proto::inference::{InferParameter, infer_parameter::ParameterChoice};
use hippocamp_shm::SharedTensor;
use hippocamp_types::Error;
use std::collections::BTreeMap;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Bytes that are copied without telling the runtime: some 100 microseconds.
const COPIED_AT_ONCE: u64 = 1 << 20;

/// Which part of shared memory `parameters` of `tensor` name, if any.
///
/// # Errors
/// If the three parameters are incomplete or of the wrong type; in Triton's words.
pub(crate) fn slice(
    parameters: &BTreeMap<String, InferParameter>,
    tensor: &str,
) -> Result<Option<SharedTensor>, Error> {
    if parameters.is_empty() {
        return Ok(None);
    }
    let choice =
        |key: &str| parameters.get(key).map(|parameter| parameter.parameter_choice.as_ref());
    let wrong_type = |key: &str, expected: &str| {
        Error::invalid(format!(
            "invalid value type for '{key}' parameter for tensor '{tensor}', expected {expected}."
        ))
    };
    let integer = |key: &str| {
        match choice(key) {
        None => Ok(None),
        Some(Some(ParameterChoice::Int64Param(value))) => {
            u64::try_from(*value).map(Some).map_err(|_negative| {
                Error::invalid(format!(
                    "invalid value for '{key}' parameter for tensor '{tensor}', expected >= 0, got {value}"
                ))
            })
        }
        Some(_other) => Err(wrong_type(key, "int64_param")),
    }
    };
    let region = match choice("shared_memory_region") {
        None => {
            for key in ["shared_memory_offset", "shared_memory_byte_size"] {
                if parameters.contains_key(key) {
                    return Err(Error::invalid(format!(
                        "'{key}' can not be specified without 'shared_memory_region' parameter for tensor '{tensor}'"
                    )));
                }
            }
            return Ok(None);
        }
        Some(Some(ParameterChoice::StringParam(region))) => region,
        Some(_other) => return Err(wrong_type("shared_memory_region", "string_param")),
    };
    let offset = integer("shared_memory_offset")?.unwrap_or(0);
    let byte_size = integer("shared_memory_byte_size")?.ok_or_else(|| {
        Error::invalid(format!(
            "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor '{tensor}'"
        ))
    })?;
    Ok(Some(SharedTensor { region: region.clone(), offset, byte_size }))
}

/// Does `copy`, which moves `bytes` bytes; where they are many, the runtime's other work does not wait
/// for it.
pub(crate) fn copying<T>(bytes: u64, copy: impl FnOnce() -> T) -> T {
    let shared = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes > COPIED_AT_ONCE && shared { tokio::task::block_in_place(copy) } else { copy() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, ParameterChoice)]) -> BTreeMap<String, InferParameter> {
        pairs
            .iter()
            .map(|(key, choice)| {
                ((*key).to_owned(), InferParameter { parameter_choice: Some(choice.clone()) })
            })
            .collect()
    }

    #[test]
    fn parameters_are_checked_as_triton_does() {
        use ParameterChoice::{BoolParam, Int64Param, StringParam};
        let region = || ("shared_memory_region", StringParam("r".into()));
        let check = |pairs: &[(&str, ParameterChoice)],
                     expect: Result<Option<(u64, u64)>, &str>| {
            let parameters = parameters(pairs);
            let found = slice(&parameters, "T").map(|found| {
                found.map(|slice| {
                    assert_eq!(slice.region, "r");
                    (slice.offset, slice.byte_size)
                })
            });
            assert_eq!(
                found.as_ref().map_err(Error::message),
                expect.as_ref().map_err(|e| *e),
                "{pairs:?}"
            );
        };
        check(&[], Ok(None));
        check(&[("classification", Int64Param(3))], Ok(None));
        check(&[region(), ("shared_memory_byte_size", Int64Param(64))], Ok(Some((0, 64))));
        check(
            &[
                region(),
                ("shared_memory_byte_size", Int64Param(64)),
                ("shared_memory_offset", Int64Param(8)),
            ],
            Ok(Some((8, 64))),
        );
        check(
            &[region(), ("shared_memory_byte_size", Int64Param(-64))],
            Err(
                "invalid value for 'shared_memory_byte_size' parameter for tensor 'T', expected >= 0, got -64",
            ),
        );
        check(
            &[region()],
            Err(
                "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'T'",
            ),
        );
        check(
            &[("shared_memory_offset", Int64Param(8))],
            Err(
                "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'T'",
            ),
        );
        check(
            &[("shared_memory_byte_size", Int64Param(8))],
            Err(
                "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter for tensor 'T'",
            ),
        );
        check(
            &[("shared_memory_region", BoolParam(true))],
            Err(
                "invalid value type for 'shared_memory_region' parameter for tensor 'T', expected string_param.",
            ),
        );
        check(
            &[region(), ("shared_memory_byte_size", StringParam("64".into()))],
            Err(
                "invalid value type for 'shared_memory_byte_size' parameter for tensor 'T', expected int64_param.",
            ),
        );
    }
}
