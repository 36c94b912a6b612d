//! What a wish may say beside its subject.

use super::{Fields, Filter};
use crate::{catalogue::Catalogue, error::AppError, inference::Technique};
use serde::{Deserialize, Serialize};

/// Films that may be asked for at once.
const MOST: i32 = 50;

/// Largest weight.
const MOST_WEIGHT: f64 = 10.0;

/// Films without a number.
pub(crate) const DEFAULT_K: i32 = 10;

/// How much each part of the similarity counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weights {
    /// Of what the films are about.
    pub(crate) plot: f32,
    /// Of the genres they share.
    pub(crate) genres: f32,
    /// Of directors and actors they share.
    pub(crate) people: f32,
    /// Of the decades between them, which lower the score.
    pub(crate) year: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { plot: 1.0, genres: 0.3, people: 0.1, year: 0.1 }
    }
}

/// Weights as they are given: some of them, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GivenWeights {
    plot: Option<f32>,
    genres: Option<f32>,
    people: Option<f32>,
    year: Option<f32>,
}

impl GivenWeights {
    /// Those given, and of the others the defaults.
    pub(crate) fn over(self, defaults: Weights) -> Weights {
        Weights {
            plot: self.plot.unwrap_or(defaults.plot),
            genres: self.genres.unwrap_or(defaults.genres),
            people: self.people.unwrap_or(defaults.people),
            year: self.year.unwrap_or(defaults.year),
        }
    }
}

/// Which films, how many, and how they are weighed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// How texts become vectors.
    pub(crate) technique: Technique,
    /// How many films.
    pub(crate) k: i32,
    /// Which films.
    pub(crate) filter: Filter,
    /// Those of the server if none are given.
    pub(crate) weights: Option<GivenWeights>,
    /// From 0, the nearest, to 1, the most different from each other.
    pub(crate) diversity: Option<f32>,
    /// Whether a picture that does not look like a poster is looked up all the same.
    pub(crate) anyway: bool,
}

impl Options {
    /// Their names.
    pub(crate) const FIELDS: &'static [&'static str] =
        &["technique", "k", "filter", "weights", "diversity", "anyway"];

    /// The options among `fields`.
    ///
    /// # Errors
    /// Which one is wrong, what was expected, what came.
    pub(crate) fn read(fields: &Fields<'_>, catalogue: &Catalogue) -> Result<Self, AppError> {
        let filter = match fields.get("filter") {
            None => Filter::default(),
            Some(value) => Filter::read(&Fields::of("filter.", value)?, catalogue.facets())?,
        };
        Ok(Self {
            technique: technique(fields)?,
            k: fields.whole("k", 1..=MOST)?.unwrap_or(DEFAULT_K),
            filter,
            weights: weights(fields)?,
            diversity: fields.number("diversity", 0.0..=1.0)?.map(single),
            anyway: fields.boolean("anyway")?.unwrap_or(false),
        })
    }
}

/// `technique`.
///
/// # Errors
/// If it is none that there is.
pub(crate) fn technique(fields: &Fields<'_>) -> Result<Technique, AppError> {
    let Some(name) = fields.text("technique")? else { return Ok(Technique::default()) };
    Technique::named(name).ok_or_else(|| {
        let names = Technique::ALL.map(|technique| format!("'{}'", technique.name()));
        AppError::field(
            fields.name("technique"),
            format!("expected {}, got '{}'", names.join(" or "), super::fields::cut(name)),
        )
    })
}

/// `weights`.
fn weights(fields: &Fields<'_>) -> Result<Option<GivenWeights>, AppError> {
    let Some(value) = fields.get("weights") else { return Ok(None) };
    let fields = Fields::of("weights.", value)?;
    fields.known(&["plot", "genres", "people", "year"], &[])?;
    let weight = |name| -> Result<Option<f32>, AppError> {
        Ok(fields.number(name, 0.0..=MOST_WEIGHT)?.map(single))
    };
    let weights = GivenWeights {
        plot: weight("plot")?,
        genres: weight("genres")?,
        people: weight("people")?,
        year: weight("year")?,
    };
    let GivenWeights { plot, genres, people, year } = weights;
    if [plot, genres, people, year].iter().all(|weight| *weight == Some(0.0)) {
        return Err(AppError::field("weights", "expected one above 0, got four times 0"));
    }
    Ok(Some(weights))
}

#[expect(clippy::cast_possible_truncation, reason = "rounds a number of a small range")]
fn single(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<Options, String> {
        let fields = Fields::root(value).expect("it is an object");
        Options::read(&fields, catalogue()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_and_ranges() {
        let options = read(&json!({})).unwrap();
        assert_eq!((options.technique, options.k, options.weights), (Technique::MiniLm, 10, None));
        let options = read(&json!({"technique": "bow", "k": 50, "diversity": 1, "anyway": true,
            "weights": {"plot": 0, "year": 2.5}}));
        let options = options.unwrap();
        assert_eq!((options.technique, options.k, options.anyway), (Technique::Bow, 50, true));
        let weights = options.weights.unwrap().over(Weights::default());
        assert_eq!(weights, Weights { plot: 0.0, year: 2.5, ..Weights::default() });
        assert_eq!(options.diversity, Some(1.0));
    }

    #[test]
    fn refusals() {
        let check = |value: Value, expect: &str| {
            let error = read(&value).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
        };
        check(json!({"technique": "tfidf"}), "technique: expected 'minilm' or 'bow', got 'tfidf'");
        check(json!({"k": 0}), "k: expected a whole number of 1 to 50, got 0");
        check(json!({"k": 1e9}), "k: expected a whole number of 1 to 50");
        check(json!({"diversity": -0.1}), "diversity: expected a number of 0 to 1, got -0.1");
        check(
            json!({"weights": {"plot": 11}}),
            "weights.plot: expected a number of 0 to 10, got 11",
        );
        check(json!({"weights": {"look": 1}}), "weights.look: no such field");
        let nothing = json!({"plot": 0, "genres": 0, "people": 0, "year": 0});
        check(json!({"weights": nothing}), "weights: expected one above 0");
        check(json!({"weights": 3}), "weights: expected an object, got 3");
    }
}
