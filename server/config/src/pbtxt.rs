//! `config.pbtxt`: protobuf's text format, read by prost-reflect over the descriptors of our own
//! `.proto`. What is ours is the error: file, line, column, the field and the name that was meant.
//!
//! The parser keeps its error's place to itself except as labels of the `miette` trait, so that
//! crate's trait (without features) is a dependency; nothing is printed by it.

pub(crate) mod outline;

use crate::{ConfigError, MAX_CONFIG_BYTES, error::TextFault, suggest::hint};
use hippocamp_proto::{DESCRIPTORS, inference as proto};
use miette::Diagnostic as _;
use outline::{MAX_DEPTH, Outline, Place, TooDeep, outline};
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, text_format::ParseError};
use std::{fs::File, io::Read as _, path::Path};

/// Reads and parses `config.pbtxt`.
///
/// # Errors
/// If the file cannot be read, is no regular file, is too large or no UTF-8, and as
/// [`parse_pbtxt`] does.
pub fn read_pbtxt(file: impl AsRef<Path>) -> Result<proto::ModelConfig, ConfigError> {
    let file = file.as_ref();
    let unreadable = |source| ConfigError::Read { file: file.to_owned(), source };
    let name = || file.display().to_string();
    // Asked by path: opening a pipe would wait for a writer.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let source =
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "expected a regular file");
        return Err(unreadable(source));
    }
    let limit = MAX_CONFIG_BYTES as u64;
    if metadata.len() > limit {
        return Err(ConfigError::TooLarge { file: name(), size: metadata.len() });
    }
    let mut bytes = Vec::new();
    // The file may grow between the two calls.
    File::open(file)
        .and_then(|opened| opened.take(limit + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| ConfigError::NotUtf8 { file: name(), offset: error.valid_up_to() })?;
    parse_pbtxt(text, file)
}

/// Parses a model configuration in the text format; `file` is named in errors.
///
/// # Errors
/// With file, line, column and field: unknown fields and enum values, wrong types, numbers out of
/// range, fields set twice, syntax.
pub fn parse_pbtxt(text: &str, file: impl AsRef<Path>) -> Result<proto::ModelConfig, ConfigError> {
    let file = file.as_ref().display().to_string();
    if text.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge { file, size: text.len() as u64 });
    }
    // Some editors write a byte order mark; protobuf's own parser skips it too.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fail = |offset, fault| {
        let (line, column) = line_and_column(text, offset);
        let fault = Box::new(fault);
        ConfigError::Text { file: file.clone(), line, column, fault }
    };
    // The parser recurses through `[type.url/Message] {…}` without a limit of its own.
    let bare_lists = match outline(text) {
        Ok(outline) => outline.bare_lists,
        Err(TooDeep { offset }) => {
            return Err(fail(offset, TextFault::TooDeep { limit: MAX_DEPTH }));
        }
    };
    let descriptor = descriptor();
    let message =
        DynamicMessage::parse_text_format(descriptor.clone(), &with_colons(text, &bare_lists))
            .map_err(|error| {
                let offset = offset_of(&error)
                    .map_or(text.len(), |offset| without_colons(offset, &bare_lists));
                fail(offset, explain(&descriptor, text, offset, &error))
            })?;
    message.transcode_to().map_err(|error| {
        // The message was built from the same descriptors that the type was generated from.
        let reason = error.to_string();
        fail(0, TextFault::Syntax { path: String::new(), reason })
    })
}

/// `text` with a colon before each of `lists`: protobuf reads `input [ … ]`, prost-reflect 0.16 only
/// `input: [ … ]`.
fn with_colons(text: &str, lists: &[usize]) -> String {
    let mut colons = String::with_capacity(text.len() + lists.len());
    let mut from = 0;
    for &list in lists {
        colons.push_str(&text[from..list]);
        colons.push(':');
        from = list;
    }
    colons.push_str(&text[from..]);
    colons
}

/// The byte of the text that is at `offset` of the text with colons.
fn without_colons(offset: usize, lists: &[usize]) -> usize {
    // The i-th colon stands at `lists[i] + i`.
    let before = lists.iter().enumerate().take_while(|&(i, list)| list + i < offset).count();
    offset - before
}

/// The descriptor of `ModelConfig`.
pub(crate) fn descriptor() -> MessageDescriptor {
    DESCRIPTORS
        .get_message_by_name("inference.ModelConfig")
        .expect("our descriptor set holds model_config.proto")
}

/// The byte that the parser points at; `None` at the end of the text.
fn offset_of(error: &ParseError) -> Option<usize> {
    error.labels()?.next().map(|label| label.offset())
}

/// Line and column, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Says what is wrong in terms of fields: the parser knows tokens only.
fn explain(config: &MessageDescriptor, text: &str, offset: usize, error: &ParseError) -> TextFault {
    let Outline { place, .. } =
        text.get(..offset).and_then(|before| outline(before).ok()).unwrap_or_default();
    let word = word_at(text, offset);
    known_names(config, &place, word).unwrap_or_else(|| {
        let path = if offset == text.len() { place.frames_path() } else { place.path() };
        TextFault::Syntax { path, reason: error.to_string() }
    })
}

/// The fault, if it is a name that the descriptors do not know.
fn known_names(config: &MessageDescriptor, place: &Place, word: &str) -> Option<TextFault> {
    if word.is_empty() {
        return None;
    }
    let mut message = config.clone();
    let mut value_of = None;
    for (i, frame) in place.frames.iter().enumerate() {
        let field = message.get_field_by_name(frame)?;
        let last_list = place.in_list && i + 1 == place.frames.len();
        match field.kind() {
            Kind::Message(inner) => message = inner,
            Kind::Enum(kind) if last_list => value_of = Some(kind),
            _ => return None,
        }
    }
    if place.expects_name() {
        let names: Vec<String> = message.fields().map(|field| field.name().to_owned()).collect();
        if names.iter().any(|name| name == word) {
            return None;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Some(TextFault::UnknownField {
            path: place.child_path(word),
            message: message.name().to_owned(),
            hint: hint(word, &names),
        });
    }
    if let Some(field) = place.value_of.as_deref()
        && let Kind::Enum(kind) = message.get_field_by_name(field)?.kind()
    {
        value_of = Some(kind);
    }
    let kind = value_of?;
    let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
    if names.iter().any(|name| name == word) {
        return None;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Some(TextFault::UnknownValue {
        path: place.path(),
        kind: kind.name().to_owned(),
        value: word.to_owned(),
        hint: hint(word, &names),
    })
}

/// The identifier that starts at `offset`.
fn word_at(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or("");
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests;
