//! Numbers: integers are read as they are needed, others as their text.

use super::{JsonError, Kind, Reader};

/// An integer before it meets a datatype: sign and magnitude, `None` past 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: Option<u64>,
}

impl Integer {
    /// The value, if it fits.
    pub(crate) fn signed(self) -> Option<i64> {
        let magnitude = self.magnitude?;
        if self.negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        }
    }

    /// The value, if it fits.
    pub(crate) fn unsigned(self) -> Option<u64> {
        self.magnitude.filter(|&magnitude| !self.negative || magnitude == 0)
    }
}

impl<'a> Reader<'a> {
    /// Reads an integer; `expected` is Triton's word for it.
    pub(crate) fn integer(&mut self, expected: &'static str) -> Result<Integer, JsonError> {
        self.skip_space();
        let start = self.at;
        let bytes = self.bytes();
        let negative = bytes.get(start) == Some(&b'-');
        let digits = start + usize::from(negative);
        let mut end = digits;
        let mut magnitude = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
            magnitude = magnitude
                .and_then(|value| value.checked_mul(10))
                .and_then(|value| value.checked_add(u64::from(digit - b'0')));
            end += 1;
            if end == digits + 1 && *digit == b'0' {
                break; // JSON has no leading zeros: a digit after this one is a syntax error.
            }
        }
        if end == digits || matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
            self.kind()?;
            return Err(self.wrong(expected));
        }
        self.at = end;
        Ok(Integer { negative, magnitude })
    }

    /// Reads an integer from 0 to 2^64 - 1.
    pub(crate) fn unsigned(&mut self) -> Result<u64, JsonError> {
        const EXPECTED: &str = "unsigned-integer";
        let start = self.position();
        let integer = self.integer(EXPECTED)?;
        integer.unsigned().ok_or_else(|| self.reread(start).wrong(EXPECTED))
    }

    /// Reads a number of any kind, as it stands there; it parses as `f64`.
    pub(crate) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.require(Kind::Number, "number")?;
        let bytes = self.bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        let rest = &bytes[at..];
        // The longest first; all of them parse as a float.
        for special in ["Infinity", "Inf", "NaN"] {
            if rest.starts_with(special.as_bytes()) {
                self.at = at + special.len();
                return Ok(&self.text[start..self.at]);
            }
        }
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        at = match bytes.get(at) {
            Some(b'0') => at + 1,
            Some(b'1'..=b'9') => digits(at),
            _ => return Err(JsonError::Syntax { what: "Invalid value.", at }),
        };
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == at + 1 {
                return Err(JsonError::Syntax {
                    what: "Miss fraction part in number.",
                    at: fraction,
                });
            }
            at = fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == at + 1 + sign {
                return Err(JsonError::Syntax { what: "Miss exponent in number.", at: exponent });
            }
            at = exponent;
        }
        self.at = at;
        Ok(&self.text[start..at])
    }
}
