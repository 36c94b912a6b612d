//! A facet of numbers: the year of a film. Two are the less alike the farther they are apart.

use super::Likes;

/// The numbers of all items; NaN where there is none.
#[derive(Debug)]
pub(super) struct Numbers {
    values: Vec<f32>,
    per: f32,
    /// How much the request's own number counts beside an item's.
    own: f32,
}

impl Numbers {
    pub(super) fn new(values: Vec<f32>, per: f32, own: f32) -> Self {
        Self { values, per, own }
    }

    /// See [`super::Facet::scores`]. What is disliked does not count: to be far from its year is no merit.
    pub(super) fn scores(&self, own: Option<&[f32]>, likes: Likes<'_>) -> Option<Vec<f32>> {
        let own = own.and_then(|own| own.first().copied()).map(|own| (own, self.own));
        let liked = likes.liked.iter().map(|&item| (self.values[item], 1.0));
        let wanted = own.into_iter().chain(liked).filter(|(value, _)| !value.is_nan());
        let wanted: Vec<(f32, f32)> = wanted.collect();
        if wanted.is_empty() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "hundreds")]
        let count = wanted.len() as f32;
        let score = |value: f32| {
            let apart = wanted.iter().map(|(wanted, weight)| weight * (wanted - value).abs());
            -apart.sum::<f32>() / count / self.per
        };
        let mut scores: Vec<f32> = self.values.iter().map(|&value| score(value)).collect();
        // An item without a number is neither near nor far: it gets the mean of the others.
        let (mut sum, mut known) = (0.0, 0.0);
        for score in scores.iter().filter(|score| !score.is_nan()) {
            sum += score;
            known += 1.0;
        }
        let mean = if known > 0.0 { sum / known } else { 0.0 };
        scores.iter_mut().filter(|score| score.is_nan()).for_each(|score| *score = mean);
        Some(scores)
    }

    pub(super) fn pair(&self, a: usize, b: usize) -> f32 {
        let apart = (self.values[a] - self.values[b]).abs();
        if apart.is_nan() { 0.0 } else { -apart / self.per }
    }
}
