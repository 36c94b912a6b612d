//! What is in a catalogue, counted, as lines of Markdown for its dataset card.

use crate::film::Film;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// The counts of the dataset card.
#[must_use]
pub fn stats(films: &[Film]) -> Stats {
    let count = |of: fn(&Film) -> &Vec<String>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in films.iter().flat_map(of) {
            *counts.entry(value).or_default() += 1;
        }
        let mut counts: Vec<_> =
            counts.into_iter().map(|(value, n)| (value.to_owned(), n)).collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts
    };
    let mut decades: BTreeMap<i32, usize> = BTreeMap::new();
    for film in films {
        *decades.entry(film.year.div_euclid(10) * 10).or_default() += 1;
    }
    let words = |film: &Film| film.synopsis.split_whitespace().count();
    let minutes = |film: &Film| usize::try_from(film.runtime).unwrap_or(0);
    Stats {
        films: films.len(),
        decades: decades.into_iter().map(|(decade, n)| (format!("{decade}s"), n)).collect(),
        genres: count(|film| &film.genres),
        countries: count(|film| &film.countries),
        languages: count(|film| &film.languages),
        directors: count(|film| &film.directors).len(),
        cast: count(|film| &film.cast).len(),
        synopsis_words: Spread::of(films.iter().map(words)),
        runtime: Spread::of(films.iter().map(minutes)),
    }
}

/// What is in a catalogue; shown as Markdown.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    films: usize,
    decades: Vec<(String, usize)>,
    /// Most frequent first, as are the next two.
    genres: Vec<(String, usize)>,
    countries: Vec<(String, usize)>,
    languages: Vec<(String, usize)>,
    /// Different people.
    directors: usize,
    cast: usize,
    synopsis_words: Spread,
    /// Minutes.
    runtime: Spread,
}

/// The range of a number over the films, and its middle.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Spread {
    least: usize,
    median: usize,
    mean: f64,
    most: usize,
}

impl Spread {
    fn of(values: impl Iterator<Item = usize>) -> Self {
        let mut values: Vec<usize> = values.collect();
        values.sort_unstable();
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return Self::default();
        };
        #[expect(clippy::cast_precision_loss, reason = "a mean of small numbers")]
        let mean = values.iter().sum::<usize>() as f64 / values.len() as f64;
        Self { least, median: values[values.len() / 2], mean, most }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, median, mean, most } = self;
        write!(f, "{least} to {most}, median {median}, mean {mean:.1}")
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = |counts: &[(String, usize)]| {
            counts.iter().map(|(value, n)| format!("{value} {n}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "- films: {}", self.films)?;
        writeln!(f, "- per decade: {}", counts(&self.decades))?;
        for (name, list) in [
            ("genres", &self.genres),
            ("countries", &self.countries),
            ("languages", &self.languages),
        ] {
            writeln!(f, "- {name}, {}: {}", list.len(), counts(list))?;
        }
        writeln!(f, "- people: {} directors, {} in the casts", self.directors, self.cast)?;
        writeln!(f, "- words of a synopsis: {}", self.synopsis_words)?;
        writeln!(f, "- minutes: {}", self.runtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::film;

    #[test]
    fn counts_films() {
        let drama = Film {
            year: 1999,
            genres: vec!["Comedy".into(), "Drama".into()],
            runtime: 71,
            ..film()
        };
        let text = stats(&[film(), drama]).to_string();
        let expect = [
            "- films: 2",
            "- per decade: 1920s 1, 1990s 1",
            "- genres, 3: Comedy 2, Drama 1, Science Fiction 1",
            "- countries, 2: US 2, XK 2",
            "- languages, 1: en 2",
            "- people: 1 directors, 2 in the casts",
            "- words of a synopsis: 50 to 50, median 50, mean 50.0",
            "- minutes: 68 to 71, median 71, mean 69.5",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn nothing_is_counted_as_nothing() {
        assert!(stats(&[]).to_string().starts_with("- films: 0\n"));
    }
}
