//! What clients are answered with, as JSON.

use hippocamp_catalogue::Film;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// The answer of `POST /predict`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recommendation {
    /// Goes back with feedback.
    pub(crate) id: String,
    /// `plot`, `films` or `poster`.
    pub(crate) kind: &'static str,
    /// How texts became vectors.
    pub(crate) technique: &'static str,
    /// Versions by models: those asked, and those inside.
    pub(crate) models: BTreeMap<String, String>,
    /// What was understood of the question.
    pub(crate) query: Query,
    /// Best first.
    pub(crate) films: Vec<Recommended>,
    /// Time from the question to the answer, here.
    pub(crate) milliseconds: f64,
}

/// What was understood of a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Query {
    /// The five likeliest.
    pub(crate) genres: Vec<Probable>,
    /// Of a poster: when the film may have come out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) year: Option<i32>,
    /// Of a poster: how likely it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_poster: Option<f32>,
    /// What whoever asked should know.
    pub(crate) warnings: Vec<String>,
}

/// A genre and how likely it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Probable {
    /// The genre.
    pub(crate) genre: &'static str,
    /// 0 to 1.
    pub(crate) probability: f32,
}

/// A film and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recommended {
    /// The film.
    #[serde(flatten)]
    pub(crate) film: Arc<Film>,
    /// Higher is nearer.
    pub(crate) score: f32,
    /// What the score is the sum of, if the server tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Parts>,
    /// One sentence.
    pub(crate) because: String,
}

/// The weighted parts of a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Parts {
    pub(crate) plot: f32,
    pub(crate) genres: f32,
    pub(crate) people: f32,
    pub(crate) year: f32,
}
