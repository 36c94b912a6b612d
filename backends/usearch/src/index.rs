//! An index that is open for search.

use crate::{
    error::{IndexError, QueryError},
    exact::{Matrix, Weights, best_first, dot},
    hash::sha256_of,
    items::Items,
    manifest::{Manifest, PASSAGE_BITS, Scalar},
};
use arrow_buffer::BooleanBuffer;
use std::{collections::HashSet, fs, io, path::Path, thread};
use usearch::{IndexOptions, MetricKind, ScalarKind};

pub use crate::exact::Hit;

/// Items that an approximate search looks at for each that is wanted, where they are ranked again.
const RANKED_AGAIN: usize = 5;

/// The same where more than vectors counts, which the walk does not know of.
const RANKED_BY_FACETS: usize = 20;

/// What items are ranked by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranking<'r> {
    /// Of the size of the index's vectors; `None` if only what is added counts.
    pub(crate) vector: Option<&'r [f32]>,
    /// Of the likeness of the vectors.
    pub(crate) weight: f32,
    /// By item: what is added to its score.
    pub(crate) added: Option<&'r [f32]>,
}

impl Ranking<'_> {
    fn score(&self, item: usize, likeness: f32) -> f32 {
        self.weight * likeness + self.added.map_or(0.0, |added| added[item])
    }
}

/// How an index is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchOptions {
    /// Vectors up to which an index is searched exactly.
    pub exact_vectors: usize,
    /// Nodes that an approximate search visits at least.
    pub expansion_search: usize,
    /// How much of an item's score is that of its first vector, which stands for the whole of it;
    /// the rest is that of its nearest one. 0 to 1.
    pub whole_weight: f32,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { exact_vectors: 20_000, expansion_search: 64, whole_weight: 0.0 }
    }
}

/// An index and its items; shared by threads.
pub struct Index {
    items: Items,
    manifest: Manifest,
    vectors: Vectors,
    weights: Weights,
}

enum Vectors {
    /// In memory, scanned.
    Exact(Matrix),
    /// Memory-mapped, walked.
    Approximate(usearch::Index),
}

impl Index {
    /// Opens `index.usearch` and `items.parquet` of a directory.
    ///
    /// The index file must be, byte for byte, the one that the table was written with: the library
    /// that maps it trusts its content.
    ///
    /// # Errors
    /// If a file is absent, truncated, of another build or no index.
    pub fn open(directory: &Path, options: SearchOptions) -> Result<Self, IndexError> {
        let (items, manifest) = Items::read(&directory.join("items.parquet"))?;
        let path = directory.join("index.usearch");
        check_file(&path, &manifest)?;
        let refused = |error: &dyn std::fmt::Display| IndexError::Usearch {
            path: path.clone(),
            reason: error.to_string(),
        };
        let index = usearch::Index::new(&options_of(&manifest, options.expansion_search))
            .map_err(|error| refused(&error))?;
        // Searches at the same time need a place each.
        let threads = thread::available_parallelism().map_or(1, usize::from).max(64);
        index.reserve_capacity_and_threads(0, threads).map_err(|error| refused(&error))?;
        let name = path.to_str().ok_or_else(|| refused(&"its path is not UTF-8"))?;
        index.view(name).map_err(|error| refused(&error))?;
        if index.dimensions() != manifest.dimensions || index.size() != manifest.vectors {
            return Err(IndexError::Mismatch {
                path,
                expected: format!("{} vectors of {}", manifest.vectors, manifest.dimensions),
                actual: format!("{} of {}", index.size(), index.dimensions()),
            });
        }
        let vectors = if manifest.vectors <= options.exact_vectors {
            let matrix = matrix(&items, &index, &manifest).map_err(|error| refused(&error))?;
            Vectors::Exact(matrix)
        } else {
            Vectors::Approximate(index)
        };
        Ok(Self { items, manifest, vectors, weights: Weights { whole: options.whole_weight } })
    }

