//! A plot in somebody's own words: what is refused, and what is answered with a warning.

use super::fields::cut;
use crate::{
    catalogue::{Catalogue, stem, words_of},
    error::AppError,
    inference::Technique,
};

/// Longest plot, in bytes of UTF-8: some 10,000 words, of which the encoders read a few hundred.
pub(crate) const MOST_BYTES: usize = 64 << 10;

/// Words below which nothing is said of the language.
const FEW_WORDS: usize = 4;

/// A plot that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plot(String);

impl Plot {
    /// Checks a text. HTML and emoji are text like any other.
    ///
    /// # Errors
    /// If there is nothing in it, or too much.
    pub(crate) fn new(text: &str) -> Result<Self, AppError> {
        if text.len() > MOST_BYTES {
            return Err(AppError::TooLarge {
                field: "plot",
                message: format!(
                    "expected at most {MOST_BYTES} bytes (some 10,000 words), got {} bytes; the encoders read a few hundred words, so send the beginning or a summary",
                    text.len()
                ),
            });
        }
        if text.trim().is_empty() {
            return Err(AppError::field(
                "plot",
                "expected what the film is about, in your own words, got nothing",
            ));
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err(AppError::field(
                "plot",
                format!("expected words, got only signs: '{}'", cut(text.trim())),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text, as it came.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// What its writer should know.
    pub(crate) fn warnings(&self, technique: Technique, catalogue: &Catalogue) -> Vec<String> {
        let mut warnings = Vec::new();
        let words = self.0.split_whitespace().count();
        let read = technique.words_read();
        if words > read {
            warnings.push(format!(
                "the plot has {words} words; about the first {read} count, the encoder reads no further"
            ));
        }
        if let Some(warning) = self.language(catalogue) {
            warnings.push(warning);
        }
        warnings
    }

    /// Whether it is hardly the English that the encoders learned.
    fn language(&self, catalogue: &Catalogue) -> Option<String> {
        let letters = self.0.chars().filter(|c| c.is_alphabetic());
        let (latin, other): (Vec<char>, Vec<char>) =
            letters.partition(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}'));
        if other.len() > latin.len() {
            return Some(
                "the plot is mostly not in Latin letters; the encoders learned English, so expect poor matches"
                    .to_owned(),
            );
        }
        let words: Vec<String> = words_of(&self.0).take(500).collect();
        let vocabulary = catalogue.words();
        let known = words.iter().filter(|word| vocabulary.films_with(stem(word)) > 2).count();
        (words.len() >= FEW_WORDS && known * 2 < words.len()).then(|| {
            format!(
                "only {known} of {} words are known English ones; the encoders learned English, so expect poor matches",
                words.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;

    #[test]
    fn what_is_refused() {
        let error = |text: &str| Plot::new(text).unwrap_err();
        assert!(error("").to_string().contains("got nothing"));
        assert!(error(" \n\t ").to_string().contains("got nothing"));
        assert!(error("?! 🎬").to_string().contains("got only signs"));
        let long = "word ".repeat(100_000);
        assert_eq!(error(&long).status(), 413);
        assert!(
            error(&long)
                .to_string()
                .contains("at most 65536 bytes (some 10,000 words), got 500000")
        );
        assert!(Plot::new("<p>A heist 🎬 &amp; a dog</p>").is_ok());
        assert!(Plot::new(&"w ".repeat(32_768)).is_ok());
    }

    #[test]
    fn what_is_warned_of() {
        let catalogue = catalogue();
        let warnings =
            |text: &str| Plot::new(text).unwrap().warnings(Technique::MiniLm, catalogue).join("; ");
        let plain = "an ageing mafia boss hands the family business to his reluctant youngest son";
        assert_eq!(warnings(plain), "");
        assert_eq!(warnings("a heist"), "");
        assert_eq!(warnings("<p>An ageing <b>mafia boss</b> &amp; his family 🎬</p>"), "");
        assert!(
            warnings(&"a heist ".repeat(200)).contains("has 400 words; about the first 190 count")
        );
        assert!(
            warnings("Семья мафии передаёт дело младшему сыну").contains("not in Latin letters")
        );
        assert!(warnings("七人の侍が村を守る").contains("not in Latin letters"));
        assert!(
            warnings("Ein alternder Mafiaboss übergibt das Geschäft seinem jüngsten Sohn, der es nicht haben will")
                .contains("words are known English ones")
        );
        assert!(
            warnings("un vieux parrain de la mafia confie les affaires de sa famille à son plus jeune fils")
                .contains("words are known English ones")
        );
    }
}
