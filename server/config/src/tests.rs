//! No text makes this crate panic, what was read survives writing, and the document follows the code.

use crate::{ConfigError, ModelConfig, finish, from_json, parse_pbtxt, pbtxt::descriptor, to_json};
use hippocamp_proto::inference as proto;
use proptest::{prelude::*, sample::Index};
use prost_reflect::{Kind, MessageDescriptor};
use std::collections::BTreeSet;

/// Cases of each property; the full run sets a million.
const CASES_VARIABLE: &str = "HIPPOCAMP_FUZZ_CASES";
const DEFAULT_CASES: u32 = 256;

fn cases() -> ProptestConfig {
    let cases = std::env::var(CASES_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_CASES);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

const TEXTS: [&str; 3] = [
    r#"name: "simple" platform: "onnxruntime_onnx" max_batch_size: 8 # a model
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16, -1 ] reshape { shape: [ ] } }, { name: 'é' "b" data_type: 3 dims: 0x10 } ]
output < name: "OUTPUT0" data_type: TYPE_STRING dims: [ 4 ] label_filename: "l.txt" >
dynamic_batching { preferred_batch_size: [ 2, 4 ] priority_levels: 2 default_priority_level: 1
  priority_queue_policy { key: 2 value { timeout_action: DELAY default_timeout_microseconds: 18446744073709551615 } } }
instance_group [ { count: 1 kind: KIND_CPU rate_limiter { resources { name: "R" global: t count: 1 } } } ]
parameters: { key: "k" value: { string_value: "v\n\x41" } }"#,
    r#"name: "e" platform: "ensemble" input { name: "a" data_type: TYPE_FP32 dims: 1 } output { name: "b" data_type: TYPE_FP32 dims: 1 }
ensemble_scheduling { step [ { model_name: "m" model_version: -1 input_map { key: "x" value: "a" } output_map { key: "y" value: "c" } },
  { model_name: "m" model_version: 2 input_map { key: "x" value: "c" } output_map { key: "y" value: "b" } } ] max_inflight_requests: 3 }"#,
    r#"name: "s" backend: "b" version_policy { specific { versions: [ 1, 2 ] } } optimization { graph { level: -1 }
  cuda { graph_spec { batch_size: 1 input { key: "I" value { dim: [ 3 ] } } } } } model_warmup { name: "w" inputs { key: "I" value { zero_data: true } } }
  model_metrics { metric_control { metric_identifier { family: "f" } histogram_options { buckets: [ 0.1, -1e300, inf, 5f ] } } }"#,
];

/// Pieces that mean something to one of the two parsers.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    ":",
    ",",
    ";",
    "-",
    "\"",
    "'",
    "\\",
    "#",
    "\n",
    "/",
    ".",
    "e",
    "0",
    "-1",
    "08",
    "1e999",
    "99999999999999999999",
    "true",
    "null",
    "name",
    "input",
    "dims",
    "value",
    "TYPE_FP32",
    "inf",
    "\u{feff}",
    "é",
    "\0",
    "[a.b]",
    "[a/inference.ModelConfig] {",
    "\\u12",
    "max_batch_size",
    "ensemble_scheduling {",
    "version_policy",
];

/// One change of a text: from, length and what to put there.
type Edit = (Index, usize, &'static str);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let piece = proptest::sample::select(PIECES.to_vec());
    proptest::collection::vec((any::<Index>(), 0..8_usize, piece), 0..6)
}

fn edit(text: &str, edits: &[Edit]) -> String {
    edits.iter().fold(text.to_owned(), |text, (at, length, piece)| {
        let chars: Vec<char> = text.chars().collect();
        let from = at.index(chars.len() + 1);
        let to = (from + length).min(chars.len());
        chars[..from]
            .iter()
            .copied()
            .chain(piece.chars())
            .chain(chars[to..].iter().copied())
            .collect()
    })
}

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..40)
        .prop_map(|pieces| pieces.join(" "))
}

/// What follows parsing must not panic either, and JSON must give back what it was given.
fn follow(parsed: Result<proto::ModelConfig, ConfigError>) -> Result<(), TestCaseError> {
    match parsed {
        Err(error) => prop_assert!(!error.to_string().is_empty()),
        Ok(config) => {
            let json = to_json(&config);
            let back = from_json(&json)
                .map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
            // Buckets are floats: NaN equals nothing, and serde_json reads to the last place but one.
            let exact = |config: &proto::ModelConfig| proto::ModelConfig {
                model_metrics: None,
                ..config.clone()
            };
            prop_assert_eq!(exact(&back), exact(&config));
            if let Err(error) = ModelConfig::new(finish(config, &[])) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_text(text in any::<String>()) {
        follow(parse_pbtxt(&text, "f"))?;
        follow(from_json(&text))?;
    }

    #[test]
    fn any_pieces(text in soup()) {
        follow(parse_pbtxt(&text, "f"))?;
        follow(from_json(&text))?;
    }

    #[test]
    fn mutated_text(which in 0..TEXTS.len(), edits in edits()) {
        follow(parse_pbtxt(&edit(TEXTS[which], &edits), "f"))?;
    }

    #[test]
    fn mutated_json(which in 0..TEXTS.len(), edits in edits()) {
        let config = parse_pbtxt(TEXTS[which], "f").expect("the texts are valid");
        follow(from_json(&edit(&to_json(&config), &edits)))?;
    }
}

#[test]
fn the_texts_are_valid() {
    for text in TEXTS {
        follow(parse_pbtxt(text, "f")).unwrap();
        parse_pbtxt(text, "f").unwrap();
    }
}

/// The rows of the document: path and status.
fn documented() -> Vec<(&'static str, &'static str)> {
    const DOCUMENT: &str = include_str!("../../../docs/model_configuration.md");
    DOCUMENT
        .lines()
        .filter_map(|line| {
            let (path, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((path, rest.split_once(" | ")?.0))
        })
        .collect()
}

fn paths(message: &MessageDescriptor, prefix: &str, into: &mut BTreeSet<String>) {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        if let Kind::Message(inner) = field.kind()
            && !field.is_map()
        {
            paths(&inner, &format!("{path}."), into);
        }
        into.insert(path);
    }
}

#[test]
fn the_document_lists_every_field() {
    let rows = documented();
    let mut fields = BTreeSet::new();
    paths(&descriptor(), "", &mut fields);
    for (path, status) in &rows {
        assert!(fields.contains(*path), "the document lists '{path}', model_config.proto does not");
        assert!(
            ["works", "warning", "refused", "backend"].contains(status),
            "'{path}' has status '{status}'"
        );
    }
    for field in descriptor().fields() {
        assert!(
            rows.iter().any(|(path, _)| *path == field.name()),
            "the document lacks '{}'",
            field.name()
        );
    }
    // A row speaks for what is inside its message, unless some of that has rows of its own.
    for path in &fields {
        let Some((parent, _)) = path.rsplit_once('.') else { continue };
        let inside = format!("{parent}.");
        let divided = rows.iter().any(|(row, _)| row.starts_with(&inside));
        assert!(!divided || rows.iter().any(|(row, _)| row == path), "the document lacks '{path}'");
    }
}
