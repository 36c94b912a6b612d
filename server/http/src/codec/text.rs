//! Small pieces of JSON, appended to a buffer.

use hippocamp_types::Parameter;

/// Appends `text` as a JSON string. What is not ASCII stays UTF-8.
pub(crate) fn push_string(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) {
        json.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => json.extend_from_slice(b"\\\""),
            b'\\' => json.extend_from_slice(b"\\\\"),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                json.extend_from_slice(b"\\u00");
                json.push(HEX[usize::from(control >> 4)]);
                json.push(HEX[usize::from(control & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    json.extend_from_slice(rest);
    json.push(b'"');
}

/// Appends an integer.
pub(crate) fn push_integer(json: &mut Vec<u8>, value: impl itoa::Integer) {
    json.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float, the shortest text that reads back as it; the special values as `NaN`,
/// `Infinity` and `-Infinity`, as Triton does.
pub(crate) fn push_float(json: &mut Vec<u8>, value: impl zmij::Float) {
    let mut buffer = zmij::Buffer::new();
    json.extend_from_slice(match buffer.format(value) {
        "inf" => b"Infinity",
        "-inf" => b"-Infinity",
        finite => finite.as_bytes(),
    });
}

/// Appends the value of a parameter.
pub(crate) fn push_parameter(json: &mut Vec<u8>, value: &Parameter) {
    match value {
        Parameter::Bool(value) => json.extend_from_slice(if *value { b"true" } else { b"false" }),
        Parameter::Int(value) => push_integer(json, *value),
        Parameter::Uint(value) => push_integer(json, *value),
        Parameter::Double(value) => push_float(json, *value),
        Parameter::String(value) => push_string(json, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back() {
        for text in ["", "plain", "q\"b\\s/", "\u{0}\u{1f}\n\r\t", "grün 🌚", "\"", "a\u{7f}b"] {
            let mut json = Vec::new();
            push_string(&mut json, text);
            assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn floats_are_short_and_special_values_have_names() {
        let text = |value: f32| {
            let mut json = Vec::new();
            push_float(&mut json, value);
            String::from_utf8(json).unwrap()
        };
        assert_eq!(text(1.0), "1.0");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(f32::NAN), "NaN");
        assert_eq!(text(f32::INFINITY), "Infinity");
        assert_eq!(text(f32::NEG_INFINITY), "-Infinity");
    }
}
