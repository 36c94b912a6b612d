//! A facet of sets: the genres of a film, its people. Two are as alike as what they share is of all they have.

use super::{DISLIKED, Likes};
use std::collections::HashMap;

/// The sets of all items.
#[derive(Debug)]
pub(super) struct Sets {
    /// Elements of each item, ascending, one item after the other.
    elements: Vec<u32>,
    /// By item: where its elements begin; one more at the end.
    first: Vec<usize>,
    /// By element: the items that have it.
    items: Vec<Vec<u32>>,
    /// By place in the request's input: the element it stands for, if any item has it.
    labels: Vec<Option<u32>>,
    /// How much the request's own input counts beside an item.
    own: f32,
}

impl Sets {
    /// The union of several columns, each with the texts of every item.
    pub(super) fn new(
        count: usize,
        columns: &[Vec<Vec<&str>>],
        labels: &[String],
        own: f32,
    ) -> Self {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let (mut elements, mut first, mut items) = (Vec::new(), vec![0], Vec::<Vec<u32>>::new());
        for item in 0..count {
            let start = elements.len();
            for text in columns.iter().flat_map(|column| &column[item]) {
                let next = small(numbers.len());
                elements.push(*numbers.entry(text).or_insert(next));
            }
            elements[start..].sort_unstable();
            let mut last = None;
            let distinct: Vec<u32> = elements
                .drain(start..)
                .filter(|&element| last.replace(element) != Some(element))
                .collect();
            elements.extend(distinct);
            items.resize_with(numbers.len(), Vec::new);
            for &element in &elements[start..] {
                items[element as usize].push(small(item));
            }
            first.push(elements.len());
        }
        let labels = labels.iter().map(|label| numbers.get(label.as_str()).copied()).collect();
        Self { elements, first, items, labels, own }
    }

    pub(super) fn labels(&self) -> usize {
        self.labels.len()
    }

    /// See [`super::Facet::scores`]. `own` has for each label how much of it the query has, 0 to 1.
    pub(super) fn scores(&self, own: Option<&[f32]>, likes: Likes<'_>) -> Option<Vec<f32>> {
        // A label that no item has is one that the query has alone.
        let own = own.map(|own| (own.iter().sum::<f32>(), own)).filter(|(size, _)| *size > 0.0);
        let liked: Vec<usize> = self.with_elements(likes.liked);
        let count = liked.len() + usize::from(own.is_some());
        if count == 0 {
            return None;
        }
        let mut sum =
            Sum { sets: self, scores: vec![0.0; self.len()], shared: vec![0.0; self.len()] };
        let part = 1.0 / float(count);
        if let Some((size, own)) = own {
            let elements = self.labels.iter().zip(own);
            let elements = elements.filter_map(|(&label, &share)| Some((label?, share)));
            sum.add(elements, size, part * self.own);
        }
        for item in liked {
            sum.add_item(item, part);
        }
        let disliked = self.with_elements(likes.disliked);
        for &item in &disliked {
            sum.add_item(item, -DISLIKED / float(disliked.len()));
        }
        Some(sum.scores)
    }

    /// Jaccard's index of two items.
    pub(super) fn pair(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (self.of(a), self.of(b));
        let shared = a.iter().filter(|element| b.binary_search(element).is_ok()).count();
        if shared == 0 { 0.0 } else { float(shared) / float(a.len() + b.len() - shared) }
    }

    fn len(&self) -> usize {
        self.first.len() - 1
    }

    fn of(&self, item: usize) -> &[u32] {
        &self.elements[self.first[item]..self.first[item + 1]]
    }

    fn with_elements(&self, items: &[usize]) -> Vec<usize> {
        items.iter().copied().filter(|&item| !self.of(item).is_empty()).collect()
    }
}

/// Scores in the making.
struct Sum<'s> {
    sets: &'s Sets,
    scores: Vec<f32>,
    /// By item: what it shares with the set that is being added; 0 between two.
    shared: Vec<f32>,
}

impl Sum<'_> {
    fn add_item(&mut self, item: usize, part: f32) {
        let elements = self.sets.of(item);
        self.add(elements.iter().map(|&element| (element, 1.0)), float(elements.len()), part);
    }

    /// Adds the index of each item with a set of that size, whose elements have shares from 0 to 1.
    fn add(&mut self, elements: impl Iterator<Item = (u32, f32)>, size: f32, part: f32) {
        let mut touched = Vec::new();
        for (element, share) in elements.filter(|&(_, share)| share > 0.0) {
            for &item in &self.sets.items[element as usize] {
                let shared = &mut self.shared[item as usize];
                if *shared == 0.0 {
                    touched.push(item as usize);
                }
                *shared += share;
            }
        }
        for item in touched {
            let shared = std::mem::take(&mut self.shared[item]);
            let all = size + float(self.sets.of(item).len()) - shared;
            self.scores[item] += part * shared / all;
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a table in memory has fewer rows and words")
}

#[expect(clippy::cast_precision_loss, reason = "the sizes of sets are small")]
fn float(count: usize) -> f32 {
    count as f32
}
