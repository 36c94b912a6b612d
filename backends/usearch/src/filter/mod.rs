//! The language of FILTER: which rows of the item table a search may return, for example
//! `genre = 'Horror' and year >= 1990`. A request's text is parsed against the table's schema once
//! ([`Filter::parse`]) and then evaluated over the whole table, a column at a time.
//!
//! ```text
//! condition   = condition or condition | condition and condition | not condition
//!             | ( condition ) | comparison | boolean-column
//! comparison  = column ( = | != | <> | < | <= | > | >= ) value
//!             | column [not] in ( value, ... )
//!             | column [not] between value and value
//!             | column [not] like 'pattern'
//!             | column is [not] null
//! value       = 'text' | "text" | 42 | -0.5 | true | false
//! ```
//!
//! - `and` binds tighter than `or`, `not` tighter than both. Keywords are read in any case; column
//!   names, text and patterns as they are written.
//! - Text stands in single or double quotes, whichever the client's JSON makes easier; the quote
//!   itself is written twice: `'It''s a Gift'`. Text is ordered by code point.
//! - In a pattern `%` stands for any characters and `_` for one; `\%`, `\_` and `\\` for themselves.
//! - A column that holds a list satisfies a comparison if **any** element does; `!=` and every
//!   `not in`, `not between`, `not like` if **no** element satisfies the opposite. Such a column may
//!   also be called by the name of one element, which its field's metadata gives under
//!   [`ELEMENT`]: `genre` for `genres`.
//! - Conditions are true or false, never unknown: NULL satisfies no comparison, `!=` and the `not`
//!   forms included; it satisfies `is null`. `not (...)` turns false into true, for NULL too. An
//!   empty list is not NULL; it satisfies `!=` and the `not` forms. NaN is unequal to every number.
//! - A number is rounded to the precision of a floating-point column, so that `score = 0.1` finds
//!   0.1 in single precision too; with integers it is compared exactly.
//!
//! At most [`MAX_BYTES`] of text, [`MAX_DEPTH`] levels of parentheses and `not`, [`MAX_ITEMS`] values
//! of an `in`, [`MAX_PATTERN`] characters of all patterns together.

mod column;
mod error;
mod evaluate;
mod expression;
mod lexer;
mod literal;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

pub use error::{FilterError, FilterFault};

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use arrow_schema::Schema;
use expression::Expression;

/// Longest text of a filter, in bytes.
pub const MAX_BYTES: usize = 4096;
/// Most parentheses and `not`s around a comparison.
pub const MAX_DEPTH: usize = 32;
/// Most values of one `in`.
pub const MAX_ITEMS: usize = 256;
/// Characters of all patterns of a filter together: what matching one value costs is at most this times its length.
pub const MAX_PATTERN: usize = 256;
/// Key in the metadata of a list column's field: what one element is called.
pub const ELEMENT: &str = "element";

/// A condition on the rows of one table, its columns found and its values of their types.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    expression: Expression,
}

impl Filter {
    /// Reads `text` as a condition on tables of `schema`.
    ///
    /// # Errors
    /// Text that is not of the language, names a column that is not there, or compares one with a
    /// value of another type; the error says where and what was expected.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, FilterError> {
        Ok(Self { expression: parse::parse(text, schema)? })
    }

    /// The rows of `batch` that satisfy the condition, a bit each.
    ///
    /// # Panics
    /// If `batch` has another schema than the filter was parsed with.
    #[must_use]
    pub fn evaluate(&self, batch: &RecordBatch) -> BooleanBuffer {
        evaluate::evaluate(&self.expression, batch)
    }
}
