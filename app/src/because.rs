//! Why a film is recommended, in one sentence: from what it shares with the question, as far as one
//! can see it. What the encoders saw beyond that is in `POST /explain`.

use crate::{
    catalogue::{Catalogue, Position, stem, words_of},
    labels,
    request::Subject,
};
use hippocamp_catalogue::Film;
use std::collections::HashSet;

/// A genre of the question is one that is at least this likely.
const LIKELY: f32 = 0.25;

/// Words, genres and people that a sentence names.
const MOST_WORDS: usize = 3;
const MOST_GENRES: usize = 2;
const MOST_PEOPLE: usize = 2;

/// Words of a plot that are looked at.
const LOOKED_AT: usize = 500;

/// Years between two films of one time.
const SAME_TIME: i32 = 5;

/// What of a question can be found again in a film.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    catalogue: &'a Catalogue,
    subject: &'a Subject,
    /// Likely genres, likeliest first.
    genres: Vec<&'static str>,
    /// Telling words of a plot, the rarest first: as they stand there, and their stems.
    words: Vec<(String, String)>,
    year: Option<i32>,
}

impl<'a> Evidence<'a> {
    /// Of a question with these probabilities of genres.
    pub(crate) fn new(
        catalogue: &'a Catalogue,
        subject: &'a Subject,
        genres: &[f32],
        year: Option<f32>,
    ) -> Self {
        let mut likely: Vec<(f32, &'static str)> = labels::GENRES
            .into_iter()
            .zip(genres)
            .filter(|(_, p)| **p >= LIKELY)
            .map(|(genre, p)| (*p, genre))
            .collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0));
        let words = match subject {
            Subject::Plot(plot) => telling(plot.text(), catalogue),
            Subject::Films { .. } | Subject::Poster(_) => Vec::new(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a year, or nonsense that saturates")]
        let year = year.map(|year| year.round() as i32);
        let genres = likely.into_iter().map(|(_, genre)| genre).collect();
        Self { catalogue, subject, genres, words, year }
    }

    /// The sentence for one film.
    pub(crate) fn of(&self, film: Position) -> String {
        match self.subject {
            Subject::Plot(_) => self.of_plot(film),
            Subject::Poster(_) => self.of_poster(film),
            Subject::Films { liked, .. } => self.of_films(film, liked),
        }
    }

    fn of_plot(&self, position: Position) -> String {
        let film = &self.catalogue.films()[position];
        let words: Vec<String> = self
            .words
            .iter()
            .filter(|(_, stem)| self.catalogue.words().has(position, stem))
            .take(MOST_WORDS)
            .map(|(word, _)| format!("“{word}”"))
            .collect();
        let genres = self.shared_genres(film);
        match (genres.is_empty(), words.is_empty()) {
            (false, false) => {
                format!(
                    "{} like your plot, and its story, too, has {}.",
                    joined(&genres),
                    joined(&words)
                )
            }
            (true, false) => format!("Its story, too, has {}.", joined(&words)),
            (false, true) => {
                format!(
                    "{} like your plot, with a story that is near it in meaning.",
                    joined(&genres)
                )
            }
            (true, true) => {
                "Its story is near your plot in meaning, though not in its words.".to_owned()
            }
        }
    }

    fn of_poster(&self, position: Position) -> String {
        let film = &self.catalogue.films()[position];
        let genres = self.shared_genres(film);
        let near = self.year.is_some_and(|year| (year - film.year).abs() <= SAME_TIME);
        match (genres.is_empty(), near) {
            (false, true) => {
                format!("{}, as the poster suggests, and of about the same years.", joined(&genres))
            }
            (false, false) => format!("{}, as the poster suggests.", joined(&genres)),
            (true, true) => "Of about the years that the poster looks like.".to_owned(),
            (true, false) => "What the poster suggests of the story is near this one.".to_owned(),
        }
    }

    fn of_films(&self, position: Position, liked: &[Position]) -> String {
        let films = self.catalogue.films();
        let film = &films[position];
        // The liked film with which it has most in common.
        let common = |liked: &Film| {
            let directors = shared(&film.directors, &liked.directors).len();
            let people = shared(&everybody(film), &everybody(liked)).len();
            let genres = shared(&film.genres, &liked.genres).len();
            directors * 20 + people * 10 + genres
        };
        let Some(nearest) = liked.iter().map(|at| &films[*at]).max_by_key(|liked| common(liked))
        else {
            return "Near the films you like.".to_owned();
        };
        let title = &nearest.title;
        let mut reasons = Vec::new();
        let directors = shared(&film.directors, &nearest.directors);
        if !directors.is_empty() {
            reasons.push(format!("directed by {}", joined(&directors)));
        }
        let actors: Vec<String> = shared(&film.cast, &nearest.cast)
            .into_iter()
            .filter(|name| !directors.contains(name))
            .take(MOST_PEOPLE)
            .collect();
        if !actors.is_empty() {
            reasons.push(format!("with {}", joined(&actors)));
        }
        let genres: Vec<String> =
            shared(&film.genres, &nearest.genres).into_iter().take(MOST_GENRES).collect();
        if !genres.is_empty() {
            reasons.push(joined(&genres));
        }
        if reasons.is_empty() {
            return format!("Its story is near that of {title}.");
        }
        format!("{}, like {title}.", capitalised(&reasons.join(", ")))
    }

    fn shared_genres(&self, film: &Film) -> Vec<String> {
        let has = |genre: &&&str| film.genres.iter().any(|own| own == **genre);
        self.genres.iter().filter(has).take(MOST_GENRES).map(|genre| (*genre).to_owned()).collect()
    }
}

/// The words of a plot that few synopses have, the rarest first.
fn telling(plot: &str, catalogue: &Catalogue) -> Vec<(String, String)> {
    let vocabulary = catalogue.words();
    let mut seen = HashSet::new();
    let mut words: Vec<(usize, String, String)> = words_of(plot)
        .take(LOOKED_AT)
        .filter_map(|word| {
            let stem = stem(&word).to_owned();
            let films = vocabulary.films_with(&stem);
            let telling = word.chars().count() > 2 && films > 0 && !vocabulary.is_common(&stem);
            (telling && seen.insert(stem.clone())).then_some((films, word, stem))
        })
        .collect();
    words.sort_by_key(|(films, ..)| *films);
    words.into_iter().map(|(_, word, stem)| (word, stem)).collect()
}

fn everybody(film: &Film) -> Vec<String> {
    let mut people = film.directors.clone();
    people.extend(film.cast.iter().filter(|name| !film.directors.contains(name)).cloned());
    people
}

fn shared(a: &[String], b: &[String]) -> Vec<String> {
    a.iter().filter(|value| b.contains(value)).cloned().collect()
}

/// `a`, `a and b`, `a, b and c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::tests::catalogue, request::Plot};

