//! The graph of a BERT sentence encoder: token ids to one vector of length one per text. Built
//! from the published weights by `write_encoder`.
//!
//! Where ONNX leaves a choice, it is the one that tract runs fastest: weights of dense layers are
//! stored `[in, out]`, so that nothing is transposed while serving, and GELU is the chain that is
//! replaced by one exact operator when the model is loaded.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Dim, Graph, Value, dimension_size, float, integer, integers};
use super::weights::Weights;
use super::{EMBEDDING_SPACE_KEY, files};

/// Added to the attention score of a padded token: far below any score, so that its weight is
/// exactly zero, and far from overflow, so that a row of padding alone gives no NaN.
const MASKED: f32 = -10_000.0;

/// Least number of tokens that a sum is divided by: a text without any has the zero vector.
const MIN_TOKENS: f32 = 1e-9;

/// Least length that an embedding is divided by, as in `sentence-transformers`.
const MIN_NORM: f32 = 1e-12;

const BATCH: Dim = Dim::Symbol("batch");
const SEQUENCE: Dim = Dim::Symbol("seq");

/// What of the published `config.json` makes a difference to the graph.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    pub(super) hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    position_embedding_type: String,
}

impl Config {
    /// Reads and checks a `config.json`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let json = fs::read(path).with_context(|| files::cannot("read", path))?;
        Self::parse(&json).with_context(|| format!("in '{}'", path.display()))
    }

    fn parse(json: &[u8]) -> anyhow::Result<Self> {
        let config: Self = serde_json::from_slice(json).context("expected a BERT configuration")?;
        let (act, positions) = (&config.hidden_act, &config.position_embedding_type);
        ensure!(act == "gelu", "hidden_act is '{act}', expected 'gelu'");
        ensure!(
            positions == "absolute",
            "position_embedding_type is '{positions}', expected 'absolute'",
        );
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        ensure!(
            heads > 0 && hidden.is_multiple_of(heads),
            "hidden_size {hidden} does not divide into {heads} attention heads",
        );
        Ok(config)
    }

    fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// Builds the encoder: `input_ids`, `attention_mask` and `token_type_ids` of shape `[batch, seq]`
/// to `sentence_embedding` of shape `[batch, hidden]`, and to `token_embeddings` of shape
/// `[batch, seq, hidden]`, whose sum over a text, scaled to length one, that is.
pub(super) fn encoder(
    weights: &mut Weights,
    config: &Config,
    embedding_space: &str,
) -> anyhow::Result<pb::ModelProto> {
    let mut graph = Graph::new("sentence-encoder");
    let [ids, mask, types] = ["input_ids", "attention_mask", "token_type_ids"]
        .map(|name| graph.input(name, DataType::Int64, &[BATCH, SEQUENCE]));
    let mut bert = Bert { constants: Constants::new(&mut graph, config), graph, weights, config };
    let mask = bert.cast("mask", &mask);
    let bias = bert.attention_bias(&mask);
    let mut hidden = bert.embeddings(&ids, &types)?;
    for layer in 0..config.num_hidden_layers {
        hidden = bert.layer(layer, &hidden, &bias)?;
    }
    let tokens = bert.unpadded("token_embeddings", &hidden, &mask);
    let pooled = bert.pool(&tokens, &mask);
    let embedding = bert.normalize("sentence_embedding", &pooled);
    let mut graph = bert.graph;
    let hidden = Dim::Fixed(config.hidden_size);
    graph.output(&embedding, DataType::Float, &[BATCH, hidden]);
    graph.output(&tokens, DataType::Float, &[BATCH, SEQUENCE, hidden]);
    Ok(graph.finish(&[(EMBEDDING_SPACE_KEY, embedding_space)]))
}

struct Bert<'a> {
    graph: Graph,
    constants: Constants,
    weights: &'a mut Weights,
    config: &'a Config,
}

/// Constants that several nodes share.
struct Constants {
    zero: Value,
    first_axis: Value,
    sequence_axis: Value,
    last_axis: Value,
    half: Value,
    one: Value,
    sqrt_2: Value,
    score_scale: Value,
    /// `[batch, seq, hidden]` to `[batch, seq, heads, head]`; 0 keeps a dimension.
    split_heads: Value,
    /// `[batch, seq, heads, head]` to `[batch, seq, hidden]`.
    merge_heads: Value,
}

impl Constants {
    fn new(graph: &mut Graph, config: &Config) -> Self {
        let heads = dimension_size(config.num_attention_heads);
        let [head, hidden] = [config.head_size(), config.hidden_size].map(dimension_size);
        let score_scale = (config.head_size() as f32).sqrt().recip();
        Self {
            zero: graph.integers("zero", &[0]),
            first_axis: graph.integers("first_axis", &[0]),
            sequence_axis: graph.integers("sequence_axis", &[1]),
            last_axis: graph.integers("last_axis", &[-1]),
            half: graph.scalar("half", 0.5),
            one: graph.scalar("one", 1.0),
            sqrt_2: graph.scalar("sqrt_2", std::f32::consts::SQRT_2),
            score_scale: graph.scalar("score_scale", score_scale),
            split_heads: graph.integers("split_heads", &[0, 0, heads, head]),
            merge_heads: graph.integers("merge_heads", &[0, 0, hidden]),
        }
    }
}

