//! What is wrong with a catalogue, line by line. All of it is reported, not the first alone.

use std::fmt;

/// Characters shown of a value.
const QUOTED: usize = 60;

/// Something wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file; the first is 1.
    pub line: usize,
    /// The film's id; empty where the line holds no film.
    pub id: String,
    /// The field; empty where the line as a whole is meant.
    pub field: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// One thing where another must stand.
    #[error("expected {expected}, got {got}{}", hint(suggestion.as_deref()))]
    Expected {
        /// What must stand there.
        expected: String,
        /// What stands there.
        got: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// The same as on an earlier line.
    #[error("expected {expected}, got that of line {line} ({id})")]
    Repeated {
        /// What must differ.
        expected: &'static str,
        /// The earlier line.
        line: usize,
        /// The film there.
        id: String,
    },
    /// A synopsis that shares much of its wording with an earlier one.
    #[error("expected a synopsis of its own, got {percent} % of the wording of line {line} ({id})")]
    Alike {
        /// Share of its runs of five words.
        percent: usize,
        /// The earlier line.
        line: usize,
        /// The film there.
        id: String,
    },
}

impl Fault {
    pub(crate) fn expected(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Expected { expected: expected.into(), got: got.into(), suggestion: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        for part in [self.id.as_str(), self.field] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        write!(f, ": {}", self.fault)
    }
}

/// A value as it is shown: in quotes, on one line, cut if it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(QUOTED) {
        match character {
            '\'' | '"' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    let more = if text.chars().nth(QUOTED).is_some() { "..." } else { "" };
    format!("'{shown}{more}'")
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |suggestion| format!("; did you mean '{suggestion}'?"))
}
