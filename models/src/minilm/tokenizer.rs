//! The tokenizer as it is served: the published file without its fixed padding and truncation.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::files;

/// Writes the tokenizer of `source` to `out` with `padding` and `truncation` off, everything else
/// equal; both are the model configuration's business. As published, every text is padded and cut
/// to 128 tokens, whatever its length. Returns false where `out` was there already.
///
/// # Errors
/// `source` cannot be read or is no tokenizer, or `out` cannot be written.
pub fn write_tokenizer(source: &Path, out: &Path) -> anyhow::Result<bool> {
    let published = fs::read(source).with_context(|| files::cannot("read", source))?;
    let served = served(&published)
        .with_context(|| format!("'{}' cannot be served as a tokenizer", source.display()))?;
    files::replace(out, &served)
}

fn served(published: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut tokenizer: Value = serde_json::from_slice(published).context("it is no JSON")?;
    for field in ["model", "padding", "truncation"] {
        if tokenizer.get(field).is_none() {
            bail!("expected a tokenizer.json of Hugging Face, found no field '{field}'");
        }
    }
    for field in ["padding", "truncation"] {
        tokenizer[field] = Value::Null;
    }
    Ok(serde_json::to_vec(&tokenizer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_padding_and_truncation_change() {
        let published = r#"{"version":"1.0","truncation":{"max_length":128},
            "padding":{"strategy":{"Fixed":128}},"added_tokens":[{"id":0,"content":"[PAD]"}],
            "model":{"vocab":{"é":1,"a":0,"\u4e2d":2},"padding":3}}"#;
        let expect = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"[PAD]"}],"model":{"vocab":{"é":1,"a":0,"中":2},"padding":3}}"#;
        let found = served(published.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), expect);
    }

    #[test]
    fn other_files_are_refused() {
        for (published, expect) in [
            ("", "no JSON"),
            ("{\"model\":", "no JSON"),
            ("{}", "no field 'model'"),
            ("[1]", "no field 'model'"),
            (r#"{"model":{},"truncation":null}"#, "no field 'padding'"),
        ] {
            let error = format!("{:#}", served(published.as_bytes()).unwrap_err());
            assert!(error.contains(expect), "{published}: {error}");
        }
    }
}
