//! The rules of the catalogue. Every breach is a [`Problem`]; the bounds are those of the dataset card.

use crate::duplicates::alike;
use crate::film::Film;
use crate::load::Entry;
use crate::problem::{Fault, Problem, quoted};
use crate::{text, vocabulary};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// The first films were shown then.
const FIRST_YEAR: i32 = 1888;
/// Years that a film may be announced ahead.
const AHEAD: i32 = 2;
/// Minutes.
const RUNTIME: RangeInclusive<i32> = 1..=1000;
/// Words between blanks.
const SYNOPSIS_WORDS: RangeInclusive<usize> = 40..=200;

/// Everything that is wrong with the films, line by line. `this_year` is [`crate::this_year`], or
/// another year in a test.
#[must_use]
pub fn check(entries: &[Entry], this_year: i32) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in entries {
        let mut report = Report { entry, problems: &mut problems };
        check_film(&entry.film, this_year, &mut report);
    }
    check_order(entries, &mut problems);
    check_repeated(entries, &mut problems);
    for (later, earlier, percent) in alike(entries.iter().map(|entry| entry.film.synopsis.as_str()))
    {
        let Entry { line, film } = &entries[earlier];
        let fault = Fault::Alike { percent, line: *line, id: film.id.clone() };
        Report { entry: &entries[later], problems: &mut problems }.add("synopsis", fault);
    }
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Where the problems of one film go.
struct Report<'a> {
    entry: &'a Entry,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, field: &'static str, fault: Fault) {
        let Entry { line, film } = self.entry;
        self.problems.push(Problem { line: *line, id: film.id.clone(), field, fault });
    }

    fn expected(
        &mut self,
        field: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) {
        self.add(field, Fault::expected(expected, got));
    }

    fn text(&mut self, field: &'static str, value: &str) {
        for (expected, got) in text::faults(value) {
            let place = if value.trim().is_empty() {
                String::new()
            } else {
                format!(" in {}", quoted(value))
            };
            self.expected(field, expected, got + &place);
        }
    }
}

fn check_film(film: &Film, this_year: i32, report: &mut Report<'_>) {
    check_id(film, report);
    report.text("title", &film.title);
    let years = FIRST_YEAR..=this_year + AHEAD;
    if !years.contains(&film.year) {
        let expected = format!("a year from {FIRST_YEAR} to {}", years.end());
        report.expected("year", expected, film.year.to_string());
    }
    check_list("directors", &film.directors, "one director or more", report);
    check_list("cast", &film.cast, "", report);
    check_list("genres", &film.genres, "one genre or more", report);
    check_list("countries", &film.countries, "one country or more", report);
    check_list("languages", &film.languages, "", report);
    check_vocabulary(film, report);
    if !RUNTIME.contains(&film.runtime) {
        let expected = format!("{} to {} minutes", RUNTIME.start(), RUNTIME.end());
        report.expected("runtime", expected, film.runtime.to_string());
    }
    report.text("synopsis", &film.synopsis);
    let words = film.synopsis.split_whitespace().count();
    if words > 0 && !SYNOPSIS_WORDS.contains(&words) {
        let expected = format!("{} to {} words", SYNOPSIS_WORDS.start(), SYNOPSIS_WORDS.end());
        report.expected("synopsis", expected, words.to_string());
    }
    let end = film.synopsis.trim_end().trim_end_matches(['"', '\'', ')', '”', '’']);
    if words > 0 && !end.ends_with(['.', '!', '?']) {
        let last = film.synopsis.split_whitespace().next_back().unwrap_or_default();
        report.expected("synopsis", "a full stop at the end", quoted(last));
    }
}

fn check_id(film: &Film, report: &mut Report<'_>) {
    let id = film.id.as_str();
    let is_slug = id.split('-').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
    });
    if !is_slug {
        report.expected("id", "a-z and 0-9 with single hyphens between", quoted(id));
        return;
    }
    let Some(slug) = id.strip_suffix(&format!("-{}", film.year)) else {
        report.expected("id", format!("an id that ends in the year, -{}", film.year), quoted(id));
        return;
    };
    // Accented letters have lost their accent in the id, signs are hyphens; the rest is there, in order.
    let mut of_id = slug.chars();
    let mut of_title = film.title.chars().filter(char::is_ascii_alphanumeric);
    if !of_title.all(|wanted| of_id.any(|got| got == wanted.to_ascii_lowercase())) {
        report.expected(
            "id",
            format!("the letters of the title {}", quoted(&film.title)),
            quoted(id),
        );
    }
}

fn check_list(field: &'static str, list: &[String], at_least: &str, report: &mut Report<'_>) {
    if list.is_empty() && !at_least.is_empty() {
        report.expected(field, at_least, "none");
    }
    for (at, value) in list.iter().enumerate() {
        report.text(field, value);
        if list[..at].contains(value) {
            report.expected(field, "each once", format!("{} again", quoted(value)));
        }
    }
}

fn check_vocabulary(film: &Film, report: &mut Report<'_>) {
    type Nearest = fn(&str) -> Option<&'static str>;
    let mut check = |field,
                     values: &[String],
                     is_listed: fn(&str) -> bool,
                     nearest: Nearest,
                     expected: &str| {
        for value in values.iter().filter(|value| !is_listed(value) && !value.trim().is_empty()) {
            let suggestion = nearest(value).map(str::to_owned);
            let expected = match suggestion {
                Some(_) => expected.split(':').next().unwrap_or_default(),
                None => expected,
            };
            let (expected, got) = (expected.to_owned(), quoted(value));
            report.add(field, Fault::Expected { expected, got, suggestion });
        }
    };
    let genres = format!(
        "one of the {} genres: {}",
        vocabulary::GENRES.len(),
        vocabulary::GENRES.join(", ")
    );
    check(
        "genres",
        &film.genres,
        |genre| vocabulary::GENRES.contains(&genre),
        vocabulary::nearest_genre,
        &genres,
    );
    let country = "a country's code of ISO 3166-1 such as US";
    check(
        "countries",
        &film.countries,
        vocabulary::is_country,
        vocabulary::nearest_country,
        country,
    );
    let language = "a language's code of ISO 639-1 such as en";
    check(
        "languages",
        &film.languages,
        vocabulary::is_language,
        vocabulary::nearest_language,
        language,
    );
}

fn check_order(entries: &[Entry], problems: &mut Vec<Problem>) {
    for pair in entries.windows(2) {
        let (before, entry) = (&pair[0].film, &pair[1]);
        let place = |film: &Film| (film.year, film.id.clone());
        if place(before) > place(&entry.film) {
            let fault = Fault::expected(
                "films in the order of their year, then id",
                format!("it behind {}", before.id),
            );
            Report { entry, problems }.add("", fault);
        }
    }
}

fn check_repeated(entries: &[Entry], problems: &mut Vec<Problem>) {
    let mut ids = HashMap::new();
    let mut titles = HashMap::new();
    for entry in entries {
        let film = &entry.film;
        let mut check = |field, expected, earlier: &Entry| {
            if earlier.line != entry.line {
                let fault =
                    Fault::Repeated { expected, line: earlier.line, id: earlier.film.id.clone() };
                Report { entry, problems }.add(field, fault);
            }
        };
        check("id", "an id of its own", ids.entry(&film.id).or_insert(entry));
        let title = (film.title.to_lowercase(), film.year);
        check("title", "a title of its own in its year", titles.entry(title).or_insert(entry));
    }
}

#[cfg(test)]
pub(crate) mod tests;
