//! "Did you mean …?": the known name that a typo was meant to be.

use std::cmp::Reverse;

/// Longer names than any field or enum value; nothing is compared with them.
const MAX_NAME: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let allowed = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (distance(name, candidate), Reverse(common_prefix(name, candidate)), candidate)
        })
        .filter(|(distance, ..)| *distance <= allowed)
        .min()
        .map(|(.., candidate)| candidate)
}

/// The end of an error about an unknown name: the nearest one, or all there are.
pub(crate) fn hint(name: &str, candidates: &[&str]) -> String {
    match nearest(name, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean '{candidate}'?"),
        None => format!("expected one of {}", candidates.join(", ")),
    }
}

/// Edits of one byte, neighbours exchanged counting as one (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let mut edits = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                edits = edits.min(before_last[j - 1] + 1);
            }
            row.push(edits);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_strangers() {
        let names =
            ["max_batch_size", "input", "output", "optimization", "TYPE_INT32", "TYPE_FP32"];
        let check = |name, expect| assert_eq!(nearest(name, names), expect, "{name}");
        check("max_batchsize", Some("max_batch_size"));
        check("maxBatchSize", Some("max_batch_size"));
        check("inptu", Some("input"));
        check("inputs", Some("input"));
        check("TYPE_FLOAT32", Some("TYPE_FP32"));
        check("colour", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }

    #[test]
    fn distance_counts_edits() {
        let check = |a, b, expect| assert_eq!(distance(a, b), expect, "{a} {b}");
        check("", "abc", 3);
        check("abc", "", 3);
        check("abc", "abc", 0);
        check("abc", "acb", 1);
        check("kitten", "sitting", 3);
    }
}
