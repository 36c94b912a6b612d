//! Synopses written twice, or one from the other: those that share many runs of words.

use std::collections::HashMap;

/// Words of a run. Two synopses of the catalogue that have nothing to do with one another share two
/// runs of five at the most.
const RUN: usize = 5;
/// Share of the shorter text's runs from which two are alike, in percent.
const ALIKE_PERCENT: usize = 20;

type Run = [u32; RUN];

/// The texts that are like an earlier one: (later, the earlier one most like it, percent).
pub(crate) fn alike<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<(usize, usize, usize)> {
    let mut words: HashMap<String, u32> = HashMap::new();
    let mut holders: HashMap<Run, Vec<usize>> = HashMap::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for (at, text) in texts.enumerate() {
        let runs = runs(text, &mut words);
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for run in &runs {
            let holders = holders.entry(*run).or_default();
            for earlier in holders.iter() {
                *shared.entry(*earlier).or_default() += 1;
            }
            holders.push(at);
        }
        let percent = |earlier: usize, count: usize| 100 * count / runs.len().min(sizes[earlier]);
        let shares = shared.iter().map(|(earlier, count)| (percent(*earlier, *count), *earlier));
        // Of two equally alike the earlier one.
        let most = shares.max_by_key(|(percent, earlier)| (*percent, usize::MAX - earlier));
        if let Some((percent, earlier)) = most.filter(|(percent, _)| *percent >= ALIKE_PERCENT) {
            found.push((at, earlier, percent));
        }
        sizes.push(runs.len());
    }
    found
}

/// The runs of words in a text, each once, without case and punctuation.
fn runs(text: &str, words: &mut HashMap<String, u32>) -> Vec<Run> {
    let numbers: Vec<u32> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let next = u32::try_from(words.len()).unwrap_or(u32::MAX);
            *words.entry(word.to_lowercase()).or_insert(next)
        })
        .collect();
    let mut runs: Vec<Run> = numbers.array_windows::<RUN>().copied().collect();
    runs.sort_unstable();
    runs.dedup();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_texts_that_share_runs() {
        let check = |texts: &[&str], expect: &[(usize, usize, usize)]| {
            assert_eq!(alike(texts.iter().copied()), expect, "{texts:?}");
        };
        let text = "One two three four five six seven eight nine ten.";
        check(&[], &[]);
        check(&[text], &[]);
        check(&["", "", "a b", "a b"], &[]);
        check(&[text, text], &[(1, 0, 100)]);
        check(&[text, "one TWO (three), four-five! Six seven eight nine ten"], &[(1, 0, 100)]);
        check(&[text, "x", text, text], &[(2, 0, 100), (3, 0, 100)]);
        // One run of six; of the shorter text's two.
        check(&[text, "one two three four five a b c d e"], &[]);
        check(&[text, "one two three four five a"], &[(1, 0, 50)]);
        // The same words in another order.
        check(&[text, "ten nine eight seven six five four three two one"], &[]);
        // A text that repeats itself counts its runs once.
        check(&["a a a a a a a a", "a a a a a b"], &[(1, 0, 100)]);
    }
}