impl Bert<'_> {
    /// Words, positions and segments, added and normalised: `[batch, seq, hidden]`.
    fn embeddings(&mut self, ids: &Value, types: &Value) -> anyhow::Result<Value> {
        let config = self.config;
        let words = self.table("word", config.vocab_size)?;
        let words = self.graph.node("embeddings.words", "Gather", &[&words, ids]);
        let segments = self.table("token_type", config.type_vocab_size)?;
        let segments = self.graph.node("embeddings.segments", "Gather", &[&segments, types]);
        // A sequence that is longer than the table gets the whole table, which then cannot be
        // added to it: the engine refuses it.
        let positions = self.table("position", config.max_position_embeddings)?;
        let bounds = vec![integer("start", 1), integer("end", 2)];
        let length = self.graph.node_with("embeddings.length", "Shape", &[ids], bounds);
        let Constants { zero, first_axis, .. } = &self.constants;
        let slice = [&positions, zero, &length, first_axis];
        let positions = self.graph.node("embeddings.positions", "Slice", &slice);
        let sum = self.graph.node("embeddings.words_segments", "Add", &[&words, &segments]);
        let sum = self.graph.node("embeddings.sum", "Add", &[&sum, &positions]);
        self.layer_norm("embeddings.LayerNorm", &sum)
    }

    /// One transformer layer: attention and a dense network, each added to what it was given.
    fn layer(&mut self, layer: usize, hidden: &Value, bias: &Value) -> anyhow::Result<Value> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let context = self.attention(&name("attention"), hidden, bias)?;
        let context = self.dense(&name("attention.output.dense"), &context, [width, width])?;
        let sum = self.graph.node(&name("attention.sum"), "Add", &[&context, hidden]);
        let hidden = self.layer_norm(&name("attention.output.LayerNorm"), &sum)?;

        let wide = self.dense(&name("intermediate.dense"), &hidden, [width, inner])?;
        let wide = self.gelu(&name("gelu"), &wide);
        let narrow = self.dense(&name("output.dense"), &wide, [inner, width])?;
        let sum = self.graph.node(&name("sum"), "Add", &[&narrow, &hidden]);
        self.layer_norm(&name("output.LayerNorm"), &sum)
    }

    /// Multi-head self-attention: `[batch, seq, hidden]` to the same.
    fn attention(&mut self, name: &str, hidden: &Value, bias: &Value) -> anyhow::Result<Value> {
        let size = [self.config.hidden_size; 2];
        let query = self.dense(&format!("{name}.self.query"), hidden, size)?;
        let key = self.dense(&format!("{name}.self.key"), hidden, size)?;
        let value = self.dense(&format!("{name}.self.value"), hidden, size)?;
        // The queries are scaled, not the scores: there are fewer of them.
        let scale = &self.constants.score_scale;
        let query = self.graph.node(&format!("{name}.scaled"), "Mul", &[&query, scale]);
        let query = self.heads(&format!("{name}.query"), &query, &[0, 2, 1, 3]);
        let key = self.heads(&format!("{name}.key"), &key, &[0, 2, 3, 1]);
        let value = self.heads(&format!("{name}.value"), &value, &[0, 2, 1, 3]);
        let graph = &mut self.graph;
        let scores = graph.node(&format!("{name}.scores"), "MatMul", &[&query, &key]);
        let scores = graph.node(&format!("{name}.masked"), "Add", &[&scores, bias]);
        let last = vec![integer("axis", -1)];
        let shares = graph.node_with(&format!("{name}.softmax"), "Softmax", &[&scores], last);
        let context = graph.node(&format!("{name}.weighted"), "MatMul", &[&shares, &value]);
        let order = vec![integers("perm", &[0, 2, 1, 3])];
        let context = graph.node_with(&format!("{name}.context"), "Transpose", &[&context], order);
        let merged = [&context, &self.constants.merge_heads];
        Ok(graph.node(&format!("{name}.merged"), "Reshape", &merged))
    }

    /// `[batch, seq, hidden]` cut into heads, in the order `perm` of `[batch, seq, heads, head]`.
    fn heads(&mut self, name: &str, value: &Value, perm: &[i64]) -> Value {
        let split = [value, &self.constants.split_heads];
        let split = self.graph.node(&format!("{name}.split"), "Reshape", &split);
        let perm = vec![integers("perm", perm)];
        self.graph.node_with(&format!("{name}.heads"), "Transpose", &[&split], perm)
    }

    /// What is added to the scores: 0 for a token, [`MASKED`] for padding; `[batch, 1, 1, seq]`.
    fn attention_bias(&mut self, mask: &Value) -> Value {
        let masked = self.graph.scalar("masked", MASKED);
        let axes = self.graph.integers("attention_bias.axes", &[1, 2]);
        let padding = self.graph.node("padding", "Sub", &[&self.constants.one, mask]);
        let bias = self.graph.node("padding.bias", "Mul", &[&padding, &masked]);
        self.graph.node("attention_bias", "Unsqueeze", &[&bias, &axes])
    }

    /// Exact GELU, `x / sqrt 2 -> erf -> + 1 -> * x -> * 0.5`. The order counts: tract and ONNX
    /// Runtime know this chain and make one operator of it.
    fn gelu(&mut self, name: &str, x: &Value) -> Value {
        let Constants { half, one, sqrt_2, .. } = &self.constants;
        let graph = &mut self.graph;
        let scaled = graph.node(&format!("{name}.scaled"), "Div", &[x, sqrt_2]);
        let erf = graph.node(&format!("{name}.erf"), "Erf", &[&scaled]);
        let sum = graph.node(&format!("{name}.sum"), "Add", &[&erf, one]);
        let product = graph.node(&format!("{name}.product"), "Mul", &[x, &sum]);
        graph.node(name, "Mul", &[&product, half])
    }

    /// The tokens, padding as zeros: `[batch, seq, hidden]`.
    fn unpadded(&mut self, name: &str, hidden: &Value, mask: &Value) -> Value {
        let axis = &self.constants.last_axis;
        let column = self.graph.node("pool.mask", "Unsqueeze", &[mask, axis]);
        self.graph.node(name, "Mul", &[hidden, &column])
    }

    /// Mean over the tokens that are no padding: `[batch, hidden]`.
    fn pool(&mut self, tokens: &Value, mask: &Value) -> Value {
        let least = self.graph.scalar("pool.least", MIN_TOKENS);
        let (graph, constants) = (&mut self.graph, &self.constants);
        let axis = &constants.sequence_axis;
        let sum = graph.node_with("pool.sum", "ReduceSum", &[tokens, axis], keep(false));
        let count = graph.node_with("pool.count", "ReduceSum", &[mask, axis], keep(true));
        let count = graph.node("pool.divisor", "Max", &[&count, &least]);
        graph.node("pool", "Div", &[&sum, &count])
    }

    /// Each row divided by its length.
    fn normalize(&mut self, name: &str, rows: &Value) -> Value {
        let least = self.graph.scalar("norm.least", MIN_NORM);
        let graph = &mut self.graph;
        let axis = vec![integers("axes", &[-1]), integer("keepdims", 1)];
        let norm = graph.node_with("norm", "ReduceL2", &[rows], axis);
        let norm = graph.node("norm.divisor", "Max", &[&norm, &least]);
        graph.node(name, "Div", &[rows, &norm])
    }

    /// `x · weight + bias`; safetensors has the weight as `[out, in]`.
    fn dense(&mut self, name: &str, x: &Value, size: [usize; 2]) -> anyhow::Result<Value> {
        let [inputs, outputs] = size;
        let weight = self.weights.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        let weight = self.graph.tensor(&format!("{name}.weight"), weight.transposed());
        let bias = self.parameter(&format!("{name}.bias"), &[outputs])?;
        let product = self.graph.node(&format!("{name}.product"), "MatMul", &[x, &weight]);
        Ok(self.graph.node(name, "Add", &[&product, &bias]))
    }

    fn layer_norm(&mut self, name: &str, x: &Value) -> anyhow::Result<Value> {
        let width = [self.config.hidden_size];
        let scale = self.parameter(&format!("{name}.weight"), &width)?;
        let bias = self.parameter(&format!("{name}.bias"), &width)?;
        let attributes = vec![integer("axis", -1), float("epsilon", self.config.layer_norm_eps)];
        let inputs = [x, &scale, &bias];
        Ok(self.graph.node_with(name, "LayerNormalization", &inputs, attributes))
    }

    fn table(&mut self, name: &str, rows: usize) -> anyhow::Result<Value> {
        let shape = [rows, self.config.hidden_size];
        self.parameter(&format!("embeddings.{name}_embeddings.weight"), &shape)
    }

    fn parameter(&mut self, name: &str, shape: &[usize]) -> anyhow::Result<Value> {
        let tensor = self.weights.tensor(name, shape)?;
        Ok(self.graph.tensor(name, tensor))
    }

    fn cast(&mut self, name: &str, value: &Value) -> Value {
        let to = vec![integer("to", i64::from(DataType::Float as i32))];
        self.graph.node_with(name, "Cast", &[value], to)
    }
}

fn keep(dimensions: bool) -> Vec<pb::AttributeProto> {
    vec![integer("keepdims", i64::from(dimensions))]
}

#[cfg(test)]
mod tests;
