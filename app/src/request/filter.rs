//! Which films may be recommended: checked against the values that films have, and written in the
//! language of the index's FILTER (docs/retrieval.md).

use super::fields::{Fields, cut};
use crate::{
    catalogue::{Facets, Named},
    error::AppError,
};
use std::ops::RangeInclusive;

/// Values of one list; far below the 256 that FILTER takes.
const MOST_VALUES: usize = 50;

/// Years that may be said.
const YEARS: RangeInclusive<i32> = 1800..=2200;

/// Minutes that may be said.
const MINUTES: RangeInclusive<i32> = 0..=10_000;

/// The filter of a wish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    genres: Vec<String>,
    languages: Vec<String>,
    countries: Vec<String>,
    years: (Option<i32>, Option<i32>),
    runtime: (Option<i32>, Option<i32>),
}

impl Filter {
    /// The filter of `fields`.
    ///
    /// # Errors
    /// A value that no film has, or that is not of its kind.
    pub(crate) fn read(fields: &Fields<'_>, facets: &Facets) -> Result<Self, AppError> {
        fields.known(&["genres", "years", "languages", "countries", "runtime"], &[])?;
        let codes = |named: &[Named]| -> Vec<String> {
            named.iter().map(|named| named.code.clone()).collect()
        };
        Ok(Self {
            genres: values(fields, "genres", &facets.genres)?,
            languages: values(fields, "languages", &codes(&facets.languages))?,
            countries: values(fields, "countries", &codes(&facets.countries))?,
            years: fields.span("years", &YEARS)?,
            runtime: fields.span("runtime", &MINUTES)?,
        })
    }

    /// The same as text of FILTER; empty for no filter.
    pub(crate) fn text(&self) -> String {
        let mut conditions = Vec::new();
        for (column, values) in
            [("genre", &self.genres), ("language", &self.languages), ("country", &self.countries)]
        {
            if !values.is_empty() {
                let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                conditions.push(format!("{column} in ({})", quoted.join(", ")));
            }
        }
        for (column, (from, to)) in [("year", self.years), ("runtime", self.runtime)] {
            match (from, to) {
                (Some(from), Some(to)) => {
                    conditions.push(format!("{column} between {from} and {to}"));
                }
                (Some(from), None) => conditions.push(format!("{column} >= {from}")),
                (None, Some(to)) => conditions.push(format!("{column} <= {to}")),
                (None, None) => {}
            }
        }
        conditions.join(" and ")
    }
}

/// The list `name`, each value one of `known`, without repetitions.
fn values(fields: &Fields<'_>, name: &str, known: &[String]) -> Result<Vec<String>, AppError> {
    let mut values: Vec<String> = Vec::new();
    for value in fields.texts(name, MOST_VALUES)? {
        let Some(found) = known.iter().find(|known| known.eq_ignore_ascii_case(value)) else {
            let listed: Vec<&str> = known.iter().take(25).map(String::as_str).collect();
            let more = if known.len() > listed.len() { ", ... (all in GET /facets)" } else { "" };
            return Err(AppError::field(
                fields.name(name),
                format!(
                    "no film has '{}'; expected some of {}{more}",
                    cut(value),
                    listed.join(", ")
                ),
            ));
        };
        if !values.contains(found) {
            values.push(found.clone());
        }
    }
    Ok(values)
}

/// Text of FILTER: a quote inside is written twice.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<String, String> {
        let fields = Fields::of("filter.", value).expect("it is an object");
        let filter = Filter::read(&fields, catalogue().facets());
        filter.map(|filter| filter.text()).map_err(|error| error.to_string())
    }

    #[test]
    fn in_the_language_of_the_index() {
        let check = |value: Value, expect: &str| assert_eq!(read(&value).as_deref(), Ok(expect));
        check(json!({}), "");
        check(json!({"genres": [], "years": [null, null]}), "");
        check(json!({"genres": ["Horror", "horror", "War"]}), "genre in ('Horror', 'War')");
        check(
            json!({"languages": ["EN"], "countries": ["fr"], "years": [1990, null], "runtime": [80, 100]}),
            "language in ('en') and country in ('FR') and year >= 1990 and runtime between 80 and 100",
        );
        check(json!({"years": [null, 1960]}), "year <= 1960");
        assert_eq!(quoted("It's a 'Gift'"), "'It''s a ''Gift'''");
    }

    #[test]
    fn values_that_no_film_has_are_told() {
        let error = read(&json!({"genres": ["Horror') or (year > 0"]})).unwrap_err();
        assert!(
            error.starts_with(
                "filter.genres: no film has 'Horror') or (year > 0'; expected some of Action, "
            ),
            "{error}"
        );
        let error = read(&json!({"languages": ["xx"]})).unwrap_err();
        assert!(error.contains("(all in GET /facets)"), "{error}");
        let error = read(&json!({"years": [2000, 1990]})).unwrap_err();
        assert!(error.contains("with from not above to"), "{error}");
        let error = read(&json!({"genre": ["Horror"]})).unwrap_err();
        assert!(error.contains("filter.genre: no such field"), "{error}");
        let error = read(&json!({"genres": vec!["Horror"; 51]})).unwrap_err();
        assert!(error.contains("expected at most 50, got 51"), "{error}");
    }
}
