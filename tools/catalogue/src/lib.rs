//! The film catalogue: reads films from JSON lines, checks them, and makes of them the table of items
//! and the passages that an index is built from. The binary of the same name checks a file and counts
//! what is in it; the program that builds the index calls [`load`], [`items`] and [`passages`].
#![forbid(unsafe_code)]

mod check;
mod duplicates;
mod film;
mod items;
mod load;
mod passages;
mod problem;
mod sentences;
mod stats;
mod text;
mod vocabulary;

pub use check::check;
pub use film::Film;
pub use items::{items, schema};
pub use load::{Entry, LoadError, load, read, this_year};
pub use passages::{Passage, PassageKind, passages};
pub use problem::{Fault, Problem};
pub use stats::stats;
pub use vocabulary::GENRES;
