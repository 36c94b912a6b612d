//! The tokenizer backend: text in; token ids, attention mask and type ids out.
//!
//! A model is `<model>/<version>/tokenizer.json`, a file of Hugging Face's `tokenizers`. Each element of
//! the one BYTES input is a text. The outputs are those that the configuration names, of `input_ids`,
//! `attention_mask` and `token_type_ids`, INT64 or INT32, `[texts, longest text of the request]`: the
//! padding that a file may fix is switched off, so that nobody pays for it. `offsets`, of one dimension more
//! of size 2, has each token's place in its text, first byte and the one behind its last; 0 and 0 for what is
//! not of the text. It takes a slower way through the tokenizer, and only where it is asked for.
//!
//! Parameters of the configuration: `max_length`, tokens of a text with the special ones (else the file's
//! truncation, else 512); `allow_empty`, `true` to take texts without a word.
#![forbid(unsafe_code)]

mod backend;
mod config;
mod error;
mod text;

pub use backend::{Tokenizer, TokenizerInstance, TokenizerModel};
pub use error::{LoadError, TextError};
pub use text::{Encoded, Options, TextTokenizer};

// The server of the tests: without one the table has nothing to call.
#[cfg(test)]
use hippocamp_backend_host as _;
