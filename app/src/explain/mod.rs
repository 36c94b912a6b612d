//! Why: how much each word of a plot counts for a film, and where in a poster a genre is seen.

mod masks;
mod rise;
mod words;

pub(crate) use rise::{MOST_MASKS, Region, explain_poster};
pub(crate) use words::{FilmVectors, explain_plot};
