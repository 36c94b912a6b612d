//! The texts of a film that an index may hold a vector for. Which kinds it holds is for whoever
//! builds it, by measurement.

use crate::film::Film;
use crate::sentences::sentences;

/// What a passage is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PassageKind {
    /// One sentence of the synopsis.
    Sentence,
    /// Two sentences in succession.
    Pair,
    /// The synopsis, whole.
    Synopsis,
    /// Title, year, genres and directors, then the synopsis.
    Headed,
}

/// A text about a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What it is made of.
    pub kind: PassageKind,
    /// What is given to the encoder.
    pub text: String,
}

/// The passages of all kinds, in the order of the kinds, then of the text. A synopsis of one
/// sentence is its own sentence, and has no pair.
#[must_use]
pub fn passages(film: &Film) -> Vec<Passage> {
    let sentences = sentences(&film.synopsis);
    let passage = |kind, text| Passage { kind, text };
    let single = sentences.iter().map(|one| passage(PassageKind::Sentence, (*one).to_owned()));
    let pairs = sentences.windows(2).map(|pair| passage(PassageKind::Pair, pair.join(" ")));
    let whole = [
        passage(PassageKind::Synopsis, film.synopsis.clone()),
        passage(PassageKind::Headed, format!("{} {}", head(film), film.synopsis)),
    ];
    single.chain(pairs).chain(whole).collect()
}

fn head(film: &Film) -> String {
    let Film { title, year, genres, directors, .. } = film;
    format!("{title} ({year}). Genres: {}. Directed by {}.", genres.join(", "), listed(directors))
}

/// `A`, `A and B`, `A, B and C`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::film;

    #[test]
    fn windows_and_wholes() {
        let film = Film {
            directors: vec!["A".into(), "B".into(), "C".into()],
            synopsis: "Dr. No waits. Bond comes! He dies.".to_owned(),
            ..film()
        };
        let head = "Häxan & Kids (1921). Genres: Comedy, Science Fiction. Directed by A, B and C.";
        let passages: Vec<(PassageKind, String)> =
            passages(&film).into_iter().map(|passage| (passage.kind, passage.text)).collect();
        let expect = [
            (PassageKind::Sentence, "Dr. No waits."),
            (PassageKind::Sentence, "Bond comes!"),
            (PassageKind::Sentence, "He dies."),
            (PassageKind::Pair, "Dr. No waits. Bond comes!"),
            (PassageKind::Pair, "Bond comes! He dies."),
            (PassageKind::Synopsis, "Dr. No waits. Bond comes! He dies."),
            (PassageKind::Headed, &format!("{head} Dr. No waits. Bond comes! He dies.")),
        ];
        assert_eq!(passages, expect.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn a_single_sentence_has_no_pair() {
        let film = Film { synopsis: "Bond comes.".to_owned(), ..film() };
        let kinds: Vec<PassageKind> = passages(&film).iter().map(|passage| passage.kind).collect();
        assert_eq!(kinds, [PassageKind::Sentence, PassageKind::Synopsis, PassageKind::Headed]);
    }
}
