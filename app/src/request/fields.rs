//! JSON read field by field, so that every refusal names its field.

use crate::error::AppError;
use serde_json::{Map, Value};
use std::{fmt::Display, ops::RangeInclusive};

/// The fields of one object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    /// Path of the object, with a dot behind it; empty for the outermost.
    path: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Those of the outermost object.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn root(value: &'a Value) -> Result<Self, AppError> {
        let map = value.as_object().ok_or_else(|| {
            AppError::Invalid(format!("body: expected a JSON object, got {}", shown(value)))
        })?;
        Ok(Self { path: "", map })
    }

    /// Those of the object `value`, whose path with a dot behind it is `path`.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn of(path: &'static str, value: &'a Value) -> Result<Self, AppError> {
        let map = value.as_object().ok_or_else(|| {
            let field = path.trim_end_matches('.');
            AppError::field(field, format!("expected an object, got {}", shown(value)))
        })?;
        Ok(Self { path, map })
    }

    /// A field, unless it is missing or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The full name of a field.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Refuses fields that are none of these: a typo is not to go unnoticed.
    ///
    /// # Errors
    /// The first such field.
    pub(crate) fn known(&self, names: &[&str], more: &[&str]) -> Result<(), AppError> {
        let names = || names.iter().chain(more);
        match self.map.keys().find(|key| !names().any(|name| name == key)) {
            None => Ok(()),
            Some(key) => {
                let listed: Vec<&str> = names().copied().collect();
                let key = cut(key);
                Err(AppError::field(
                    self.name(&key),
                    format!("no such field; expected some of {}", listed.join(", ")),
                ))
            }
        }
    }

    /// A text.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, AppError> {
        self.get(name).map(|value| self.as_text(name, value)).transpose()
    }

    /// A number of a range.
    ///
    /// # Errors
    /// If it is none, or outside.
    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, AppError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.outside(name, "a number", range.start(), range.end(), value)),
        }
    }

    /// A whole number of a range.
    ///
    /// # Errors
    /// If it is none, or outside.
    pub(crate) fn whole(
        &self,
        name: &str,
        range: RangeInclusive<i32>,
    ) -> Result<Option<i32>, AppError> {
        self.get(name).map(|value| self.as_whole(name, value, &range)).transpose()
    }

    /// Yes or no.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, AppError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| {
            AppError::field(
                self.name(name),
                format!("expected true or false, got {}", shown(value)),
            )
        })
    }

    /// A list of texts, `most` at most.
    ///
    /// # Errors
    /// If it is none, or longer.
    pub(crate) fn texts(&self, name: &str, most: usize) -> Result<Vec<&'a str>, AppError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else {
            let message = format!("expected a list of texts, got {}", shown(value));
            return Err(AppError::field(self.name(name), message));
        };
        if values.len() > most {
            let message = format!("expected at most {most}, got {}", values.len());
            return Err(AppError::field(self.name(name), message));
        }
        values.iter().map(|value| self.as_text(name, value)).collect()
    }

    /// Two whole numbers, the first not above the second; null leaves an end open.
    ///
    /// # Errors
    /// If it is anything else.
    pub(crate) fn span(
        &self,
        name: &str,
        range: &RangeInclusive<i32>,
    ) -> Result<(Option<i32>, Option<i32>), AppError> {
        let Some(value) = self.get(name) else { return Ok((None, None)) };
        let Value::Array(ends) = value else {
            let message = format!("expected [from, to], got {}", shown(value));
            return Err(AppError::field(self.name(name), message));
        };
        let [from, to] = ends.as_slice() else {
            let message = format!("expected [from, to], got {} values", ends.len());
            return Err(AppError::field(self.name(name), message));
        };
        let end = |value: &Value| -> Result<Option<i32>, AppError> {
            if value.is_null() { Ok(None) } else { self.as_whole(name, value, range).map(Some) }
        };
        match (end(from)?, end(to)?) {
            (Some(from), Some(to)) if from > to => Err(AppError::field(
                self.name(name),
                format!("expected [from, to] with from not above to, got [{from}, {to}]"),
            )),
            span => Ok(span),
        }
    }

    fn as_text(&self, name: &str, value: &'a Value) -> Result<&'a str, AppError> {
        value.as_str().ok_or_else(|| {
            AppError::field(self.name(name), format!("expected text, got {}", shown(value)))
        })
    }

    fn as_whole(
        &self,
        name: &str,
        value: &Value,
        range: &RangeInclusive<i32>,
    ) -> Result<i32, AppError> {
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.outside(name, "a whole number", range.start(), range.end(), value))
    }

    fn outside(
        &self,
        name: &str,
        what: &str,
        from: impl Display,
        to: impl Display,
        value: &Value,
    ) -> AppError {
        AppError::field(
            self.name(name),
            format!("expected {what} of {from} to {to}, got {}", shown(value)),
        )
    }
}