    /// The item table.
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// What the index says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether every search is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.vectors, Vectors::Exact(_))
    }

    /// The `k` items nearest to `query`, best first; of those that `filter` admits, by row. Fewer if
    /// there are no more. The query need not be normalised.
    ///
    /// # Errors
    /// If the query has another size, a value that is not finite, or no direction.
    ///
    /// # Panics
    /// If the filter has fewer rows than the table.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&BooleanBuffer>,
    ) -> Result<Vec<Hit>, QueryError> {
        let query = normalised(query, self.manifest.dimensions)?;
        self.rank(&Ranking { vector: Some(&query), weight: 1.0, added: None }, k, filter)
    }

    /// As [`Self::search`], by more than a vector, which is taken as it is.
    pub(crate) fn rank(
        &self,
        ranking: &Ranking<'_>,
        k: usize,
        filter: Option<&BooleanBuffer>,
    ) -> Result<Vec<Hit>, QueryError> {
        let admitted = |item: usize| filter.is_none_or(|filter| filter.value(item));
        let Some(query) = ranking.vector else {
            let items = (0..self.items.len()).filter(|&item| admitted(item));
            let hits = items.map(|item| Hit { item, score: ranking.score(item, 0.0) });
            return Ok(best_first(hits.collect(), k));
        };
        match &self.vectors {
            Vectors::Exact(matrix) => {
                let mut hits = matrix.scan(query, self.weights, admitted);
                hits.iter_mut().for_each(|hit| hit.score = ranking.score(hit.item, hit.score));
                Ok(best_first(hits, k))
            }
            Vectors::Approximate(index) => match filter {
                Some(filter) if self.is_narrow(filter.count_set_bits()) => {
                    self.scan(index, query, ranking, k, filter)
                }
                _ => self.walk(index, query, ranking, k, filter),
            },
        }
    }

    /// The vector that stands for the whole of an item, its first; `None` if it has none.
    pub(crate) fn whole(&self, item: usize) -> Result<Option<Vec<f32>>, QueryError> {
        match &self.vectors {
            Vectors::Exact(matrix) => Ok(matrix.first(item)),
            Vectors::Approximate(index) => {
                let mut vector = vec![0.0; self.manifest.dimensions];
                if self.items.passages(item) == 0 {
                    return Ok(None);
                }
                get(index, item, 0, &mut vector)?;
                Ok(Some(vector))
            }
        }
    }

    /// Whether so few items are left that looking at each costs less than a walk that passes over
    /// all others. Looking at c vectors takes c times 0.8 µs; a walk that finds one of n / c nodes
    /// admitted takes n / c times as long as one of 200 µs (measured, benches/PROMISES.md).
    fn is_narrow(&self, candidates: usize) -> bool {
        let (vectors, items) = (self.manifest.vectors, self.items.len().max(1));
        let candidates = candidates.saturating_mul(vectors.div_ceil(items));
        candidates.saturating_mul(candidates) < vectors.saturating_mul(250)
    }

    /// Looks at every item that the filter admits.
    fn scan(
        &self,
        index: &usearch::Index,
        query: &[f32],
        ranking: &Ranking<'_>,
        k: usize,
        filter: &BooleanBuffer,
    ) -> Result<Vec<Hit>, QueryError> {
        let mut hits = Vec::with_capacity(filter.count_set_bits());
        for item in filter.set_indices() {
            if let Some(likeness) = self.score(index, query, item)? {
                hits.push(Hit { item, score: ranking.score(item, likeness) });
            }
        }
        Ok(best_first(hits, k))
    }

    /// The score of one item, by all of its vectors; `None` if it has none.
    fn score(
        &self,
        index: &usearch::Index,
        query: &[f32],
        item: usize,
    ) -> Result<Option<f32>, QueryError> {
        let passages = self.items.passages(item);
        let mut vectors = vec![0.0; usize::from(passages) * self.manifest.dimensions];
        for (passage, vector) in
            (0..passages).zip(vectors.chunks_exact_mut(self.manifest.dimensions))
        {
            get(index, item, passage, vector)?;
        }
        Ok((passages > 0).then(|| self.weights.score(query, &vectors)))
    }

    /// Walks the graph. An item may come several times, by its passages: then more is asked for.
    /// Where the whole of an item counts beside its nearest passage, or facets count, more items than
    /// are wanted are found by their passages, and ranked by all.
    fn walk(
        &self,
        index: &usearch::Index,
        query: &[f32],
        ranking: &Ranking<'_>,
        k: usize,
        filter: Option<&BooleanBuffer>,
    ) -> Result<Vec<Hit>, QueryError> {
        let (all, items) = (self.manifest.vectors, self.items.len().max(1));
        let again = match ranking.added {
            Some(_) => RANKED_BY_FACETS,
            None if self.weights.whole > 0.0 => RANKED_AGAIN,
            None => 1,
        };
        let wanted = k.saturating_mul(again);
        let mut count = wanted.saturating_mul(all.div_ceil(items)).min(all);
        loop {
            let matches = match filter {
                None => index.search(query, count),
                Some(filter) => index.filtered_search(query, count, |key| {
                    let item = item_of(key);
                    item < filter.len() && filter.value(item)
                }),
            }
            .map_err(|error| QueryError::Usearch(error.to_string()))?;
            let found = matches.keys.len();
            let mut hits: Vec<Hit> = Vec::with_capacity(wanted);
            let mut seen = HashSet::with_capacity(wanted);
            for (&key, &distance) in matches.keys.iter().zip(&matches.distances) {
                let item = item_of(key);
                if item < self.items.len() && seen.insert(item) {
                    hits.push(Hit { item, score: (1.0 - distance).clamp(-1.0, 1.0) });
                }
            }
            if hits.len() >= wanted || found < count || count >= all {
                if self.weights.whole > 0.0 {
                    let mut whole = vec![0.0; self.manifest.dimensions];
                    for hit in &mut hits {
                        get(index, hit.item, 0, &mut whole)?;
                        hit.score = self.weights.mean(hit.score, dot(query, &whole));
                    }
                }
                hits.iter_mut().for_each(|hit| hit.score = ranking.score(hit.item, hit.score));
                return Ok(best_first(hits, k));
            }
            count = count.saturating_mul(2).min(all);
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

/// The options that an index is made and read with.
pub(crate) fn options_of(manifest: &Manifest, expansion_search: usize) -> IndexOptions {
    IndexOptions {
        dimensions: manifest.dimensions,
        metric: MetricKind::IP,
        quantization: match manifest.scalar {
            Scalar::F32 => ScalarKind::F32,
            Scalar::Bf16 => ScalarKind::BF16,
        },
        connectivity: 16,
        expansion_add: 128,
        expansion_search,
        multi: false,
    }
}

/// The key of an item's vector.
pub(crate) fn key(item: usize, passage: u16) -> u64 {
    ((item as u64) << PASSAGE_BITS) | u64::from(passage)
}

/// Reads one vector of an item.
fn get(
    index: &usearch::Index,
    item: usize,
    passage: u16,
    vector: &mut [f32],
) -> Result<(), QueryError> {
    match index.get(key(item, passage), vector) {
        Ok(0) => Err(QueryError::Usearch(format!("item {item} has no vector {passage}"))),
        Ok(_) => Ok(()),
        Err(error) => Err(QueryError::Usearch(error.to_string())),
    }
}

fn item_of(key: u64) -> usize {
    usize::try_from(key >> PASSAGE_BITS).unwrap_or(usize::MAX)
}

/// A vector of length 1 in the same direction.
pub(crate) fn normalised(vector: &[f32], dimensions: usize) -> Result<Vec<f32>, QueryError> {
    if vector.len() != dimensions {
        return Err(QueryError::Dimensions { expected: dimensions, actual: vector.len() });
    }
    if let Some((element, &value)) = vector.iter().enumerate().find(|(_, value)| !value.is_finite())
    {
        return Err(QueryError::NotFinite { element, value });
    }
    // Wide, so that large values do not overflow and small ones do not vanish.
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 {
        return Err(QueryError::Zero);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a quotient of at most 1 loses digits only"
    )]
    let scaled = |&value: &f32| (f64::from(value) / length) as f32;
    Ok(vector.iter().map(scaled).collect())
}

/// The index file is the one that the table was written with.
pub(crate) fn check_file(path: &Path, manifest: &Manifest) -> Result<(), IndexError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => IndexError::Absent { path: path.to_owned() },
        _ => IndexError::Io { path: path.to_owned(), source },
    };
    let mismatch = |expected: String, actual: String| {
        Err(IndexError::Mismatch { path: path.to_owned(), expected, actual })
    };
    let bytes = fs::metadata(path).map_err(io)?.len();
    if bytes != manifest.index_bytes {
        return mismatch(format!("{} bytes", manifest.index_bytes), format!("{bytes} bytes"));
    }
    let hash = sha256_of(path).map_err(io)?;
    if hash != manifest.index_sha256 {
        return mismatch(format!("SHA-256 {}", manifest.index_sha256), format!("SHA-256 {hash}"));
    }
    Ok(())
}

/// All vectors of the index, by item.
fn matrix(items: &Items, index: &usearch::Index, manifest: &Manifest) -> Result<Matrix, String> {
    let (dimensions, scalar) = (manifest.dimensions, manifest.scalar);
    let mut matrix = Matrix::new(dimensions, items.len(), items.vectors(), scalar);
    let mut vector = vec![0.0; dimensions];
    for item in 0..items.len() {
        for passage in 0..items.passages(item) {
            get(index, item, passage, &mut vector).map_err(|error| error.to_string())?;
            matrix.push(&vector);
        }
        matrix.end_item();
    }
    Ok(matrix)
}

#[cfg(test)]
mod tests;
