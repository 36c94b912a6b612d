//! What a row asks for, made into a ranking of items: Rocchio's, with facets.
//!
//! The query's own vector and the items that are liked count alike, those disliked against them by a part:
//! the score of an item is the mean of its likeness to the former, less half of that to the latter.

use crate::{
    diversity,
    error::QueryError,
    exact::dot,
    facets::{DISLIKED, Facets, Likes, MAX_WEIGHT},
    filter::Filter,
    index::{Hit, Index, Ranking, normalised},
    items::ids,
    request::Row,
};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use std::collections::HashMap;

/// Bounds of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) default_k: usize,
    pub(crate) max_k: usize,
    /// Items that may be liked, and disliked.
    pub(crate) max_liked: usize,
}

/// An index with what its queries go by.
#[derive(Debug)]
pub(crate) struct Searcher {
    index: Index,
    facets: Option<Facets>,
    /// The row of each id; empty where no input takes ids.
    rows: HashMap<String, usize>,
    limits: Limits,
}

/// The items found, best first.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// By facet, then by hit: what it adds to the score.
    pub(crate) parts: Vec<Vec<f32>>,
}

impl Searcher {
    /// `id_column` names the items for LIKED and DISLIKED.
    ///
    /// # Errors
    /// If that column is absent, not of text, or not unique.
    pub(crate) fn new(
        index: Index,
        facets: Option<Facets>,
        id_column: Option<&str>,
        limits: Limits,
    ) -> Result<Self, String> {
        let rows = id_column.map_or(Ok(HashMap::new()), |name| ids(index.items().table(), name))?;
        Ok(Self { index, facets, rows, limits })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn facets(&self) -> Option<&Facets> {
        self.facets.as_ref()
    }

    /// # Errors
    /// If a value is out of range, an id unknown, the filter wrong, or there is nothing to go by.
    pub(crate) fn search(&self, row: &Row<'_>) -> Result<Found, QueryError> {
        let k = self.k(row.k)?;
        let diversity = row.diversity.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&diversity) {
            return Err(QueryError::Diversity(diversity));
        }
        if diversity > 0.0 && k > diversity::MOST {
            return Err(QueryError::Diverse { k, most: diversity::MOST });
        }
        let weights = self.weights(row.weights)?;
        let liked = self.items("LIKED", &row.liked)?;
        let disliked = self.items("DISLIKED", &row.disliked)?;
        let likes = Likes { liked: &liked, disliked: &disliked };
        let vector = self.vector(row.query, likes)?;
        let facets: Vec<Option<Vec<f32>>> = self
            .facets
            .iter()
            .flat_map(Facets::iter)
            .zip(&row.own)
            .zip(&weights)
            .map(|((facet, own), &weight)| {
                let mut scores = facet.scores(*own, likes)?;
                scores.iter_mut().for_each(|score| *score *= weight);
                Some(scores)
            })
            .collect();
        if vector.is_none() && facets.iter().all(Option::is_none) {
            return Err(QueryError::Nothing);
        }
        let added = sum(facets.iter().flatten());
        let vectors = self.facets.as_ref().and_then(Facets::vectors);
        let ranking = Ranking {
            vector: vector.as_deref(),
            weight: vectors.map_or(1.0, |place| weights[place]),
            added: added.as_deref(),
        };
        let admitted = self.admitted(row.filter, likes)?;
        let wanted = if diversity > 0.0 { diversity::candidates(k) } else { k };
        let mut hits = self.index.rank(&ranking, wanted, admitted.as_ref())?;
        if diversity > 0.0 {
            hits = diversity::choose(&hits, k, diversity, &self.alike(&hits, &weights)?);
        }
        let part = |(place, scores): (usize, &Option<Vec<f32>>)| {
            let of = |hit: &Hit| match scores {
                Some(scores) => scores[hit.item],
                None if Some(place) == vectors => {
                    hit.score - added.as_ref().map_or(0.0, |added| added[hit.item])
                }
                None => 0.0,
            };
            hits.iter().map(of).collect()
        };
        let parts = facets.iter().enumerate().map(part).collect();
        Ok(Found { hits, parts })
    }

    fn k(&self, k: Option<i64>) -> Result<usize, QueryError> {
        let max_k = self.limits.max_k;
        match k {
            None => Ok(self.limits.default_k),
            Some(k) => match usize::try_from(k) {
                Ok(count) if (1..=max_k).contains(&count) => Ok(count),
                _ => Err(QueryError::K { k, max_k }),
            },
        }
    }

