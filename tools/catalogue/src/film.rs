//! One film, as a line of the catalogue holds it.

use serde::{Deserialize, Serialize};

/// A film. What each field may hold is checked by [`crate::check()`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// Title in `a-z`, `0-9` and hyphens, then the year: `the-kid-1921`. Unique.
    pub id: String,
    /// Title of the English-language release.
    pub title: String,
    /// Year of the first public showing.
    pub year: i32,
    /// One or more.
    pub directors: Vec<String>,
    /// Actors, or voices; empty for films without.
    pub cast: Vec<String>,
    /// One or more of [`crate::GENRES`].
    pub genres: Vec<String>,
    /// Producing countries, ISO 3166-1 alpha-2; one or more.
    pub countries: Vec<String>,
    /// Languages spoken, ISO 639-1; empty for films without dialogue.
    pub languages: Vec<String>,
    /// Minutes.
    pub runtime: i32,
    /// What happens, in a paragraph of English.
    pub synopsis: String,
}