/// A value as far as an error has room for it.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(values) => format!("a list of {}", values.len()),
        other => cut(&other.to_string()),
    }
}

/// A client's text as far as an error has room for it.
pub(super) fn cut(text: &str) -> String {
    const MOST: usize = 60;
    if text.len() <= MOST {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(MOST)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refusals_name_the_field_and_what_came() {
        let value =
            json!({"k": 51, "d": "x", "t": 5, "b": 1, "l": ["a", 2], "s": [2, 1], "n": null});
        let fields = Fields::of("filter.", &value).unwrap();
        let told = |error: AppError| error.to_string();
        assert_eq!(
            told(fields.whole("k", 1..=50).unwrap_err()),
            "filter.k: expected a whole number of 1 to 50, got 51"
        );
        assert_eq!(
            told(fields.number("d", 0.0..=1.0).unwrap_err()),
            "filter.d: expected a number of 0 to 1, got \"x\""
        );
        assert_eq!(told(fields.text("t").unwrap_err()), "filter.t: expected text, got 5");
        assert_eq!(
            told(fields.boolean("b").unwrap_err()),
            "filter.b: expected true or false, got 1"
        );
        assert_eq!(told(fields.texts("l", 5).unwrap_err()), "filter.l: expected text, got 2");
        assert_eq!(told(fields.texts("l", 1).unwrap_err()), "filter.l: expected at most 1, got 2");
        assert_eq!(
            told(fields.span("s", &(0..=9)).unwrap_err()),
            "filter.s: expected [from, to] with from not above to, got [2, 1]"
        );
        assert_eq!(fields.whole("n", 1..=50), Ok(None));
        assert_eq!(fields.whole("missing", 1..=50), Ok(None));
        let error = told(fields.known(&["k", "d", "t", "b", "l", "s"], &[]).unwrap_err());
        assert_eq!(error, "filter.n: no such field; expected some of k, d, t, b, l, s");
        assert!(told(Fields::root(&json!([1])).unwrap_err()).contains("got a list of 1"));
    }

    #[test]
    fn spans_may_be_open() {
        let value = json!({"a": [null, 5], "b": [3, null], "c": [3, 3], "d": [1], "e": [1.5, 2]});
        let fields = Fields::root(&value).unwrap();
        assert_eq!(fields.span("a", &(0..=9)), Ok((None, Some(5))));
        assert_eq!(fields.span("b", &(0..=9)), Ok((Some(3), None)));
        assert_eq!(fields.span("c", &(0..=9)), Ok((Some(3), Some(3))));
        assert!(fields.span("d", &(0..=9)).is_err() && fields.span("e", &(0..=9)).is_err());
    }

    #[test]
    fn what_came_is_cut() {
        let long = "é".repeat(1000);
        assert!(cut(&long).len() < 70);
        let value = json!({"k": long});
        let error = Fields::root(&value).unwrap().whole("k", 1..=2).unwrap_err();
        assert!(error.to_string().len() < 150);
    }
}
