//! Titles by what somebody has typed so far: words, prefixes, small typos; case, accents and
//! punctuation do not count. A thousand titles are looked through in well under a millisecond.

use super::words::words_of;
use std::{cmp::Reverse, collections::HashMap};
use strsim::osa_distance;

/// Longest query that is looked at, in characters; longer ones are cut.
const LONGEST_QUERY: usize = 100;

/// Words of a query that are looked at.
const MOST_WORDS: usize = 12;

/// The titles, taken apart.
#[derive(Debug)]
pub(super) struct TitleSearch {
    titles: Vec<Title>,
    /// Every word of every title, once.
    words: Vec<String>,
}

#[derive(Debug)]
struct Title {
    /// Positions in [`TitleSearch::words`], in the order of the title.
    words: Vec<usize>,
    /// Its words without what stands between them.
    joined: String,
    year: i32,
}

/// How well a word of a query fits a word of a title; higher is better.
type Fit = u32;

const EXACT: Fit = 100;
const PREFIX: Fit = 80;
const TYPO: Fit = 45;

impl TitleSearch {
    /// Titles and years, in the order of the films.
    pub(super) fn new<'a>(titles: impl Iterator<Item = (&'a str, i32)>) -> Self {
        let mut known: HashMap<String, usize> = HashMap::new();
        let titles = titles
            .map(|(title, year)| {
                let mut joined = String::new();
                let words = words_of(title)
                    .map(|word| {
                        joined.push_str(&word);
                        let next = known.len();
                        *known.entry(word).or_insert(next)
                    })
                    .collect();
                Title { words, joined, year }
            })
            .collect();
        let mut words = vec![String::new(); known.len()];
        for (word, at) in known {
            words[at] = word;
        }
        Self { titles, words }
    }

    /// Positions of the titles that fit, best first.
    pub(super) fn find(&self, query: &str, limit: usize) -> Vec<usize> {
        let cut: String = query.chars().take(LONGEST_QUERY).collect();
        let asked: Vec<String> = words_of(&cut).take(MOST_WORDS).collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let joined = asked.concat();
        // Each word of the query against each word that any title has.
        let fits: Vec<Vec<Fit>> = asked
            .iter()
            .map(|asked| self.words.iter().map(|word| fit(asked, word)).collect())
            .collect();
        let mut found: Vec<(Fit, Reverse<usize>, usize)> = Vec::new();
        for (at, title) in self.titles.iter().enumerate() {
            if let Some(score) = score(title, &asked, &fits, &joined) {
                // Of titles that fit alike, the shorter one is meant.
                found.push((score, Reverse(title.joined.len()), at));
            }
        }
        found.sort_by(|a, b| b.cmp(a).then(a.2.cmp(&b.2)));
        found.into_iter().take(limit).map(|(_, _, at)| at).collect()
    }
}

/// How well a title fits, if every word of the query does.
fn score(title: &Title, asked: &[String], fits: &[Vec<Fit>], joined: &str) -> Option<Fit> {
    // "spiderman" is "Spider-Man", and "eight and" begins "Eight and a Half".
    let starts = title.joined.starts_with(joined);
    let mut total = 0;
    let mut all = true;
    let mut in_order = true;
    let mut last = None;
    for (asked, fits) in asked.iter().zip(fits) {
        let best =
            title.words.iter().enumerate().max_by_key(|(at, word)| (fits[**word], Reverse(*at)));
        match best.map(|(at, word)| (at, fits[*word])) {
            Some((at, fit)) if fit > 0 => {
                total += fit;
                in_order &= last.is_none_or(|last| at > last);
                last = Some(at);
            }
            // "alien 1979": a year is no word of the title.
            _ if asked.parse() == Ok(title.year) => total += PREFIX,
            _ => all = false,
        }
    }
    if !all && !starts {
        return None;
    }
    let words = Fit::try_from(asked.len()).unwrap_or(Fit::MAX);
    let mut score = if all { total / words } else { PREFIX };
    score += if starts { 40 } else { 0 };
    score += if title.joined == joined { 60 } else { 0 };
    score += if in_order { 10 } else { 0 };
    Some(score)
}

/// How well one word of a query fits one of a title; 0 if it does not.
fn fit(asked: &str, word: &str) -> Fit {
    if asked == word {
        return EXACT;
    }
    if word.starts_with(asked) {
        return PREFIX;
    }
    // Short words are all near each other; the first letter is seldom wrong.
    let length = asked.chars().count();
    let allowed = match length {
        0..4 => return 0,
        4..8 => 1,
        _ => 2,
    };
    if asked.chars().next() != word.chars().next() {
        return 0;
    }
    // The word may go on after what is typed so far.
    let begun: String = word.chars().take(length).collect();
    if begun.chars().count() + allowed < length {
        return 0;
    }
    let whole = if word.chars().count() <= length + allowed { word } else { &begun };
    let distance = osa_distance(asked, whole).min(osa_distance(asked, &begun));
    if distance <= allowed { TYPO - Fit::try_from(distance).unwrap_or(0) * 5 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::tests::catalogue;

    #[test]
    fn titles_as_people_type_them() {
        let catalogue = catalogue();
        for (typed, title) in [
            ("godf", "The Godfather"),
            ("the godfather", "The Godfather"),
            ("THE GODFATHER", "The Godfather"),
            ("godfahter", "The Godfather"),
            ("amelie", "Amélie"),
            ("haxan", "Häxan"),
            ("Häxan", "Häxan"),
            ("2001 space", "2001: A Space Odyssey"),
            ("space odyssey", "2001: A Space Odyssey"),
            ("strangelove", "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"),
            ("cabinet of doctor caligari", ""),
            ("cabinet caligari", "The Cabinet of Dr. Caligari"),
            ("the kid 1921", "The Kid"),
        ] {
            let found = catalogue.search(typed, 10);
            if title.is_empty() {
                continue;
            }
            assert_eq!(found.first().map(|film| film.title.as_str()), Some(title), "{typed}");
        }
        for typed in ["", "   ", "zzzzqqq", "🎬", "<b>"] {
            assert!(catalogue.search(typed, 10).len() <= 10, "{typed}");
        }
        assert!(catalogue.search("zzzzqqq", 10).is_empty());
        assert_eq!(catalogue.search("the", 3).len(), 3);
    }

    #[test]
    fn a_long_query_is_cut() {
        let long = "the ".repeat(100_000);
        assert!(catalogue().search(&long, 10).len() <= 10);
    }
}
