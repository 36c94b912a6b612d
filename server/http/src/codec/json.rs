//! A pull reader for the JSON of inference requests: values are read straight to where they belong,
//! nothing is built in between. Not a general JSON library; everything off the hot path uses
//! `serde_json`.
//!
//! It takes standard JSON, and `NaN`, `Inf`, `Infinity` with an optional minus, as Triton does. Nesting
//! is bounded by [`MAX_DEPTH`]. Texts of syntax errors are those of Triton's parser.

mod numbers;
mod strings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// Containers within containers; Triton's limit.
pub(crate) const MAX_DEPTH: usize = 100;

/// Bytes of a wrong value that an error repeats.
const SNIPPET: usize = 32;

/// Why a JSON text, or a value in it, is not what was expected. Offsets are bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// Not JSON.
    #[error("failed to parse the request JSON buffer: {what} at {at}")]
    Syntax { what: &'static str, at: usize },
    /// Not UTF-8.
    #[error("failed to parse the request JSON buffer: Invalid encoding in string. at {at}")]
    Encoding { at: usize },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("JSON nesting depth exceeds maximum allowed limit ({MAX_DEPTH}) at byte {at}")]
    Depth { at: usize },
    /// A value of another type.
    #[error("attempt to access JSON non-{expected} as {expected}, got {found} at byte {at}")]
    Type { expected: &'static str, found: String, at: usize },
}

/// The type of the value that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads `text` from its start.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text)
            .map_err(|error| JsonError::Encoding { at: error.valid_up_to() })?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// Byte offset of the next value.
    pub(crate) fn position(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Bytes not yet read.
    pub(crate) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    /// Another reader that starts at `at`, a position seen before at this depth.
    pub(crate) fn reread(&self, at: usize) -> Self {
        Self { text: self.text, at, depth: self.depth }
    }

    /// The text has to have ended.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax("The document root must not be followed by other values.")),
        }
    }

    /// What comes next.
    pub(crate) fn kind(&mut self) -> Result<Kind, JsonError> {
        let Some(first) = self.peek() else {
            return Err(self.syntax(if self.at == 0 || self.text.trim_ascii().is_empty() {
                "The document is empty."
            } else {
                "Invalid value."
            }));
        };
        let rest = &self.bytes()[self.at..];
        match first {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b'"' => Ok(Kind::String),
            b'-' | b'0'..=b'9' | b'N' | b'I' => Ok(Kind::Number),
            b't' if rest.starts_with(b"true") => Ok(Kind::Bool),
            b'f' if rest.starts_with(b"false") => Ok(Kind::Bool),
            b'n' if rest.starts_with(b"null") => Ok(Kind::Null),
            _ => Err(self.syntax("Invalid value.")),
        }
    }

    /// Reads an object; `member` has to read the value of each key.
    pub(crate) fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.require(Kind::Object, "object")?;
        self.enter()?;
        let mut first = true;
        loop {
            match self.peek() {
                Some(b'}') if first => break,
                Some(b'"') => {}
                _ => return Err(self.syntax("Missing a name for object member.").into()),
            }
            first = false;
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.syntax("Missing a colon after a name of object member.").into());
            }
            self.at += 1;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => {
                    return Err(self
                        .syntax("Missing a comma or '}' after an object member.")
                        .into());
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads an array; `element` has to read each element.
    pub(crate) fn array<E: From<JsonError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.require(Kind::Array, "array")?;
        self.enter()?;
        if self.peek() != Some(b']') {
            loop {
                element(self)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => {
                        return Err(self
                            .syntax("Missing a comma or ']' after an array element.")
                            .into());
                    }
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// Reads an array whose elements may be arrays again, to any depth; `leaf` has to read each
    /// element that is none.
    pub(crate) fn leaves<E: From<JsonError>>(
        &mut self,
        mut leaf: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.require(Kind::Array, "array")?;
        let outside = self.depth;
        self.enter()?;
        let mut empty_allowed = true;
        loop {
            match self.peek() {
                Some(b'[') => {
                    self.enter()?;
                    empty_allowed = true;
                    continue;
                }
                Some(b']') if empty_allowed => {}
                _ => leaf(self)?,
            }
            loop {
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        break;
                    }
                    Some(b']') => self.leave(),
                    _ => {
                        return Err(self
                            .syntax("Missing a comma or ']' after an array element.")
                            .into());
                    }
                }
                if self.depth == outside {
                    return Ok(());
                }
            }
            empty_allowed = false;
        }
    }

    /// Reads past any value, checking its syntax.
    pub(crate) fn skip(&mut self) -> Result<(), JsonError> {
        match self.kind()? {
            Kind::Null => self.at += 4,
            Kind::Bool => {
                self.boolean()?;
            }
            Kind::Number => {
                self.number()?;
            }
            Kind::String => {
                self.string()?;
            }
            Kind::Array => self.array(Self::skip)?,
            Kind::Object => self.object(|reader, _key| reader.skip())?,
        }
        Ok(())
    }

    /// Reads `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, JsonError> {
        self.require(Kind::Bool, "boolean")?;
        let value = self.bytes()[self.at] == b't';
        self.at += if value { 4 } else { 5 };
        Ok(value)
    }

    /// The error for the next value, which is no `expected`.
    pub(crate) fn wrong(&mut self, expected: &'static str) -> JsonError {
        let at = self.position();
        let found = match self.kind() {
            Ok(Kind::Array) => "an array".to_owned(),
            Ok(Kind::Object) => "an object".to_owned(),
            _ => {
                let rest = &self.text[at..];
                let end = rest
                    .char_indices()
                    .find(|&(i, c)| {
                        i > 0 && matches!(c, ',' | ']' | '}' | ':' | '\n') || i >= SNIPPET
                    })
                    .map_or(rest.len(), |(i, _)| i);
                rest[..end].trim_end().to_owned()
            }
        };
        JsonError::Type { expected, found, at }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.bytes().get(self.at).copied()
    }

    fn syntax(&self, what: &'static str) -> JsonError {
        JsonError::Syntax { what, at: self.at }
    }

    fn require(&mut self, kind: Kind, expected: &'static str) -> Result<(), JsonError> {
        if self.kind()? == kind { Ok(()) } else { Err(self.wrong(expected)) }
    }

    /// Steps over an opening bracket.
    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::Depth { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Steps over a closing bracket.
    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }
}
