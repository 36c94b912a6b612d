//! all-MiniLM-L6-v2, the sentence encoder behind `plot_encoder`: [`fetch()`] brings the published
//! files and checks them, [`write_encoder`] writes the weights as ONNX, [`write_tokenizer`] writes
//! the tokenizer as it is served. Called by this crate's binary; nothing here runs while serving.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::progress::Step;

mod bert;
mod fetch;
mod files;
mod graph;
mod tokenizer;
mod weights;
mod wheel;

pub use fetch::fetch;
pub use tokenizer::write_tokenizer;

/// The name of the published model.
pub const NAME: &str = "all-MiniLM-L6-v2";

/// Key of the ONNX metadata entry that says which embedding space the outputs lie in; an index
/// records the same string, so that the two can be compared.
pub const EMBEDDING_SPACE_KEY: &str = "hippocamp.embedding_space";

/// Published weights, float32.
const WEIGHTS: Asset = Asset {
    name: "model.safetensors",
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    byte_size: 90_868_376,
};

/// Published WordPiece tokenizer.
const TOKENIZER: Asset = Asset {
    name: "tokenizer.json",
    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    byte_size: 466_247,
};

/// Sizes that cannot be read off the weights: attention heads and the epsilon of LayerNorm.
const CONFIG: Asset = Asset {
    name: "config.json",
    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    byte_size: 612,
};

/// A file of the published model, pinned.
#[derive(Clone, Copy, Debug)]
struct Asset {
    name: &'static str,
    /// Lowercase hex.
    sha256: &'static str,
    byte_size: u64,
}

/// The published files on this machine, each with the right hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `model.safetensors`
    pub weights: PathBuf,
    /// `tokenizer.json`, as published; serve the one that [`write_tokenizer`] makes of it.
    pub tokenizer: PathBuf,
    /// `config.json`
    pub config: PathBuf,
}

/// What [`write_encoder`] wrote.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The ONNX file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub byte_size: u64,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Length of one embedding.
    pub dimension: usize,
    /// Value of the metadata entry [`EMBEDDING_SPACE_KEY`].
    pub embedding_space: String,
    /// False where the file was there already with exactly these bytes; it is then left alone.
    pub changed: bool,
}

/// Names the space that embeddings made by these weights and this tokenizer lie in: two models
/// with equal names may share an index.
#[must_use]
pub fn embedding_space() -> String {
    let both = format!("{}{}", WEIGHTS.sha256, TOKENIZER.sha256);
    format!("{NAME}:{}", &files::sha256_hex(both.as_bytes())[..16])
}

/// Writes the encoder as ONNX to `out`, by way of a temporary name.
///
/// # Errors
/// The weights or the configuration cannot be read or do not fit each other, or `out` cannot be
/// written.
pub fn write_encoder(files: &Files, out: &Path) -> anyhow::Result<Summary> {
    let step = Step::spinner(&format!("writing {}", out.display()));
    let config = bert::Config::read(&files.config)?;
    let mut weights = weights::Weights::open(&files.weights)?;
    let embedding_space = embedding_space();
    let model = bert::encoder(&mut weights, &config, &embedding_space)
        .with_context(|| format!("cannot make an encoder of '{}'", files.weights.display()))?;
    let nodes = model.graph.as_ref().map_or(0, |graph| graph.node.len());
    let bytes = graph::encode(model);
    let changed = files::replace(out, &bytes)?;
    step.done();
    Ok(Summary {
        path: out.to_owned(),
        byte_size: bytes.len() as u64,
        nodes,
        dimension: config.hidden_size,
        embedding_space,
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedding_space_is_pinned() {
        // Indexes in the wild carry this string: a change here makes them all unusable.
        assert_eq!(embedding_space(), "all-MiniLM-L6-v2:acad6cf67a9c2a78");
    }
}
