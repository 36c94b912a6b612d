//! Maximal marginal relevance (Carbonell and Goldstein 1998): of many good items a few that are not all alike.

use crate::index::Hit;

/// How many of the best are chosen from, for each that is wanted.
const CHOICE: usize = 5;

/// At least so many are chosen from.
const LEAST: usize = 50;

/// At most so many are wanted: each is compared with all that are left.
pub(crate) const MOST: usize = 1000;

/// How many of the best `k` items are chosen from.
pub(crate) fn candidates(k: usize) -> usize {
    k.saturating_mul(CHOICE).max(LEAST)
}

/// Takes `k` of `hits`, one at a time: the one whose score times `1 - diversity`, less `diversity` times
/// its likeness to the nearest of those taken before, is largest. `hits` are best first; `alike` says how
/// alike two of them are, by place, on the scale of the scores.
pub(crate) fn choose(
    hits: &[Hit],
    k: usize,
    diversity: f32,
    alike: &impl Fn(usize, usize) -> f32,
) -> Vec<Hit> {
    let mut left: Vec<(usize, f32)> = (0..hits.len()).map(|place| (place, f32::MIN)).collect();
    let mut chosen = Vec::with_capacity(k.min(hits.len()));
    while chosen.len() < k && !left.is_empty() {
        let worth = |&(place, nearest): &(usize, f32)| {
            let likeness = if chosen.is_empty() { 0.0 } else { diversity * nearest };
            (1.0 - diversity) * hits[place].score - likeness
        };
        let mut best = 0;
        for candidate in 1..left.len() {
            // Of equals the better hit, which comes first.
            if worth(&left[candidate]) > worth(&left[best]) {
                best = candidate;
            }
        }
        let (taken, _) = left.remove(best);
        chosen.push(taken);
        for (place, nearest) in &mut left {
            *nearest = nearest.max(alike(taken, *place));
        }
    }
    chosen.into_iter().map(|place| hits[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three that are near copies of each other, and two others.
    fn hits() -> Vec<Hit> {
        [0.9, 0.88, 0.87, 0.7, 0.5]
            .into_iter()
            .enumerate()
            .map(|(item, score)| Hit { item, score })
            .collect()
    }

    fn alike(a: usize, b: usize) -> f32 {
        if a < 3 && b < 3 { 0.95 } else { 0.1 }
    }

    #[test]
    fn near_copies_make_room() {
        let items = |k, diversity| {
            let chosen = choose(&hits(), k, diversity, &alike);
            chosen.iter().map(|hit| hit.item).collect::<Vec<_>>()
        };
        assert_eq!(items(3, 0.01), [0, 1, 2]);
        assert_eq!(items(3, 0.5), [0, 3, 4]);
        // At 1 the score no longer counts; the first hit is as good as any.
        assert_eq!(items(2, 1.0), [0, 3]);
        assert_eq!(items(9, 0.5), [0, 3, 4, 1, 2]);
        assert!(choose(&[], 3, 0.5, &alike).is_empty());
    }
}
