//! What can be wrong with an index, and with a query.

use crate::filter::FilterError;
use std::{io, path::PathBuf};

/// Why an index cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// One of the two files is not there.
    #[error("there is no '{}': an index is index.usearch and items.parquet, made together", .path.display())]
    Absent {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot read or write '{}': {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The item table is no Parquet file, is cut short, or has a column type that cannot be served.
    #[error("'{}' cannot be read as a Parquet table: {reason}; build the index again", .path.display())]
    Items {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        reason: String,
    },
    /// The table records nothing of an index, or what it records makes no sense.
    #[error("'{}' does not describe an index (metadata 'hippocamp.index'): {reason}; build the index again", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The index file is not the one that the table was written with.
    #[error("'{}' is truncated or of another build: items.parquet was written with an index of {expected}, this one has {actual}; build the index again", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Size or hash that is recorded.
        expected: String,
        /// Size or hash that was found.
        actual: String,
    },
    /// usearch refuses.
    #[error("'{}': {reason}", .path.display())]
    Usearch {
        /// The file.
        path: PathBuf,
        /// What usearch says.
        reason: String,
    },
    /// What is to be written makes no index.
    #[error("{0}")]
    Input(String),
}

/// Why a query has no answer.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The number of items is out of range.
    #[error("K is {k}: expected 1 to {max_k}")]
    K {
        /// What came.
        k: i64,
        /// Items that a query may ask for (parameter `max_k`).
        max_k: usize,
    },
    /// The vector has another size than those of the index.
    #[error("vector has {actual} elements: the index has vectors of {expected}")]
    Dimensions {
        /// Elements of the index's vectors.
        expected: usize,
        /// Elements that came.
        actual: usize,
    },
    /// The vector points nowhere.
    #[error("vector has no direction: element {element} is {value}")]
    NotFinite {
        /// The element, from 0.
        element: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The vector is zero.
    #[error("vector is zero in every element: its encoder found nothing that it knows")]
    Zero,
    /// The diversity is out of range.
    #[error("DIVERSITY is {0}: expected 0, the best items, to 1, the least alike")]
    Diversity(f32),
    /// More items than can be chosen by their differences.
    #[error("K is {k}: expected at most {most} with DIVERSITY")]
    Diverse {
        /// What came.
        k: usize,
        /// The largest.
        most: usize,
    },
    /// A weight is out of range.
    #[error("WEIGHTS has {weight}: expected 0 to {most}")]
    Weight {
        /// What came.
        weight: f32,
        /// The largest.
        most: f32,
    },
    /// More items are named than a query may name.
    #[error("{input} has {count} ids: expected at most {most}")]
    TooMany {
        /// LIKED or DISLIKED.
        input: &'static str,
        /// Ids that came.
        count: usize,
        /// Parameter `max_liked`.
        most: usize,
    },
    /// An item is named that is not there.
    #[error("{input}: no item has the id '{id}'{}", and_others(*.others))]
    Unknown {
        /// LIKED or DISLIKED.
        input: &'static str,
        /// The first that is unknown.
        id: String,
        /// How many more are.
        others: usize,
    },
    /// The query names nothing that items could be like.
    #[error(
        "the request has nothing to go by: expected QUERY, LIKED, or an input of a facet that is not zero"
    )]
    Nothing,
    /// The filter is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// usearch failed.
    #[error("the search failed: {0}")]
    Usearch(String),
}

fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", nor another one".to_owned(),
        others => format!(", nor {others} others"),
    }
}
