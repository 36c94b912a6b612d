//! The encoder that `make models` writes, on tract, against embeddings that were computed from the published
//! weights in float64. Needs the files of `make models`.
#![forbid(unsafe_code)]

use hippocamp_models::TextEncoder;
use hippocamp_tokenizer::{Options, TextTokenizer};
use serde::Deserialize;
use std::{fs, path::PathBuf};

const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Reference {
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    sentence: String,
    token_ids: Vec<i64>,
    embedding: Vec<f32>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `make test` says so on a machine that could not fetch the encoder.
fn left_out() -> bool {
    std::env::var_os("HIPPOCAMP_WITHOUT_MINILM").is_some()
}

fn encoder() -> TextEncoder {
    TextEncoder::open(&root().join("model_repository"), "text_tokenizer", "plot_encoder")
        .expect("the files of `make models`")
}

fn reference() -> Vec<Sentence> {
    let text = fs::read_to_string(root().join("tests/data/minilm_embeddings.json")).unwrap();
    serde_json::from_str::<Reference>(&text).unwrap().sentences
}

fn farthest(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn embeddings_are_those_of_the_published_weights() {
    if left_out() {
        return;
    }
    let encoder = encoder();
    assert_eq!(encoder.dimensions(), 384);
    assert_eq!(encoder.embedding_space(), hippocamp_models::minilm::embedding_space());
    let mut worst: f32 = 0.0;
    for reference in reference() {
        let vectors = encoder.encode(&[&reference.sentence], |_| {}).unwrap();
        worst = worst.max(farthest(&vectors[0], &reference.embedding));
    }
    eprintln!("largest difference from the reference: {worst:e}");
    assert!(worst < TOLERANCE, "{worst:e}");
}

#[test]
fn padding_changes_nothing() {
    if left_out() {
        return;
    }
    let encoder = encoder();
    let sentences = reference();
    let lengths: Vec<usize> = sentences.iter().map(|sentence| sentence.token_ids.len()).collect();
    assert!(lengths.iter().min() < lengths.iter().max(), "a batch of one length shows nothing");
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.sentence.as_str()).collect();
    let together = encoder.encode(&texts, |_| {}).unwrap();
    let mut worst: f32 = 0.0;
    for (text, batched) in texts.iter().zip(&together) {
        let alone = encoder.encode(&[text], |_| {}).unwrap();
        worst = worst.max(farthest(&alone[0], batched));
    }
    eprintln!("largest difference between single and padded: {worst:e}");
    assert!(worst < TOLERANCE, "{worst:e}");
}

#[test]
fn tokens_are_those_of_the_published_tokenizer() {
    if left_out() {
        return;
    }
    let file = root().join("model_repository/text_tokenizer/1/tokenizer.json");
    let tokenizer =
        TextTokenizer::load(&file, Options::default()).expect("the files of `make models`");
    for reference in reference() {
        let encoded = tokenizer.encode([reference.sentence.as_bytes()]).unwrap();
        assert_eq!(encoded.ids, reference.token_ids, "{}", reference.sentence);
    }
}
