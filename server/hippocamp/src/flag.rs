//! How Triton writes the values of its flags.

/// `true`, `on`, `1` and their opposites, in any case.
///
/// # Errors
/// What was expected.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// `<backend>,<key>=<value>`, or `<key>=<value>` for every backend, as (backend, key, value).
///
/// # Errors
/// What was expected.
pub(crate) fn backend_config(text: &str) -> Result<(String, String, String), String> {
    let expected = || "expected <backend>,<key>=<value> or <key>=<value>".to_owned();
    let (left, value) = text.split_once('=').ok_or_else(expected)?;
    let (backend, key) = left.split_once(',').unwrap_or(("", left));
    if key.is_empty() {
        return Err(expected());
    }
    Ok((backend.to_owned(), key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_as_triton_takes_them() {
        for (text, expect) in [
            ("true", Ok(true)),
            ("ON", Ok(true)),
            ("1", Ok(true)),
            ("False", Ok(false)),
            ("0", Ok(false)),
        ] {
            assert_eq!(boolean(text), expect);
        }
        assert!(boolean("maybe").is_err());
    }

    #[test]
    fn backend_configs() {
        let own = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(backend_config("tract,a=b=c"), Ok(own(("tract", "a", "b=c"))));
        assert_eq!(
            backend_config("default-max-batch-size=8"),
            Ok(own(("", "default-max-batch-size", "8")))
        );
        assert!(backend_config("tract,a").is_err() && backend_config("tract,=1").is_err());
    }
}