    fn because(subject: &Subject, genres: &[(&str, f32)], film: &str) -> String {
        let catalogue = catalogue();
        let mut probabilities = vec![0.0; labels::GENRES.len()];
        for (genre, p) in genres {
            probabilities[labels::position(genre).expect("it is known")] = *p;
        }
        let position = catalogue.position(film).expect("it is there");
        Evidence::new(catalogue, subject, &probabilities, Some(1975.0)).of(position)
    }

    #[test]
    fn plots_share_genres_and_words() {
        let plot = "an ageing mafia boss hands the family business to his reluctant youngest son";
        let subject = Subject::Plot(Plot::new(plot).expect("it is one"));
        let sentence = because(&subject, &[("Crime", 0.9), ("War", 0.8)], "the-godfather-1972");
        assert!(
            sentence.starts_with("Crime like your plot, and its story, too, has “"),
            "{sentence}"
        );
        assert!(!sentence.contains("“his”") && !sentence.contains("“the”"), "{sentence}");
        let sentence = because(&subject, &[], "the-kid-1921");
        assert!(sentence.ends_with('.') && !sentence.contains("War"), "{sentence}");
    }

    #[test]
    fn films_share_people() {
        let catalogue = catalogue();
        let liked = vec![catalogue.position("the-godfather-1972").expect("it is there")];
        let subject = Subject::Films { liked, disliked: Vec::new() };
        let sentence = because(&subject, &[], "apocalypse-now-1979");
        assert!(sentence.starts_with("Directed by Francis Ford Coppola"), "{sentence}");
        assert!(sentence.ends_with(", like The Godfather."), "{sentence}");
    }

    #[test]
    fn lists_read_well() {
        let list = |parts: &[&str]| {
            joined(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(capitalised("élan vital"), "Élan vital");
    }
}
