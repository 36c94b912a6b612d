//! The tokenizer backend as a subject: a vocabulary of eight words.

use crate::suite::{Bare, Subject, tensor};
use hippocamp_types::{DataType, Tensor, push_bytes_element};
use serde_json::json;

const WORDS: [&str; 8] = ["[PAD]", "[UNK]", "a", "film", "about", "war", "and", "peace"];

pub(crate) fn subject() -> Subject {
    let vocabulary: serde_json::Map<_, _> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    });
    let file = file.to_string().into_bytes();
    let mut corrupt = file.clone();
    corrupt.truncate(file.len() / 2);
    Subject {
        backend: "tokenizer",
        table: hippocamp_backend::backend!(hippocamp_tokenizer::Tokenizer),
        library: "libtriton_tokenizer.so",
        config: r#"
            max_batch_size: 8
            input [ { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] } ]
            output [ { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
                     { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] },
                     { name: "token_type_ids" data_type: TYPE_INT64 dims: [ -1 ] } ]"#,
        files: vec![("1/tokenizer.json", file)],
        bare: Bare::Completed,
        corrupt: ("", vec![("1/tokenizer.json", corrupt)]),
        inputs: |seed, rows| {
            let mut texts = Vec::new();
            for row in 0..rows {
                let words: Vec<_> = ids(seed, row).iter().map(|&id| WORDS[id]).collect();
                push_bytes_element(&mut texts, words.join(" ").as_bytes());
            }
            vec![tensor("TEXT", DataType::Bytes, &[i64::from(rows), 1], texts)]
        },
        outputs: |seed, rows| {
            let rows: Vec<Vec<usize>> = (0..rows).map(|row| ids(seed, row)).collect();
            let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
            let output = |name: &str, value: fn(usize) -> usize| -> Tensor {
                let row = |ids: &Vec<usize>| -> Vec<usize> {
                    let padding = std::iter::repeat_n(0, longest - ids.len());
                    ids.iter().map(|&id| value(id)).chain(padding).collect()
                };
                let values = rows.iter().flat_map(row);
                let bytes = values.flat_map(|value| i64::try_from(value).unwrap().to_le_bytes());
                let shape = [rows.len(), longest].map(|size| i64::try_from(size).unwrap());
                tensor(name, DataType::Int64, &shape, bytes.collect())
            };
            vec![
                output("input_ids", |id| id),
                output("attention_mask", |_| 1),
                output("token_type_ids", |_| 0),
            ]
        },
    }
}

/// Words of a text: from one to four, none of them unknown.
fn ids(seed: i32, row: i32) -> Vec<usize> {
    let start = usize::try_from(seed * 5 + row * 3).unwrap();
    (0..=start % 4).map(|word| 2 + (start + word) % 6).collect()
}