    fn weights(&self, stated: Option<&[f32]>) -> Result<Vec<f32>, QueryError> {
        let Some(weights) = stated else {
            return Ok(self.facets.as_ref().map_or_else(Vec::new, Facets::weights));
        };
        match weights.iter().find(|weight| !(0.0..=MAX_WEIGHT).contains(*weight)) {
            Some(&weight) => Err(QueryError::Weight { weight, most: MAX_WEIGHT }),
            None => Ok(weights.to_vec()),
        }
    }

    /// The rows of ids, each once.
    fn items(&self, input: &'static str, ids: &[&str]) -> Result<Vec<usize>, QueryError> {
        let most = self.limits.max_liked;
        if ids.len() > most {
            return Err(QueryError::TooMany { input, count: ids.len(), most });
        }
        let unknown: Vec<&str> =
            ids.iter().copied().filter(|id| !self.rows.contains_key(*id)).collect();
        if let Some(first) = unknown.first() {
            let id = first.chars().take(80).collect();
            return Err(QueryError::Unknown { input, id, others: unknown.len() - 1 });
        }
        let mut items: Vec<usize> = ids.iter().map(|id| self.rows[*id]).collect();
        items.sort_unstable();
        items.dedup();
        Ok(items)
    }

    /// The mean vector of the query and the liked, less a part of that of the disliked.
    fn vector(
        &self,
        query: Option<&[f32]>,
        likes: Likes<'_>,
    ) -> Result<Option<Vec<f32>>, QueryError> {
        let dimensions = self.index.manifest().dimensions;
        let mut liked = likes
            .liked
            .iter()
            .filter_map(|&item| self.index.whole(item).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(query) = query {
            liked.push(normalised(query, dimensions)?);
        }
        if liked.is_empty() {
            return Ok(None);
        }
        let disliked = likes
            .disliked
            .iter()
            .filter_map(|&item| self.index.whole(item).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        // One vector is itself, digit by digit.
        if liked.len() == 1 && disliked.is_empty() {
            return Ok(liked.pop());
        }
        let mut mean = vec![0.0; dimensions];
        for (vectors, part) in [(&liked, 1.0), (&disliked, -DISLIKED)] {
            #[expect(clippy::cast_precision_loss, reason = "there are at most max_liked")]
            let part = part / vectors.len().max(1) as f32;
            for vector in vectors {
                mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += part * value);
            }
        }
        Ok(Some(mean))
    }

    /// What the filter admits, without what was given.
    fn admitted(
        &self,
        filter: Option<&str>,
        likes: Likes<'_>,
    ) -> Result<Option<BooleanBuffer>, QueryError> {
        let items = self.index.items();
        let admitted = match filter {
            None => None,
            Some(text) => Some(Filter::parse(text, &items.schema())?.evaluate(items.table())),
        };
        if likes.liked.is_empty() && likes.disliked.is_empty() {
            return Ok(admitted);
        }
        let mut bits = BooleanBufferBuilder::new(items.len());
        match admitted {
            None => bits.append_n(items.len(), true),
            Some(admitted) => bits.append_buffer(&admitted),
        }
        for &item in likes.liked.iter().chain(likes.disliked) {
            bits.set_bit(item, false);
        }
        Ok(Some(bits.finish()))
    }

    /// How alike any two of the hits are.
    fn alike(
        &self,
        hits: &[Hit],
        weights: &[f32],
    ) -> Result<impl Fn(usize, usize) -> f32 + '_, QueryError> {
        let vectors = hits
            .iter()
            .map(|hit| Ok(self.index.whole(hit.item)?.unwrap_or_default()))
            .collect::<Result<Vec<Vec<f32>>, QueryError>>()?;
        let items: Vec<usize> = hits.iter().map(|hit| hit.item).collect();
        let weights = weights.to_vec();
        let facets = self.facets.as_ref();
        let vectors_weight = facets.and_then(Facets::vectors).map_or(1.0, |place| weights[place]);
        Ok(move |a: usize, b: usize| {
            let cosine = dot(&vectors[a], &vectors[b]);
            let facets = facets.map_or(0.0, |facets| facets.pair(&weights, items[a], items[b]));
            vectors_weight * cosine + facets
        })
    }
}

/// The sum of several lists, element by element; `None` if there is none.
fn sum<'s>(mut lists: impl Iterator<Item = &'s Vec<f32>>) -> Option<Vec<f32>> {
    let first = lists.next()?.clone();
    Some(lists.fold(first, |mut sum, list| {
        sum.iter_mut().zip(list).for_each(|(sum, value)| *sum += value);
        sum
    }))
}

#[cfg(test)]
mod tests;
