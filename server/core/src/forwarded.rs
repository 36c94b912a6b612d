//! Headers that become parameters of a request, by Triton's `--http-header-forward-pattern` and
//! `--grpc-header-forward-pattern`.

use hippocamp_types::{Error, Parameter, Parameters};
use regex::Regex;

/// Names of parameters that mean something to the server.
const RESERVED: [&str; 7] = [
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "headers",
    "binary_data_output",
];

/// Which headers become parameters; none by default.
#[derive(Clone, Debug, Default)]
pub struct ForwardedHeaders {
    pattern: Option<Regex>,
    /// In small letters: what opens this server is not for its backends.
    withheld: Vec<String>,
}

impl ForwardedHeaders {
    /// Headers in whose name `pattern` finds something, as in Triton; an empty one stands for none.
    /// Those named in `withheld`, in small letters, never.
    ///
    /// # Errors
    /// What is wrong with the regular expression.
    pub fn new(pattern: &str, withheld: Vec<String>) -> Result<Self, regex::Error> {
        let pattern = (!pattern.is_empty()).then(|| Regex::new(pattern)).transpose()?;
        Ok(Self { pattern, withheld })
    }

    /// Adds the headers that are forwarded to `parameters`. A header counts more than a parameter
    /// of its name.
    ///
    /// # Errors
    /// If a header has a name that is reserved for the server, or a value that is no text.
    pub fn add<'a>(
        &self,
        parameters: &mut Parameters,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), Error> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        for (name, value) in headers.filter(|(name, _)| pattern.is_match(name)) {
            if self.withheld.iter().any(|withheld| withheld == name) {
                continue;
            }
            if RESERVED.contains(&name) || name.starts_with("triton_") {
                return Err(Error::invalid(format!(
                    "Header '{name}' is reserved for Triton usage and cannot be forwarded."
                )));
            }
            let value = str::from_utf8(value).map_err(|_not_text| {
                Error::invalid(format!("Header '{name}' cannot be forwarded: it is no UTF-8 text"))
            })?;
            let value = Parameter::String(value.to_owned());
            match parameters.iter_mut().find(|(given, _)| given == name) {
                Some((_, given)) => *given = value,
                None => parameters.push((name.to_owned(), value)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_parameters() {
        let headers: [(&str, &[u8]); 5] = [
            ("x-key", b"secret"),
            ("x-user", b"ann"),
            ("x-raw", b"\xff"),
            ("priority", b"1"),
            ("triton_x", b"1"),
        ];
        let check = |pattern: &str| {
            let mut parameters = vec![("x-user".to_owned(), Parameter::Bool(true))];
            let forwarded = ForwardedHeaders::new(pattern, vec!["x-key".to_owned()]).unwrap();
            forwarded
                .add(&mut parameters, headers.into_iter())
                .map(|()| parameters.pop().unwrap().1)
                .map_err(|error| error.message().to_owned())
        };
        assert_eq!(check(""), Ok(Parameter::Bool(true)));
        assert_eq!(check("^x-u"), Ok(Parameter::String("ann".to_owned())));
        assert_eq!(check("user"), Ok(Parameter::String("ann".to_owned())));
        assert_eq!(
            check("raw"),
            Err("Header 'x-raw' cannot be forwarded: it is no UTF-8 text".to_owned())
        );
        let reserved =
            |name| format!("Header '{name}' is reserved for Triton usage and cannot be forwarded.");
        assert_eq!(check("pri"), Err(reserved("priority")));
        assert_eq!(check("triton"), Err(reserved("triton_x")));
        assert_eq!(check("key"), Ok(Parameter::Bool(true)));
        assert!(ForwardedHeaders::new("(", Vec::new()).is_err());
    }
}
