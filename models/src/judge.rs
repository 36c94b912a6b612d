//! What an encoder and a way of indexing are worth: sentences of people who remember a film are asked, and
//! the film's place among the answers is counted. Choose on the development probes, report the others.

use crate::{encoder::TextEncoder, progress::Step};
use anyhow::{Context as _, Result, bail};
use hippocamp_catalogue::{Film, PassageKind, passages};
use serde::Deserialize;
use std::{collections::HashMap, fs, path::Path};

/// One question, and the film it is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// A sentence that names no title and no person.
    pub text: String,
    /// The film's id in the catalogue.
    pub film: String,
    /// Which half it belongs to.
    pub split: Split,
}

/// Which probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To choose by.
    Dev,
    /// To report.
    Test,
}

/// How many probes have their film first, among the first three, among the first ten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Places {
    /// Probes.
    pub probes: usize,
    /// Film first.
    pub first: usize,
    /// Among the first three.
    pub three: usize,
    /// Among the first ten.
    pub ten: usize,
    /// Mean of one over the place.
    pub reciprocal: f64,
}

impl Places {
    /// Counts places, from 1; `None` is nowhere.
    pub fn of(places: &[Option<usize>]) -> Self {
        let within = |limit| places.iter().flatten().filter(|&&place| place <= limit).count();
        #[expect(clippy::cast_precision_loss, reason = "places are small numbers")]
        let reciprocal = places.iter().flatten().map(|&place| 1.0 / place as f64).sum::<f64>()
            / places.len().max(1) as f64;
        Self {
            probes: places.len(),
            first: within(1),
            three: within(3),
            ten: within(10),
            reciprocal,
        }
    }
}

/// Reads a file of probes, one JSON object a line.
///
/// # Errors
/// If the file cannot be read, or a line is no probe.
pub fn read_probes(path: &Path) -> Result<Vec<Probe>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(line, text)| {
            serde_json::from_str(text)
                .with_context(|| format!("{} line {}", path.display(), line + 1))
        })
        .collect()
}

/// One way of indexing: the passages that count.
struct Way {
    name: &'static str,
    kinds: &'static [PassageKind],
}

const WAYS: &[Way] = {
    use PassageKind::{Headed, Pair, Sentence, Synopsis};
    &[
        Way { name: "whole synopsis", kinds: &[Synopsis] },
        Way { name: "whole with head", kinds: &[Headed] },
        Way { name: "sentences", kinds: &[Sentence] },
        Way { name: "pairs of sentences", kinds: &[Pair] },
        Way { name: "sentences, whole", kinds: &[Sentence, Synopsis] },
        Way { name: "pairs, whole", kinds: &[Pair, Synopsis] },
        Way { name: "sentences, pairs, whole", kinds: &[Sentence, Pair, Synopsis] },
        Way { name: "pairs, head", kinds: &[Pair, Headed] },
        Way { name: "sentences, pairs, head", kinds: &[Sentence, Pair, Headed] },
        Way { name: "all four", kinds: &[Sentence, Pair, Synopsis, Headed] },
    ]
};

/// Figures of every way of indexing with one encoder, on the probes of one half; a film is as near as its
/// nearest passage, or the sum of that and of its whole synopsis (`+ whole`).
///
/// # Errors
/// If the encoder fails, or a probe is about no film of the catalogue.
pub fn judge(
    encoder: &TextEncoder,
    films: &[Film],
    probes: &[Probe],
) -> Result<Vec<(String, Split, Places)>> {
    let numbers: HashMap<&str, usize> =
        films.iter().enumerate().map(|(number, film)| (film.id.as_str(), number)).collect();
    let mut entries: Vec<(usize, PassageKind, String)> = Vec::new();
    for (number, film) in films.iter().enumerate() {
        entries
            .extend(passages(film).into_iter().map(|passage| (number, passage.kind, passage.text)));
    }
    let step = Step::count("encoding passages and probes", entries.len() + probes.len());
    let texts: Vec<&str> = entries
        .iter()
        .map(|(_, _, text)| text.as_str())
        .chain(probes.iter().map(|probe| probe.text.as_str()))
        .collect();
    let vectors = encoder.encode(&texts, |more| step.add(more))?;
    step.done();
    let (passage_vectors, probe_vectors) = vectors.split_at(entries.len());

    let mut places: HashMap<(String, bool), Vec<Option<usize>>> = HashMap::new();
    let mut order = Vec::new();
    for (probe, vector) in probes.iter().zip(probe_vectors) {
        let Some(&wanted) = numbers.get(probe.film.as_str()) else {
            bail!("a probe is about film '{}', which is not in the catalogue", probe.film);
        };
        let scores: Vec<f32> = passage_vectors.iter().map(|passage| dot(vector, passage)).collect();
        let best = |kinds: &[PassageKind]| {
            let mut best = vec![f32::MIN; films.len()];
            for ((film, kind, _), &score) in entries.iter().zip(&scores) {
                if kinds.contains(kind) {
                    best[*film] = best[*film].max(score);
                }
            }
            best
        };
        let whole = best(&[PassageKind::Synopsis]);
        for way in WAYS {
            let nearest = best(way.kinds);
            let both: Vec<f32> = nearest.iter().zip(&whole).map(|(a, b)| a + b).collect();
            for (name, scores) in
                [(way.name.to_owned(), nearest), (format!("{} + whole", way.name), both)]
            {
                let key = (name, probe.split == Split::Dev);
                let ahead = scores.iter().filter(|&&score| score > scores[wanted]).count();
                if !places.contains_key(&key) {
                    order.push(key.clone());
                }
                places.entry(key).or_default().push(Some(ahead + 1));
            }
        }
    }
    Ok(order
        .into_iter()
        .map(|key| {
            let figures = Places::of(&places[&key]);
            (key.0, if key.1 { Split::Dev } else { Split::Test }, figures)
        })
        .collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted() {
        let places = Places::of(&[Some(1), Some(2), None, Some(10), Some(11), Some(4)]);
        assert_eq!((places.probes, places.first, places.three, places.ten), (6, 1, 2, 4));
        assert!((places.reciprocal - (1.0 + 0.5 + 0.1 + 1.0 / 11.0 + 0.25) / 6.0).abs() < 1e-9);
    }

    #[test]
    fn the_probes_are_about_films_of_the_catalogue() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalogue");
        let probes = read_probes(&root.join("probes.jsonl")).unwrap();
        let films = hippocamp_catalogue::load(&root.join("films.jsonl")).unwrap();
        for split in [Split::Dev, Split::Test] {
            assert_eq!(probes.iter().filter(|probe| probe.split == split).count(), 40);
        }
        for probe in &probes {
            let film = films.iter().find(|film| film.id == probe.film).expect(&probe.film);
            let lower = |text: &str| -> Vec<String> {
                text.to_lowercase()
                    .split(|c: char| !c.is_alphanumeric())
                    .map(str::to_owned)
                    .collect()
            };
            let words = lower(&probe.text);
            for person in film.directors.iter().chain(&film.cast) {
                let surname = lower(person).pop().unwrap();
                assert!(!words.contains(&surname), "{} names {person}", probe.film);
            }
            let text = probe.text.to_lowercase();
            assert!(!text.contains(&film.title.to_lowercase()), "{} is named", probe.film);
        }
    }
}
