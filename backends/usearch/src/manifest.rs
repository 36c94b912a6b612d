//! What an index says of itself: JSON under [`KEY`] in the key-value metadata of its `items.parquet`, so
//! that the two files cannot be paired wrongly without notice.

use serde::{Deserialize, Serialize};

/// The key in the Parquet file's metadata.
pub(crate) const KEY: &str = "hippocamp.index";

/// The column of `items.parquet` that holds how many vectors an item has; absent where each has one.
pub(crate) const PASSAGES: &str = "_passages";

/// Low bits of a vector's key that number the passages of an item; the bits above are the item's row.
pub(crate) const PASSAGE_BITS: u32 = 16;

/// What is recorded of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; 1.
    pub format: u32,
    /// Which encoder made the vectors, such as `all-MiniLM-L6-v2:<hash>`. Vectors of different spaces must not be compared.
    pub embedding_space: String,
    /// Elements of a vector.
    pub dimensions: usize,
    /// Vectors in the index, passages of one item counted each.
    pub vectors: usize,
    /// How an element is stored.
    pub scalar: Scalar,
    /// What the index was made from, a hash; whoever builds it compares, and builds again if it differs.
    pub source: String,
    /// Bytes of `index.usearch`.
    pub index_bytes: u64,
    /// SHA-256 of `index.usearch`, hexadecimal.
    pub index_sha256: String,
}

/// How an element of a vector is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// 32 bits.
    F32,
    /// 16 bits with the range of 32: half the memory, twice the speed, scores right to three digits.
    #[default]
    Bf16,
}
