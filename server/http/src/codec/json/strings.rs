//! Strings, and their escapes.

use super::{JsonError, Kind, Reader};
use std::borrow::Cow;

impl<'a> Reader<'a> {
    /// Reads a string; borrowed where it has no escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.require(Kind::String, "string")?;
        let start = self.at + 1;
        let end = self.plain(start);
        if self.bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        let mut value = String::from(&self.text[start..end]);
        self.at = end;
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(value));
                }
                Some(b'\\') => value.push(self.escape()?),
                Some(_control) => return Err(JsonError::Encoding { at: self.at }),
                None => {
                    return Err(JsonError::Syntax {
                        what: "Missing a closing quotation mark in string.",
                        at: start - 1,
                    });
                }
            }
            let plain = self.plain(self.at);
            value.push_str(&self.text[self.at..plain]);
            self.at = plain;
        }
    }

    /// Where the plain characters from `at` on end: at a quote, a backslash, a control character or
    /// the end of the text.
    fn plain(&self, at: usize) -> usize {
        let rest = &self.bytes()[at..];
        at + rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len())
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        let character = match self.bytes().get(at + 1) {
            Some(&character @ (b'"' | b'\\' | b'/')) => char::from(character),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(JsonError::Syntax { what: "Invalid escape character in string.", at }),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        let unpaired = JsonError::Syntax { what: "The surrogate pair in string is invalid.", at };
        let high = self.hex(at + 2)?;
        self.at = at + 6;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(high).ok_or(unpaired);
        }
        if high >= 0xdc00 || !self.bytes()[self.at..].starts_with(b"\\u") {
            return Err(unpaired);
        }
        let low = self.hex(at + 8)?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(unpaired);
        }
        self.at = at + 12;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(unpaired)
    }

    fn hex(&self, at: usize) -> Result<u32, JsonError> {
        self.bytes()
            .get(at..at + 4)
            .and_then(|digits| {
                digits
                    .iter()
                    .try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
            })
            .ok_or(JsonError::Syntax {
                what: "Incorrect hex digit after \\u escape in string.",
                at,
            })
    }
}
