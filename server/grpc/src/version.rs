//! Model versions as requests name them.

use hippocamp_types::Error;

/// The version that `text` names; `None` (the latest one) where it is empty.
///
/// # Errors
/// If it is no number, or a negative one; in Triton's words.
pub(crate) fn parse(text: &str) -> Result<Option<u64>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i64>() {
        Ok(version) => u64::try_from(version).map(Some).map_err(|_negative| {
            Error::invalid(format!(
                "invalid model version specified '{text}' , version should be an integral value > 0"
            ))
        }),
        Err(_) => Err(Error::invalid(format!(
            "failed to get model version from specified version string '{text}' (details: stol), version should be an integral value > 0"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |text, expect: Result<Option<u64>, &str>| {
            let version = parse(text).map_err(|error| error.message().to_owned());
            assert_eq!(
                version.as_ref().map_err(String::as_str),
                expect.as_ref().map_err(|e| *e),
                "{text}"
            );
        };
        check("", Ok(None));
        check("1", Ok(Some(1)));
        check("0", Ok(Some(0)));
        check("9223372036854775807", Ok(Some(9_223_372_036_854_775_807)));
        check(
            "-1",
            Err("invalid model version specified '-1' , version should be an integral value > 0"),
        );
        for text in ["abc", "1a", " 1", "9223372036854775808"] {
            check(
                text,
                Err(&format!(
                    "failed to get model version from specified version string '{text}' (details: stol), version should be an integral value > 0"
                )),
            );
        }
    }
}
