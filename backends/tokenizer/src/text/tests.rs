use super::*;
use serde_json::{Value, json};

/// A word-level tokenizer with BERT's special tokens; padding and truncation fixed in it, as in published files.
fn file() -> Value {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "film", "about", "war"];
    let vocab: serde_json::Map<String, Value> =
        words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    let special = |id: usize| json!({"id": id, "content": words[id], "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
            }
        },
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    })
}

fn tokenizer(options: Options) -> Result<TextTokenizer, LoadError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokenizer.json");
    fs::write(&path, file().to_string()).unwrap();
    TextTokenizer::load(&path, options)
}

fn encode(texts: &[&str]) -> Result<Encoded, TextError> {
    tokenizer(Options::default()).unwrap().encode(texts.iter().map(|text| text.as_bytes()))
}

#[test]
fn texts_are_padded_to_the_longest() {
    let encoded = encode(&["a film", "War", " a FILM about\twar "]).unwrap();
    assert_eq!((encoded.rows, encoded.length), (3, 6));
    assert_eq!(encoded.ids, [2, 4, 5, 3, 0, 0, 2, 7, 3, 0, 0, 0, 2, 4, 5, 6, 7, 3]);
    assert_eq!(encoded.mask, [1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    assert_eq!(encoded.types, [0; 18]);
    // The padding that the file fixes is not applied.
    assert_eq!(encode(&["war"]).unwrap().ids, [2, 7, 3]);
    assert_eq!(
        encode(&[]).unwrap(),
        Encoded { rows: 0, length: 0, ids: vec![], mask: vec![], types: vec![], offsets: vec![] }
    );
}

#[test]
fn tokens_know_their_places() {
    let tokenizer = tokenizer(Options::default()).unwrap();
    let texts = [" \n a FILM", "é war"].map(str::as_bytes);
    let encoded = tokenizer.encode_with_offsets(texts).unwrap();
    let rows: Vec<&[i64]> = encoded.offsets.chunks(8).collect();
    assert_eq!(rows, [[0, 0, 3, 4, 5, 9, 0, 0], [0, 0, 0, 2, 3, 6, 0, 0]], "in bytes of the text");
    assert_eq!(Encoded { offsets: vec![], ..encoded }, tokenizer.encode(texts).unwrap());
    // A text that is cut has the places of what is left.
    let long = "a film about war ".repeat(25_000);
    let encoded = tokenizer.encode_with_offsets([long.as_bytes()]).unwrap();
    assert_eq!(encoded.offsets, [0, 0, 0, 1, 2, 6, 7, 12, 13, 16, 0, 0]);
}

#[test]
fn long_texts_are_cut() {
    let long = "a film about war ".repeat(25_000);
    let encoded = encode(&[&long]).unwrap();
    assert_eq!(encoded.ids, [2, 4, 5, 6, 7, 3]);
    // White space and unknown words in front: more of the text is needed than the first guess.
    let spaced = format!("a {} film about war", " ".repeat(5000));
    assert_eq!(encode(&[&spaced]).unwrap().ids, [2, 4, 5, 6, 7, 3]);

    let options = Options { max_length: Some(4), ..Options::default() };
    let shorter = tokenizer(options).unwrap();
    assert_eq!(shorter.max_length(), 4);
    assert_eq!(shorter.encode([long.as_bytes()]).unwrap().ids, [2, 4, 5, 3]);
    let error = tokenizer(Options { max_length: Some(2), ..options }).unwrap_err().to_string();
    assert_eq!(error, "max_length is 2, but the special tokens alone are 2: expected at least 3");
}

#[test]
fn a_head_has_the_tokens_of_the_whole() {
    let tokenizer = tokenizer(Options { max_length: Some(40), allow_empty: true }).unwrap();
    for pause in [1, 7, 60, 400, 900] {
        let text = ["film", "unheard-of", "war"].join(&" ".repeat(pause)) + &" a".repeat(2000);
        let whole = tokenizer.tokenizer.encode_fast(text.as_str(), true).unwrap();
        assert_eq!(tokenizer.head(&text, false).unwrap().get_ids(), whole.get_ids(), "{pause}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let tokenizer = tokenizer(Options::default()).unwrap();
    let check = |text: &[u8], expect: TextError| {
        assert_eq!(tokenizer.encode([&b"war"[..], text]).unwrap_err(), expect);
    };
    let index = 1;
    check(b"", TextError::Empty { index });
    check(" \n\u{a0}\u{3000}".as_bytes(), TextError::Empty { index });
    check(b"war \xff", TextError::Utf8 { index, valid: 4 });
    check("война мир".as_bytes(), TextError::Unknown { index });
    check("\u{1f600}".as_bytes(), TextError::Unknown { index });
    let length = MAX_TEXT_BYTES + 1;
    check(&vec![b'a'; length], TextError::TooLong { index, length });
    // One known word is enough.
    assert_eq!(tokenizer.encode(["война war".as_bytes()]).unwrap().ids, [2, 1, 7, 3]);
}

#[test]
fn empty_texts_may_be_allowed() {
    let tokenizer = tokenizer(Options { allow_empty: true, ..Options::default() }).unwrap();
    assert_eq!(tokenizer.encode([&b""[..]]).unwrap().ids, [2, 3]);
    assert_eq!(tokenizer.encode(["мир".as_bytes()]).unwrap().ids, [2, 1, 3]);
}

#[test]
fn files_that_are_no_tokenizers_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokenizer.json");
    let load = || TextTokenizer::load(&path, Options::default()).unwrap_err().to_string();
    assert!(load().starts_with("there is no tokenizer file '"), "{}", load());
    let whole = file().to_string();
    for (content, expect) in [
        (&whole[..200], "EOF while parsing"),
        ("{}", "Model missing"),
        ("[1, 2]", "line 1 column"),
        ("", "EOF while parsing"),
    ] {
        fs::write(&path, content).unwrap();
        assert!(load().contains("is not a tokenizer file"), "{}", load());
        assert!(load().contains(expect), "{}", load());
    }
}
