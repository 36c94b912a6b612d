//! The usearch backend: a vector in; its nearest items, and what is known of them, out.
//!
//! A model is `<model>/<version>/index.usearch`, memory-mapped, and `items.parquet`, one row an item. An item
//! has one vector or several, its passages, of which the first may stand for the whole of it; its score is
//! that of the nearest, or a mean of that and of the whole's (parameter `whole_weight`). Inputs are `QUERY`, FP32
//! `[dimensions]`, and others that may be left out: `K`, how many items; `FILTER`, which items, such as
//! `genre = 'Horror' and year >= 1990` ([`Filter`]); `LIKED` and `DISLIKED`, ids of items, which go beside the query
//! or stand for it; `DIVERSITY`, 0 to 1, by how much items that are alike make room for others (maximal marginal
//! relevance). With parameter `facets` more than vectors counts: shared elements of lists, distances between
//! numbers, each with a weight, which `WEIGHTS` changes. Outputs are those that the configuration names, of the
//! columns of the item table, `key` (INT64, the item's row in the table), `score` (FP32: cosine, and what facets
//! add) and `score_<facet>` (FP32, a facet's part of it), each `[items found]`, best first. Where the rows of a
//! request find different numbers, the shorter ones are filled up with key -1, score 0 and empty values.
//!
//! Small indexes, and filters that leave few items, are searched exactly. The table records which encoder
//! made the vectors; the configuration's parameter `embedding_space` must name the same one, and an ensemble
//! is checked to pair the two.
//!
//! Parameters of the configuration: `embedding_space`; `default_k` (10); `max_k` (1000); `exact_vectors`
//! (20000), up to which an index is searched exactly; `expansion_search` (64), nodes that an approximate
//! search visits: more find more, slower; `whole_weight` (0); `facets`; `id_column` ("id"); `max_liked` (256).
#![forbid(unsafe_code)]

mod backend;
mod columns;
mod config;
mod diversity;
mod error;
mod exact;
mod facets;
pub mod filter;
mod hash;
mod index;
mod inspect;
mod items;
mod manifest;
mod query;
mod request;
mod write;

pub use backend::{Usearch, UsearchInstance, UsearchModel};
pub use error::{IndexError, QueryError};
pub use filter::Filter;
pub use index::{Hit, Index, SearchOptions};
pub use inspect::{Inspection, inspect};
pub use items::Items;
pub use manifest::{Manifest, Scalar};
pub use write::{IndexWriter, Summary, Vector, WriteOptions};

// The server of the tests: without one the table has nothing to call.
#[cfg(test)]
use hippocamp_backend_host as _;
