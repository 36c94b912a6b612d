//! What is no number, in the JSON of answers.

/// The text with what is no number as strings: answers are written with `NaN`, `Infinity` and `-Infinity`,
/// which JSON has not.
pub fn quote_names_of_no_number(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        quoted.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut names = ["NaN", "Infinity", "-Infinity"].into_iter();
        let taken = if let Some(name) = names.find(|name| rest.starts_with(name)) {
            quoted.extend(["\"", name, "\""]);
            name.len()
        } else {
            let taken = if rest.starts_with('"') { length_of_string(rest) } else { 1 };
            quoted.push_str(&rest[..taken]);
            taken
        };
        rest = &rest[taken..];
    }
    quoted.push_str(rest);
    quoted
}

/// Bytes of the JSON string that `text` begins with.
fn length_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_of_strings_become_strings() {
        for (text, quoted) in [
            ("[NaN,-Infinity, Infinity]", r#"["NaN","-Infinity", "Infinity"]"#),
            (r#"{"NaN \" Infinity": -1.5e-3}"#, r#"{"NaN \" Infinity": -1.5e-3}"#),
            (r#"["a\\", NaN]"#, r#"["a\\", "NaN"]"#),
            ("[\"unterminated NaN", "[\"unterminated NaN"),
            ("Grüße - N", "Grüße - N"),
            ("", ""),
        ] {
            assert_eq!(quote_names_of_no_number(text), quoted);
        }
    }
}
