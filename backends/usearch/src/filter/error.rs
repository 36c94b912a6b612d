//! Why a text is not a filter, and where. The message is one line: it travels in a JSON error.

use super::{MAX_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_PATTERN};
use std::fmt;

/// Characters shown before and after the place of an error.
const EXCERPT: (usize, usize) = (12, 24);
/// Columns listed when one is not found.
const LISTED: usize = 32;
/// Characters shown of a name or value that the client wrote.
const QUOTED: usize = 40;

/// A text that is not a filter for this table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// Place of the fault in the text, in characters; the first is 1.
    pub column: usize,
    /// The text around that place; empty where it says nothing that the fault does not.
    pub near: String,
    /// What is wrong there.
    pub fault: FilterFault,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterFault {
    /// Nothing but white space.
    #[error(
        "expected a condition such as year >= 1990, got blank text; leave FILTER out to search all items"
    )]
    Blank,
    /// More text than is read.
    #[error(
        "expected at most {MAX_BYTES} bytes of text, got {bytes}; join comparisons with in (...)"
    )]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// More levels than are read.
    #[error(
        "expected at most {MAX_DEPTH} levels of parentheses and 'not'; leave out those not needed"
    )]
    TooDeep,
    /// More values than are compared with.
    #[error(
        "expected at most {MAX_ITEMS} values in 'in (...)'; split the list in two, joined by 'or'"
    )]
    TooManyItems,
    /// A pattern that would be slow to match.
    #[error(
        "expected at most {MAX_PATTERN} characters in all patterns of 'like' together, got {characters}"
    )]
    PatternTooLong {
        /// Length of this pattern and those before it.
        characters: usize,
    },
    /// A quote that nothing closes.
    #[error("expected a closing {quote} for the text that starts here, got end of filter")]
    Unclosed {
        /// The quote that opens it.
        quote: char,
    },
    /// One thing where another must stand.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What may stand there.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// A name that the table does not have.
    #[error("{}", unknown_column(name, nearest.as_deref(), columns))]
    UnknownColumn {
        /// The name.
        name: String,
        /// The column that it may have been meant to be.
        nearest: Option<String>,
        /// All that can be compared: names, types.
        columns: Vec<String>,
    },
    /// A column of a type that no comparison is defined for.
    #[error("column '{name}' has type {data_type}, which filters cannot compare")]
    Incomparable {
        /// The column.
        name: String,
        /// Its type.
        data_type: String,
    },
    /// A value of another type than its column.
    #[error("column '{name}' ({kind}): expected {expected}, got {got}")]
    WrongType {
        /// The column.
        name: String,
        /// Its type, in words.
        kind: &'static str,
        /// What fits, with an example.
        expected: &'static str,
        /// The value.
        got: String,
    },
}

impl FilterError {
    /// The fault at byte `at` of `text`, which lies on a character's border.
    pub(super) fn new(text: &str, at: usize, fault: FilterFault) -> Self {
        let (before, after) = text.split_at(at);
        let near = if after.is_empty() || matches!(fault, FilterFault::Blank) {
            String::new()
        } else {
            let start = before.char_indices().rev().take(EXCERPT.0).last().map_or(at, |(i, _)| i);
            let end = after.char_indices().nth(EXCERPT.1).map_or(text.len(), |(i, _)| at + i);
            printable(&text[start..end]).collect()
        };
        Self { column: before.chars().count() + 1, near, fault }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.column, self.fault)?;
        if self.near.is_empty() { Ok(()) } else { write!(f, ", near `{}`", self.near.trim()) }
    }
}

/// What the client wrote, short and in one line.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = printable(text).take(QUOTED).collect();
    if text.chars().nth(QUOTED).is_some() {
        shown.push_str("...");
    }
    shown
}

fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    })
}

fn unknown_column(name: &str, nearest: Option<&str>, columns: &[String]) -> String {
    let mut message = format!("there is no column '{name}'");
    match nearest {
        Some(nearest) => message += &format!(", did you mean '{nearest}'? "),
        None => message += "; ",
    }
    message += "expected one of ";
    message += &columns[..columns.len().min(LISTED)].join(", ");
    if columns.len() > LISTED {
        message += &format!(" and {} more", columns.len() - LISTED);
    }
    message
}
