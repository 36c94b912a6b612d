//! From the films of the catalogue to the files of an index model: passages, their vectors, the table.

use crate::{encoder::TextEncoder, progress::Step};
use anyhow::{Context as _, Result, bail};
use hippocamp_catalogue::{Film, PassageKind, items, passages};
use hippocamp_usearch::{Index, IndexWriter, Scalar, SearchOptions, Vector, WriteOptions};
use sha2::{Digest as _, Sha256};
use std::{fs, path::Path};

/// The passages of a film that are indexed, the one that stands for the whole first; chosen by
/// `hippocamp-models judge` on the development probes, see docs/decisions/0003.
const INDEXED: &[PassageKind] =
    &[PassageKind::Synopsis, PassageKind::Headed, PassageKind::Sentence, PassageKind::Pair];

/// Counts up when the way from films to vectors changes, so that indexes are built again.
const RECIPE: u32 = 1;

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct IndexOrder<'a> {
    /// The model repository.
    pub repository: &'a Path,
    /// Name of the tokenizer's model.
    pub tokenizer: &'a str,
    /// Name of the encoder's model.
    pub encoder: &'a str,
    /// Name of the index's model; its version 1 is written.
    pub index: &'a str,
    /// The films.
    pub catalogue: &'a Path,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// The files were there, made from the same films by the same encoder.
    UpToDate,
    /// Written.
    Written {
        /// Films.
        films: usize,
        /// Vectors of all films.
        vectors: usize,
        /// Bytes of the index.
        bytes: u64,
    },
}

/// Builds an index, unless it is there and up to date.
///
/// # Errors
/// If the films are not valid, the encoder's files are missing or wrong, or a file cannot be written.
pub fn build_index(order: IndexOrder<'_>) -> Result<Built> {
    let films = hippocamp_catalogue::load(order.catalogue)?;
    let encoder = TextEncoder::open(order.repository, order.tokenizer, order.encoder)?;
    let directory = order.repository.join(order.index).join("1");
    let source = source(&order, &encoder)?;
    // Opened as the server does: what it would refuse is built again.
    if let Ok(index) = Index::open(&directory, SearchOptions::default())
        && index.manifest().source == source
    {
        return Ok(Built::UpToDate);
    }

    let (owners, texts) = texts(&films);
    let step = Step::count(&format!("{}: encoding passages", order.index), texts.len());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = encoder.encode(&texts, |more| step.add(more))?;
    step.done();
    let vectors: Vec<Vector> = owners
        .into_iter()
        .zip(vectors)
        // A passage without a word that the encoder knows has no direction.
        .filter(|(_, values)| values.iter().any(|&value| value != 0.0))
        .map(|(item, values)| Vector { item, values })
        .collect();
    for (number, film) in films.iter().enumerate() {
        if vectors.binary_search_by_key(&number, |vector| vector.item).is_err() {
            bail!("film '{}' has no word that encoder '{}' knows", film.id, order.encoder);
        }
    }

    let options = WriteOptions {
        embedding_space: encoder.embedding_space().to_owned(),
        dimensions: encoder.dimensions(),
        scalar: Scalar::Bf16,
        source,
    };
    let step = Step::count(&format!("{}: building the index", order.index), vectors.len());
    let written =
        IndexWriter::new(&directory, options).write(&items(&films), &vectors, |_| step.add(1))?;
    step.done();
    Ok(Built::Written {
        films: written.items,
        vectors: written.manifest.vectors,
        bytes: written.manifest.index_bytes,
    })
}

/// The texts to index, and by text the film's number.
fn texts(films: &[Film]) -> (Vec<usize>, Vec<String>) {
    films
        .iter()
        .enumerate()
        .flat_map(|(number, film)| {
            let mut passages = passages(film);
            let rank = |kind| INDEXED.iter().position(|indexed| *indexed == kind);
            passages.retain(|passage| rank(passage.kind).is_some());
            passages.sort_by_key(|passage| rank(passage.kind));
            passages.into_iter().map(move |passage| (number, passage.text))
        })
        .unzip()
}

/// A hash of all that the index depends on: films, encoder with its settings, recipe.
fn source(order: &IndexOrder<'_>, encoder: &TextEncoder) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{RECIPE} {INDEXED:?}"));
    let config = order.repository.join(order.tokenizer).join("config.pbtxt");
    let files = encoder.files().iter().map(AsRef::as_ref);
    for file in files.chain([order.catalogue, config.as_path()]) {
        let bytes = fs::read(file).with_context(|| format!("cannot read '{}'", file.display()))?;
        hash.update(Sha256::digest(bytes));
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
