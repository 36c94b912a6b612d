//! Facets: what makes two items alike beside their vectors, such as genres they share or years between them,
//! each with a weight. The score of an item is the sum of its facets, each times its weight; one facet is the
//! cosine of the vectors. Pure: columns in, numbers out.

mod numbers;
mod sets;
mod stated;

pub(crate) use stated::MAX_WEIGHT;

use crate::columns;
use arrow_array::RecordBatch;
use numbers::Numbers;
use sets::Sets;
use stated::{Kind, Stated};

/// How much the mean of the disliked counts against that of the liked; Rocchio's gamma over beta.
pub(crate) const DISLIKED: f32 = 0.5;

/// The facets of an index, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Facets(Vec<Facet>);

/// One facet.
#[derive(Debug)]
pub(crate) struct Facet {
    name: String,
    weight: f32,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// The vectors, which the index holds.
    Vectors,
    Sets(Sets),
    Numbers(Numbers),
}

/// What a query is like: items and what it says itself, which counts as one more item that is liked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Likes<'q> {
    pub(crate) liked: &'q [usize],
    pub(crate) disliked: &'q [usize],
}

impl Facets {
    /// Reads the parameter `facets` and takes what it names out of the table.
    ///
    /// # Errors
    /// What is wrong with it, what was expected, and what came.
    pub(crate) fn read(text: &str, table: &RecordBatch) -> Result<Self, String> {
        let stated = stated::parse(text)?;
        let facets = stated.into_iter().map(|stated| Facet::new(stated, table));
        Ok(Self(facets.collect::<Result<_, _>>()?))
    }

    /// The facets, in the order of the configuration and of the input WEIGHTS.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Facet> {
        self.0.iter()
    }

    /// The weights that the configuration states.
    pub(crate) fn weights(&self) -> Vec<f32> {
        self.0.iter().map(|facet| facet.weight).collect()
    }

    /// The facet of that name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|facet| facet.name == name)
    }

    /// The facet that is the cosine of the vectors.
    pub(crate) fn vectors(&self) -> Option<usize> {
        self.0.iter().position(|facet| matches!(facet.values, Values::Vectors))
    }

    /// How alike two items are, their vectors left aside.
    pub(crate) fn pair(&self, weights: &[f32], a: usize, b: usize) -> f32 {
        let alike = |facet: &Facet| match &facet.values {
            Values::Vectors => 0.0,
            Values::Sets(sets) => sets.pair(a, b),
            Values::Numbers(numbers) => numbers.pair(a, b),
        };
        self.0.iter().zip(weights).map(|(facet, weight)| weight * alike(facet)).sum()
    }
}

impl Facet {
    fn new(stated: Stated, table: &RecordBatch) -> Result<Self, String> {
        let Stated { name, kind, columns, weight, labels, per, own } = stated;
        let wrong = |reason: String| format!("facet '{name}': {reason}");
        let values = match kind {
            Kind::Cosine => Values::Vectors,
            Kind::Jaccard => {
                let texts = columns
                    .iter()
                    .map(|column| columns::texts(table, column))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(wrong)?;
                Values::Sets(Sets::new(table.num_rows(), &texts, &labels, own))
            }
            Kind::Distance => {
                let column = columns.first().map_or("", String::as_str);
                let values = columns::floats(table, column).map_err(wrong)?;
                Values::Numbers(Numbers::new(values, per, own))
            }
        };
        Ok(Self { name, weight, values })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is of sets.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self.values, Values::Sets(_))
    }

    /// The input by which a request says what it has of this facet, and its elements.
    pub(crate) fn input(&self) -> Option<(String, usize)> {
        let elements = match &self.values {
            Values::Vectors => 0,
            Values::Sets(sets) => sets.labels(),
            Values::Numbers(_) => 1,
        };
        (elements > 0).then(|| (self.name.to_uppercase(), elements))
    }

    /// How alike each item is to what is liked, less a part of what is disliked; without the weight.
    /// `own` is what the request says itself. `None` if nothing that is liked has this facet.
    pub(crate) fn scores(&self, own: Option<&[f32]>, likes: Likes<'_>) -> Option<Vec<f32>> {
        match &self.values {
            Values::Vectors => None,
            Values::Sets(sets) => sets.scores(own, likes),
            Values::Numbers(numbers) => numbers.scores(own, likes),
        }
    }
}

#[cfg(test)]
mod tests;
