//! What filters may ask for: the values that films have.

use super::names;
use hippocamp_catalogue::Film;
use serde::Serialize;
use std::collections::BTreeMap;

/// The values, and their extremes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Facets {
    /// Genres that films have, by name.
    pub(crate) genres: Vec<String>,
    /// Languages spoken in films, the commonest first.
    pub(crate) languages: Vec<Named>,
    /// Countries that made films, the commonest first.
    pub(crate) countries: Vec<Named>,
    /// Oldest and newest.
    pub(crate) years: [i32; 2],
    /// Shortest and longest, in minutes.
    pub(crate) runtime: [i32; 2],
}

/// A code, what it means, and how many films have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Named {
    /// ISO 639-1 or ISO 3166-1 alpha-2.
    pub(crate) code: String,
    /// In English.
    pub(crate) name: String,
    /// Films.
    pub(crate) films: usize,
}

impl Facets {
    pub(super) fn new(films: &[Film]) -> Self {
        let mut genres: Vec<String> =
            films.iter().flat_map(|film| film.genres.iter().cloned()).collect();
        genres.sort();
        genres.dedup();
        let extremes = |of: fn(&Film) -> i32| {
            let least = films.iter().map(of).min().unwrap_or(0);
            [least, films.iter().map(of).max().unwrap_or(least)]
        };
        Self {
            genres,
            languages: named(films.iter().flat_map(|film| &film.languages), names::language),
            countries: named(films.iter().flat_map(|film| &film.countries), names::country),
            years: extremes(|film| film.year),
            runtime: extremes(|film| film.runtime),
        }
    }
}

fn named<'a>(codes: impl Iterator<Item = &'a String>, name: fn(&str) -> &str) -> Vec<Named> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for code in codes {
        *counts.entry(code).or_default() += 1;
    }
    let mut named: Vec<Named> = counts
        .into_iter()
        .map(|(code, films)| Named { code: code.to_owned(), name: name(code).to_owned(), films })
        .collect();
    named.sort_by(|a, b| b.films.cmp(&a.films).then_with(|| a.name.cmp(&b.name)));
    named
}

#[cfg(test)]
mod tests {
    #[test]
    fn facets_of_the_catalogue() {
        let catalogue = super::super::tests::catalogue();
        let facets = catalogue.facets();
        assert!(facets.genres.is_sorted() && facets.genres.len() == 21);
        assert_eq!(facets.languages[0].name, "English");
        assert_eq!(facets.countries[0].code, "US");
        assert_eq!(facets.years, [1920, 2024]);
        assert!(facets.runtime[0] > 0 && facets.runtime[1] > facets.runtime[0]);
    }
}
