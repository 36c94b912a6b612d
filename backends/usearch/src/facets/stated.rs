//! The parameter `facets` of a configuration: JSON, checked.

use serde::Deserialize;
use std::collections::HashSet;

/// A weight above this is a mistake rather than a wish.
pub(crate) const MAX_WEIGHT: f32 = 1000.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stated {
    pub(super) name: String,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) columns: Vec<String>,
    pub(super) weight: f32,
    /// What the elements of the request's input stand for.
    #[serde(default)]
    pub(super) labels: Vec<String>,
    /// The distance that counts as 1.
    #[serde(default = "one")]
    pub(super) per: f32,
    /// What a request says of itself may be a guess: how much it counts beside an item that is liked.
    #[serde(default = "one")]
    pub(super) own: f32,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Of the vectors.
    Cosine,
    /// Shared elements over all elements, of text or lists of text.
    Jaccard,
    /// Minus the distance between two numbers.
    Distance,
}

fn one() -> f32 {
    1.0
}

pub(super) fn parse(text: &str) -> Result<Vec<Stated>, String> {
    let facets: Vec<Stated> = serde_json::from_str(text).map_err(|error| {
        format!(
            "expected a list such as [{{\"name\": \"plot\", \"kind\": \"cosine\", \"weight\": 1}}, {{\"name\": \"genres\", \"kind\": \
             \"jaccard\", \"columns\": [\"genres\"], \"weight\": 0.3}}], but {error}"
        )
    })?;
    let mut names = HashSet::new();
    for facet in &facets {
        let name = &facet.name;
        let letters = |c: char| c.is_ascii_lowercase() || c == '_';
        if name.is_empty() || !name.chars().all(letters) {
            return Err(format!("facet '{name}': a name has the letters a to z and _"));
        }
        if RESERVED.contains(&name.as_str()) || !names.insert(name) {
            return Err(format!("facet '{name}': the name is taken"));
        }
        if !(0.0..=MAX_WEIGHT).contains(&facet.weight) {
            return Err(format!(
                "facet '{name}': weight is {}, expected 0 to {MAX_WEIGHT}",
                facet.weight
            ));
        }
        if !(0.0..=MAX_WEIGHT).contains(&facet.own) {
            return Err(format!(
                "facet '{name}': own is {}, expected 0 to {MAX_WEIGHT}",
                facet.own
            ));
        }
        if !(facet.per > 0.0 && facet.per.is_finite()) {
            return Err(format!("facet '{name}': per is {}, expected more than 0", facet.per));
        }
        let (columns, expected) = (
            facet.columns.len(),
            match facet.kind {
                Kind::Cosine => "none: it is of the vectors",
                Kind::Jaccard => "one or more of text or lists of text",
                Kind::Distance => "one of numbers",
            },
        );
        let fits = match facet.kind {
            Kind::Cosine => columns == 0,
            Kind::Jaccard => columns > 0,
            Kind::Distance => columns == 1,
        };
        if !fits {
            return Err(format!("facet '{name}' names {columns} columns, expected {expected}"));
        }
    }
    let cosines = facets.iter().filter(|facet| facet.kind == Kind::Cosine).count();
    if cosines != 1 {
        return Err(format!("{cosines} facets are of kind cosine, expected one"));
    }
    Ok(facets)
}

/// Inputs that are not facets.
const RESERVED: [&str; 7] = ["query", "k", "filter", "liked", "disliked", "weights", "diversity"];
