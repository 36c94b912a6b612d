//! What can be wrong with a tokenizer's file, and with a text.

use crate::text::MAX_TEXT_BYTES;
use std::path::PathBuf;

/// Why a tokenizer cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("there is no tokenizer file '{}': a version directory holds tokenizer.json", .path.display())]
    Absent {
        /// Where it was expected.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read '{}': {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no tokenizer.
    #[error("'{}' is not a tokenizer file (tokenizer.json of Hugging Face's tokenizers): {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        reason: String,
    },
    /// The special tokens alone fill a text.
    #[error("max_length is {max_length}, but the special tokens alone are {special}: expected at least {}", .special + 1)]
    MaxLength {
        /// Tokens of a text.
        max_length: usize,
        /// Special tokens that are added to each.
        special: usize,
    },
}

/// Why a text has no tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The bytes are no text.
    #[error("text {index} is not UTF-8: invalid from byte {valid} on")]
    Utf8 {
        /// Which text of the request, from 0.
        index: usize,
        /// Bytes before the first one that is wrong.
        valid: usize,
    },
    /// There is not a word in it.
    #[error("text {index} is empty: expected at least one word")]
    Empty {
        /// Which text of the request, from 0.
        index: usize,
    },
    /// The tokenizer knows none of its words.
    #[error(
        "text {index} has no word that this tokenizer knows: expected text in the language and alphabet of its vocabulary"
    )]
    Unknown {
        /// Which text of the request, from 0.
        index: usize,
    },
    /// It is not a text that anybody wrote.
    #[error(
        "text {index} has {length} bytes: expected at most {MAX_TEXT_BYTES}, of which only the first words count anyway"
    )]
    TooLong {
        /// Which text of the request, from 0.
        index: usize,
        /// Its bytes.
        length: usize,
    },
    /// The tokenizer failed.
    #[error("text {index} cannot be tokenized: {reason}")]
    Tokenizer {
        /// Which text of the request, from 0.
        index: usize,
        /// What the tokenizer says.
        reason: String,
    },
}
