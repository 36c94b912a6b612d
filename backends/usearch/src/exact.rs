//! Exact search: every vector of a small index in one matrix, and the best items of a scan.

use crate::manifest::Scalar;

/// Rows of vectors, those of an item together.
#[derive(Debug)]
pub(crate) struct Matrix {
    dimensions: usize,
    /// Row-major, normalised.
    values: Values,
    /// By item: where its rows begin; one more at the end.
    first: Vec<usize>,
}

/// An item and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The item's row in the table.
    pub item: usize,
    /// Cosine between the query and the item's nearest vector, or a mean of that and of its first
    /// one, -1 to 1; and what facets add.
    pub score: f32,
}

/// How the vectors of an item make its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    /// Of the item's first vector, which stands for the whole of it; the rest is its nearest's.
    pub(crate) whole: f32,
}

impl Weights {
    /// The score of an item by its vectors, which lie one after another; there is at least one.
    pub(crate) fn score<T: Element>(self, query: &[f32], vectors: &[T]) -> f32 {
        let nearest = best(query, vectors);
        if self.whole == 0.0 {
            return nearest;
        }
        self.mean(nearest, dot(query, &vectors[..query.len()]))
    }

    pub(crate) fn mean(self, nearest: f32, whole: f32) -> f32 {
        (1.0 - self.whole) * nearest + self.whole * whole
    }
}

/// Elements as the index stores them: a scan takes as long as reading them from memory does.
#[derive(Debug)]
enum Values {
    F32(Vec<f32>),
    /// The upper halves of 32 bits.
    Bf16(Vec<u16>),
}

/// An element that an inner product is made of.
pub(crate) trait Element: Copy {
    /// Its value.
    fn wide(self) -> f32;
}

impl Element for f32 {
    fn wide(self) -> f32 {
        self
    }
}

impl Element for u16 {
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

impl Matrix {
    pub(crate) fn new(dimensions: usize, items: usize, vectors: usize, scalar: Scalar) -> Self {
        let mut first = Vec::with_capacity(items + 1);
        first.push(0);
        let values = match scalar {
            Scalar::F32 => Values::F32(Vec::with_capacity(vectors * dimensions)),
            Scalar::Bf16 => Values::Bf16(Vec::with_capacity(vectors * dimensions)),
        };
        Self { dimensions, values, first }
    }

    /// Adds a vector to the item that is being added.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dimensions);
        match &mut self.values {
            Values::F32(values) => values.extend_from_slice(vector),
            // What the index gives has no more than these bits set.
            Values::Bf16(values) => {
                values.extend(vector.iter().map(|value| (value.to_bits() >> 16) as u16));
            }
        }
    }

    /// The next vectors are of the next item.
    pub(crate) fn end_item(&mut self) {
        let elements = match &self.values {
            Values::F32(values) => values.len(),
            Values::Bf16(values) => values.len(),
        };
        self.first.push(elements / self.dimensions);
    }

    /// The first vector of an item; `None` if it has none.
    pub(crate) fn first(&self, item: usize) -> Option<Vec<f32>> {
        let rows = self.first[item]..self.first[item + 1];
        let places = rows.start * self.dimensions..(rows.start + 1) * self.dimensions;
        (!rows.is_empty()).then(|| match &self.values {
            Values::F32(values) => values[places].to_vec(),
            Values::Bf16(values) => values[places].iter().map(|value| value.wide()).collect(),
        })
    }

    /// How like `query` every item is that is admitted and has a vector.
    pub(crate) fn scan(
        &self,
        query: &[f32],
        weights: Weights,
        admitted: impl Fn(usize) -> bool,
    ) -> Vec<Hit> {
        match &self.values {
            Values::F32(values) => self.scores(values, query, weights, admitted),
            Values::Bf16(values) => self.scores(values, query, weights, admitted),
        }
    }

    fn scores<T: Element>(
        &self,
        values: &[T],
        query: &[f32],
        weights: Weights,
        admitted: impl Fn(usize) -> bool,
    ) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(self.first.len());
        for (item, rows) in self.first.windows(2).enumerate() {
            if rows[0] < rows[1] && admitted(item) {
                let vectors = &values[rows[0] * self.dimensions..rows[1] * self.dimensions];
                hits.push(Hit { item, score: weights.score(query, vectors) });
            }
        }
        hits
    }
}

/// The largest inner product of `query` with one of `vectors`, which lie one after another.
fn best<T: Element>(query: &[f32], vectors: &[T]) -> f32 {
    let scores = vectors.chunks_exact(query.len()).map(|vector| dot(query, vector));
    // Vectors that are stored with fewer digits are a little longer or shorter than 1.
    scores.fold(f32::MIN, f32::max).clamp(-1.0, 1.0)
}

/// The best `k`, best first; of equals the earlier item, so that answers do not depend on chance.
pub(crate) fn best_first(mut hits: Vec<Hit>, k: usize) -> Vec<Hit> {
    let order = |a: &Hit, b: &Hit| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item));
    if k < hits.len() {
        hits.select_nth_unstable_by(k, order);
        hits.truncate(k);
    }
    hits.sort_unstable_by(order);
    hits
}

/// Inner product. Sixteen sums side by side, so that the compiler may use vector registers.
pub(crate) fn dot<T: Element>(a: &[f32], b: &[T]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b.wide()).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane].wide();
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_as_good_as_its_best_vector() {
        let mut matrix = Matrix::new(2, 4, 5, Scalar::F32);
        for (item, vectors) in
            [&[[1.0, 0.0], [0.0, 1.0]][..], &[[0.6, 0.8]], &[], &[[-1.0, 0.0], [0.6, 0.8]]]
                .iter()
                .enumerate()
        {
            for vector in *vectors {
                matrix.push(vector);
            }
            matrix.end_item();
            assert_eq!(matrix.first.len(), item + 2);
        }
        let check = |k, admitted: &dyn Fn(usize) -> bool, expect: &[(usize, f32)]| {
            let hits = best_first(matrix.scan(&[0.0, 1.0], Weights { whole: 0.0 }, admitted), k);
            let found: Vec<_> = hits.iter().map(|hit| (hit.item, hit.score)).collect();
            assert_eq!(found, expect);
        };
        check(3, &|_| true, &[(0, 1.0), (1, 0.8), (3, 0.8)]);
        check(2, &|_| true, &[(0, 1.0), (1, 0.8)]);
        check(9, &|item| item > 0, &[(1, 0.8), (3, 0.8)]);
        check(9, &|_| false, &[]);

        // The first vector of an item counts for half.
        let hits = best_first(matrix.scan(&[0.0, 1.0], Weights { whole: 0.5 }, |_| true), 9);
        let found: Vec<_> = hits.iter().map(|hit| (hit.item, hit.score)).collect();
        assert_eq!(found, [(1, 0.8), (0, 0.5), (3, 0.4)]);
    }

    #[test]
    fn every_length_is_summed_whole() {
        for length in 0..70 {
            let values: Vec<f32> = (0..length).map(|n| n as f32).collect();
            let expect: f32 = values.iter().map(|value| value * value).sum();
            assert_eq!(dot(&values, &values), expect, "{length}");
            let halves: Vec<u16> =
                values.iter().map(|value| (value.to_bits() >> 16) as u16).collect();
            assert_eq!(dot(&values, &halves), expect, "whole numbers up to 255 fit");
        }
    }
}
