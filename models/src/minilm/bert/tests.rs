//! The graph of a tiny BERT: two layers, eight wide.

use std::collections::HashSet;
use std::path::Path;

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;

use super::super::weights::tests::{counting, write};
use super::super::weights::{Tensor, Weights};
use super::*;

const CONFIG: &str = r#"{"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "vocab_size": 11, "max_position_embeddings": 5, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}"#;

fn tensors() -> Vec<(String, Tensor)> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: String, shape: &[usize]| shapes.push((name, shape.to_vec()));
    for (table, rows) in [("word", 11), ("position", 5), ("token_type", 2)] {
        add(format!("embeddings.{table}_embeddings.weight"), &[rows, 8]);
    }
    for part in ["weight", "bias"] {
        add(format!("embeddings.LayerNorm.{part}"), &[8]);
    }
    for layer in 0..2 {
        let dense = [
            ("attention.self.query", 8, 8),
            ("attention.self.key", 8, 8),
            ("attention.self.value", 8, 8),
            ("attention.output.dense", 8, 8),
            ("intermediate.dense", 8, 16),
            ("output.dense", 16, 8),
        ];
        for (name, inputs, outputs) in dense {
            add(format!("encoder.layer.{layer}.{name}.weight"), &[outputs, inputs]);
            add(format!("encoder.layer.{layer}.{name}.bias"), &[outputs]);
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            add(format!("encoder.layer.{layer}.{name}.weight"), &[8]);
            add(format!("encoder.layer.{layer}.{name}.bias"), &[8]);
        }
    }
    shapes.into_iter().map(|(name, shape)| (name, counting(&shape))).collect()
}

fn build(tensors: &[(String, Tensor)]) -> anyhow::Result<pb::ModelProto> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.safetensors");
    write(&path, tensors);
    encoder(&mut Weights::open(&path).unwrap(), &Config::parse(CONFIG.as_bytes())?, "tiny:0")
}

fn describe(info: &pb::ValueInfoProto) -> (String, i32, Vec<String>) {
    let Some(pb::type_proto::Value::TensorType(tensor)) = &info.r#type.as_ref().unwrap().value
    else {
        panic!("no tensor")
    };
    let dims = tensor.shape.as_ref().unwrap().dim.iter();
    let size = |dim: &pb::tensor_shape_proto::Dimension| match dim.value.as_ref().unwrap() {
        Size::DimParam(name) => name.clone(),
        Size::DimValue(size) => size.to_string(),
    };
    (info.name.clone(), tensor.elem_type, dims.map(size).collect())
}

#[test]
fn inputs_outputs_and_metadata() {
    let model = build(&tensors()).unwrap();
    assert_eq!(model.metadata_props[0].key, "hippocamp.embedding_space");
    assert_eq!(model.metadata_props[0].value, "tiny:0");
    assert_eq!(model.producer_name, "hippocamp");
    let graph = model.graph.unwrap();
    let found: Vec<_> = graph.input.iter().chain(&graph.output).map(describe).collect();
    let expect = [
        ("input_ids", DataType::Int64, "batch seq"),
        ("attention_mask", DataType::Int64, "batch seq"),
        ("token_type_ids", DataType::Int64, "batch seq"),
        ("sentence_embedding", DataType::Float, "batch 8"),
        ("token_embeddings", DataType::Float, "batch seq 8"),
    ]
    .map(|(name, datatype, dims)| {
        (name.to_owned(), datatype as i32, dims.split(' ').map(str::to_owned).collect())
    });
    assert_eq!(found, expect);
}

#[test]
fn every_value_is_defined_once_before_use_and_used() {
    let graph = build(&tensors()).unwrap().graph.unwrap();
    let mut defined = HashSet::new();
    for name in graph.input.iter().map(|input| &input.name) {
        assert!(defined.insert(name.as_str()), "{name} twice");
    }
    for tensor in &graph.initializer {
        assert!(defined.insert(tensor.name.as_str()), "{} twice", tensor.name);
        let count: i64 = tensor.dims.iter().product();
        let width = if tensor.data_type == DataType::Float as i32 { 4 } else { 8 };
        assert_eq!(tensor.raw_data.len(), usize::try_from(count).unwrap() * width);
    }
    let mut used = HashSet::new();
    for node in &graph.node {
        for input in &node.input {
            assert!(defined.contains(input.as_str()), "{} uses {input} before it is", node.name);
            used.insert(input.as_str());
        }
        for output in &node.output {
            assert!(defined.insert(output), "{output} twice");
        }
    }
    used.extend(graph.output.iter().map(|output| output.name.as_str()));
    let unused: Vec<_> = defined.difference(&used).collect();
    assert!(unused.is_empty(), "never used: {unused:?}");
}

#[test]
fn dense_weights_are_stored_for_use_as_they_are() {
    let graph = build(&tensors()).unwrap().graph.unwrap();
    let name = "encoder.layer.1.intermediate.dense.weight";
    let weight = graph.initializer.iter().find(|tensor| tensor.name == name).unwrap();
    assert_eq!(weight.dims, [8, 16]);
    assert_eq!(weight.raw_data, counting(&[16, 8]).transposed().bytes);
    // Three per layer bring queries, keys and values into heads, one brings them back: no other.
    let transposes = graph.node.iter().filter(|node| node.op_type == "Transpose").count();
    assert_eq!(transposes, 2 * 4);
}

#[test]
fn gelu_is_the_chain_that_engines_know() {
    let graph = build(&tensors()).unwrap().graph.unwrap();
    let at = graph.node.iter().position(|node| node.op_type == "Erf").unwrap();
    let ops: Vec<_> = graph.node[at - 1..at + 4].iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(ops, ["Div", "Erf", "Add", "Mul", "Mul"]);
    assert!(!graph.node.iter().any(|node| node.op_type == "Tanh"));
}

#[test]
fn a_tensor_that_is_missing_or_misshaped_is_named() {
    let whole = tensors();
    for at in 0..whole.len() {
        let name = &whole[at].0;
        let mut tensors = whole.clone();
        tensors.remove(at);
        let error = format!("{:#}", build(&tensors).unwrap_err());
        assert!(error.contains(&format!("no tensor '{name}'")), "{error}");

        let mut tensors = whole.clone();
        tensors[at].1 = counting(&[3, 7]);
        let error = format!("{:#}", build(&tensors).unwrap_err());
        assert!(error.contains(&format!("tensor '{name}' has shape [3, 7]")), "{error}");
    }
}

#[test]
fn configurations() {
    let cases = [
        ("\"gelu\"", "\"gelu_new\"", "hidden_act is 'gelu_new', expected 'gelu'"),
        ("\"absolute\"", "\"relative_key\"", "expected 'absolute'"),
        ("heads\": 2", "heads\": 3", "hidden_size 8 does not divide into 3"),
        ("heads\": 2", "heads\": 0", "hidden_size 8 does not divide into 0"),
        ("vocab_size\": 11", "vocab_size\": -1", "expected a BERT configuration"),
        ("\"layer_norm_eps\": 1e-12,", "", "missing field `layer_norm_eps`"),
    ];
    for (from, to, expect) in cases {
        let json = CONFIG.replacen(from, to, 1);
        assert_ne!(json, CONFIG, "{from} is not in it");
        let error = format!("{:#}", Config::parse(json.as_bytes()).unwrap_err());
        assert!(error.contains(expect), "{error}");
    }
    let error = format!("{:#}", Config::read(Path::new("/no/config.json")).unwrap_err());
    assert!(error.contains("cannot read '/no/config.json'"), "{error}");
}
