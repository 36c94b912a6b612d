//! Texts to tokens, apart from any server: the backend uses it, and whoever builds an index.

use crate::error::{LoadError, TextError};
use std::{fs, io, path::Path};
use tokenizers::{
    Tokenizer as HfTokenizer, TruncationDirection, TruncationParams, TruncationStrategy,
};

/// Bytes that a text may have. 100,000 words fit; what is longer costs memory and says nothing more.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;

/// Tokens of a text, where neither the configuration nor the file says it.
const DEFAULT_MAX_LENGTH: usize = 512;

/// How texts become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Tokens of a text at most, the special ones included; `None`: as the file says.
    pub max_length: Option<usize>,
    /// Texts without a word become special tokens alone, rather than an error.
    pub allow_empty: bool,
}

/// A tokenizer; shared by threads.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: HfTokenizer,
    max_length: usize,
    pad_id: u32,
    unknown: Option<u32>,
    options: Options,
    /// Only the head of a long text need be looked at.
    keeps_head: bool,
}

/// The tokens of some texts: three tensors of `[texts, length]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Texts.
    pub rows: usize,
    /// Tokens of the longest text.
    pub length: usize,
    /// Token ids; padding has the tokenizer's padding id.
    pub ids: Vec<i64>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<i64>,
    /// Segment of each token; 0 for padding.
    pub types: Vec<i64>,
    /// `[texts, length, 2]`: the bytes of its text that each token stands for, from and to; 0 and 0
    /// for special tokens and padding. Empty where they were not asked for.
    pub offsets: Vec<i64>,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`. Padding that it fixes is ignored.
    ///
    /// # Errors
    /// If the file is absent, unreadable or no tokenizer, or `max_length` leaves no room for a word.
    pub fn load(path: &Path, options: Options) -> Result<Self, LoadError> {
        let bytes = fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => LoadError::Absent { path: path.to_owned() },
            _ => LoadError::Read { path: path.to_owned(), source },
        })?;
        let format = |reason: String| LoadError::Format { path: path.to_owned(), reason };
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| format(error.to_string()))?;
        let mut tokenizer =
            HfTokenizer::from_bytes(&bytes).map_err(|error| format(error.to_string()))?;

        let of_file = tokenizer.get_truncation().cloned();
        let max_length = options
            .max_length
            .or(of_file.as_ref().map(|truncation| truncation.max_length))
            .unwrap_or(DEFAULT_MAX_LENGTH);
        let direction =
            of_file.map_or(TruncationDirection::Right, |truncation| truncation.direction);
        let special = tokenizer
            .get_post_processor()
            .map_or(0, |processor| tokenizers::PostProcessor::added_tokens(processor, false));
        if max_length <= special {
            return Err(LoadError::MaxLength { max_length, special });
        }
        let truncation = TruncationParams {
            max_length,
            direction,
            stride: 0,
            strategy: TruncationStrategy::LongestFirst,
        };
        let id = |name: &str| tokenizer.token_to_id(name);
        let pad_id = tokenizer
            .get_padding()
            .map(|padding| padding.pad_id)
            .or_else(|| id("[PAD]"))
            .or_else(|| id("<pad>"))
            .unwrap_or(0);
        let unknown = json["model"]["unk_token"].as_str().and_then(id);
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(truncation)).map_err(|error| format(error.to_string()))?;
        let keeps_head = matches!(direction, TruncationDirection::Right);
        Ok(Self { tokenizer, max_length, pad_id, unknown, options, keeps_head })
    }

    /// Tokens of a text at most, the special ones included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The tokens of `texts`, padded to the longest of them.
    ///
    /// # Errors
    /// The first text that is not UTF-8, too long, or without a word that is known.
    pub fn encode<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t [u8]>,
    ) -> Result<Encoded, TextError> {
        self.encode_all(texts, false)
    }

    /// As [`Self::encode`], with the place of each token.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with_offsets<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t [u8]>,
    ) -> Result<Encoded, TextError> {
        self.encode_all(texts, true)
    }

    fn encode_all<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t [u8]>,
        offsets: bool,
    ) -> Result<Encoded, TextError> {
        let mut leading = Vec::new();
        let encodings = texts
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                if offsets {
                    // Places are counted from the first byte of the text as it came.
                    let start =
                        str::from_utf8(text).map_or(text, |text| text.trim_start().as_bytes());
                    leading.push(text.len() - start.len());
                }
                self.encode_one(index, text, offsets)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rows = encodings.len();
        let length = encodings.iter().map(tokenizers::Encoding::len).max().unwrap_or(0);
        let padded = |values: &dyn Fn(&tokenizers::Encoding) -> Vec<i64>, padding: i64| {
            let mut all = Vec::with_capacity(rows * length);
            for (row, encoding) in encodings.iter().enumerate() {
                all.extend(values(encoding));
                all.resize((row + 1) * length, padding);
            }
            all
        };
        let wide = |values: &[u32]| values.iter().map(|&value| i64::from(value)).collect();
        let mut places = Vec::new();
        if offsets {
            for (row, (encoding, leading)) in encodings.iter().zip(leading).enumerate() {
                places.extend(encoding.get_offsets().iter().flat_map(|&(start, end)| {
                    // Special tokens stand nowhere. A text has at most 1 MiB.
                    let shift = if start == end { 0 } else { leading };
                    [start, end].map(|place| i64::try_from(place + shift).unwrap_or(i64::MAX))
                }));
                places.resize((row + 1) * length * 2, 0);
            }
        }
        Ok(Encoded {
            rows,
            length,
            ids: padded(&|encoding| wide(encoding.get_ids()), i64::from(self.pad_id)),
            mask: padded(&|encoding| wide(encoding.get_attention_mask()), 0),
            types: padded(&|encoding| wide(encoding.get_type_ids()), 0),
            offsets: places,
        })
    }

    fn encode_one(
        &self,
        index: usize,
        text: &[u8],
        offsets: bool,
    ) -> Result<tokenizers::Encoding, TextError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TextError::TooLong { index, length: text.len() });
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| TextError::Utf8 { index, valid: error.valid_up_to() })?;
        let text = text.trim();
        if text.is_empty() && !self.options.allow_empty {
            return Err(TextError::Empty { index });
        }
        let encoding = self
            .head(text, offsets)
            .map_err(|error| TextError::Tokenizer { index, reason: error.to_string() })?;
        let mut words = encoding
            .get_ids()
            .iter()
            .zip(encoding.get_special_tokens_mask())
            // The unknown token may itself be among the special ones; what the template added is in no sequence.
            .zip(encoding.get_word_ids())
            .filter(|((_, special), word)| **special == 0 || word.is_some())
            .map(|((id, _), _)| *id);
        let known = words.any(|id| Some(id) != self.unknown);
        if !known && !self.options.allow_empty {
            return Err(TextError::Unknown { index });
        }
        Ok(encoding)
    }

    /// Tokenizes no more of a long text than its first `max_length` tokens need: a prefix that ends
    /// before white space and fills them has the tokens of the whole.
    fn head(&self, text: &str, offsets: bool) -> tokenizers::Result<tokenizers::Encoding> {
        let encode = |text: &str| {
            if offsets {
                self.tokenizer.encode(text, true)
            } else {
                self.tokenizer.encode_fast(text, true)
            }
        };
        let mut end = self.max_length.saturating_mul(16);
        while self.keeps_head && end < text.len() {
            let Some(space) = text[text.ceil_char_boundary(end)..].find(char::is_whitespace) else {
                break;
            };
            let prefix = &text[..text.ceil_char_boundary(end) + space];
            let encoding = encode(prefix)?;
            if encoding.len() == self.max_length {
                return Ok(encoding);
            }
            end = end.saturating_mul(4);
        }
        encode(text)
    }
}

#[cfg(test)]
mod tests;
