//! The films, in memory: by id, in pages, by title, and what filters may ask for.

mod facets;
mod names;
mod search;
mod words;

pub(crate) use facets::{Facets, Named};
pub(crate) use words::{Words, stem, words_of};

use hippocamp_catalogue::Film;
use search::TitleSearch;
use std::{collections::HashMap, path::Path, sync::Arc};

/// The catalogue that the application is built with.
const EMBEDDED: &str = include_str!("../../../catalogue/films.jsonl");

/// Where a film stands in [`Catalogue::films`].
pub(crate) type Position = usize;

/// The films and what is looked up in them; never changes while the application runs.
#[derive(Debug)]
pub(crate) struct Catalogue {
    films: Vec<Arc<Film>>,
    by_id: HashMap<String, Position>,
    titles: TitleSearch,
    words: Words,
    facets: Facets,
}

/// Which films a page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// Films of this genre.
    pub(crate) genre: Option<String>,
    /// Films of this year and later.
    pub(crate) from: Option<i32>,
    /// Films of this year and earlier.
    pub(crate) to: Option<i32>,
    /// In which order.
    pub(crate) sort: Sort,
}

/// In which order films are shown; ties by title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// By title, articles left out.
    #[default]
    Title,
    /// Oldest first.
    Year,
    /// Newest first.
    Newest,
    /// Shortest first.
    Runtime,
}

impl Sort {
    /// What a client may say.
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("title", Self::Title),
        ("year", Self::Year),
        ("-year", Self::Newest),
        ("runtime", Self::Runtime),
    ];
}

impl Catalogue {
    /// The films of `file`, or those that the application was built with.
    ///
    /// # Errors
    /// If the file cannot be read, or has problems.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let films = match file {
            Some(file) => hippocamp_catalogue::load(file)?,
            None => {
                let (entries, problems) = hippocamp_catalogue::read(EMBEDDED.as_bytes());
                anyhow::ensure!(problems.is_empty(), "the films built in have problems");
                entries.into_iter().map(|entry| entry.film).collect()
            }
        };
        anyhow::ensure!(!films.is_empty(), "the catalogue has no films");
        Ok(Self::new(films))
    }

    fn new(films: Vec<Film>) -> Self {
        let by_id = films.iter().enumerate().map(|(at, film)| (film.id.clone(), at)).collect();
        let titles = TitleSearch::new(films.iter().map(|film| (film.title.as_str(), film.year)));
        let words = Words::new(films.iter().map(|film| film.synopsis.as_str()));
        let facets = Facets::new(&films);
        let films = films.into_iter().map(Arc::new).collect();
        Self { films, by_id, titles, words, facets }
    }

    /// Every film, in the order of the file.
    pub(crate) fn films(&self) -> &[Arc<Film>] {
        &self.films
    }

    /// Where the film of this id is.
    pub(crate) fn position(&self, id: &str) -> Option<Position> {
        self.by_id.get(id).copied()
    }

    /// The film of this id.
    pub(crate) fn film(&self, id: &str) -> Option<&Arc<Film>> {
        self.position(id).map(|at| &self.films[at])
    }

    /// What filters may ask for.
    pub(crate) fn facets(&self) -> &Facets {
        &self.facets
    }

    /// The words of the synopses.
    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// The films whose titles are most like `query`, best first.
    pub(crate) fn search(&self, query: &str, limit: usize) -> Vec<&Arc<Film>> {
        self.titles.find(query, limit).into_iter().map(|at| &self.films[at]).collect()
    }

    /// Every film of the selection, in its order.
    pub(crate) fn select(&self, selection: &Selection) -> Vec<&Arc<Film>> {
        let mut chosen: Vec<&Arc<Film>> = self
            .films
            .iter()
            .filter(|film| {
                let genre = selection.genre.as_ref();
                genre.is_none_or(|genre| film.genres.contains(genre))
                    && selection.from.is_none_or(|from| film.year >= from)
                    && selection.to.is_none_or(|to| film.year <= to)
            })
            .collect();
        let title = |film: &Film| words::title_key(&film.title);
        match selection.sort {
            Sort::Title => chosen.sort_by_cached_key(|film| title(film)),
            Sort::Year => chosen.sort_by_cached_key(|film| (film.year, title(film))),
            Sort::Newest => chosen.sort_by_cached_key(|film| (-film.year, title(film))),
            Sort::Runtime => chosen.sort_by_cached_key(|film| (film.runtime, title(film))),
        }
        chosen
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::LazyLock;

    /// The catalogue that the application is built with.
    pub(crate) fn catalogue() -> &'static Catalogue {
        static LOADED: LazyLock<Catalogue> =
            LazyLock::new(|| Catalogue::load(None).expect("it is in the repository, and checked"));
        &LOADED
    }

    #[test]
    fn films_by_id_and_in_order() {
        let catalogue = catalogue();
        assert_eq!(catalogue.film("the-kid-1921").unwrap().title, "The Kid");
        assert!(catalogue.film("the-kid-1922").is_none());
        let selection = Selection {
            genre: Some("Horror".to_owned()),
            from: Some(1950),
            to: Some(1969),
            sort: Sort::Newest,
        };
        let chosen = catalogue.select(&selection);
        assert!(chosen.len() > 3);
        assert!(chosen.is_sorted_by_key(|film| -film.year));
        assert!(chosen.iter().all(|film| {
            (1950..=1969).contains(&film.year) && film.genres.iter().any(|genre| genre == "Horror")
        }));
        let all = catalogue.select(&Selection::default());
        assert_eq!(all.len(), catalogue.films().len());
        assert!(all.iter().position(|film| film.title == "The Kid") > Some(400), "under K, not T");
    }
}
