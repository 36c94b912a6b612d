//! Words of texts: taken apart, without case and accents, and how many synopses have them.

use std::collections::{HashMap, HashSet};

/// Articles that titles are not sorted by.
const ARTICLES: [&str; 3] = ["the ", "a ", "an "];

/// A letter without its accents, in lower case; what it is written as in plain letters.
pub(crate) fn fold(c: char, folded: &mut String) {
    let plain = match c {
        'À'..='Å' | 'à'..='å' | 'Ā'..='ą' => "a",
        'Ç' | 'ç' | 'Ć'..='č' => "c",
        'Ď'..='đ' | 'Ð' | 'ð' => "d",
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' => "e",
        'Ĝ'..='ģ' => "g",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' => "i",
        'Ł' | 'ł' | 'Ĺ'..='ŀ' => "l",
        'Ñ' | 'ñ' | 'Ń'..='ň' => "n",
        'Ò'..='Ö' | 'Ø' | 'ò'..='ö' | 'ø' | 'Ō'..='ő' => "o",
        'Ŕ'..='ř' => "r",
        'Ś'..='š' | 'Ș' | 'ș' => "s",
        'Ţ'..='ŧ' | 'Ț' | 'ț' => "t",
        'Ù'..='Ü' | 'ù'..='ü' | 'Ũ'..='ų' => "u",
        'Ý' | 'ý' | 'ÿ' | 'Ŷ'..='Ÿ' => "y",
        'Ź'..='ž' => "z",
        'Æ' | 'æ' => "ae",
        'Œ' | 'œ' => "oe",
        'ß' => "ss",
        'Þ' | 'þ' => "th",
        // A combining accent belongs to the letter before it.
        '\u{300}'..='\u{36f}' => "",
        _ => {
            folded.extend(c.to_lowercase());
            return;
        }
    };
    folded.push_str(plain);
}

/// The words of a text, folded. Apostrophes join, everything else that is neither letter nor digit
/// parts.
pub(crate) fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’' | '\u{300}'..='\u{36f}')))
        .filter_map(|word| {
            let mut folded = String::with_capacity(word.len());
            for c in word.chars().filter(|c| !matches!(c, '\'' | '’')) {
                fold(c, &mut folded);
            }
            (!folded.is_empty()).then_some(folded)
        })
}

/// What a title is sorted by.
pub(super) fn title_key(title: &str) -> String {
    let key = words_of(title).collect::<Vec<_>>().join(" ");
    let article = ARTICLES.iter().find(|article| key.starts_with(**article));
    article.map_or(key.clone(), |article| key[article.len()..].to_owned())
}

/// A folded word without its commonest English endings: near enough to tell that two words of two
/// texts mean the same.
pub(crate) fn stem(word: &str) -> &str {
    for ending in ["ies", "ing", "ers", "ed", "es", "er", "s", "y", "e"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 4
            && !(ending == "s" && stem.ends_with('s'))
        {
            return stem;
        }
    }
    word
}

/// The words of all synopses, by their stems.
#[derive(Debug)]
pub(crate) struct Words {
    /// Of a stem: in how many synopses it is.
    films_with: HashMap<String, usize>,
    /// Of each film: the stems of its synopsis.
    of_film: Vec<HashSet<String>>,
}

impl Words {
    pub(super) fn new<'a>(synopses: impl Iterator<Item = &'a str>) -> Self {
        let of_film: Vec<HashSet<String>> = synopses
            .map(|synopsis| words_of(synopsis).map(|word| stem(&word).to_owned()).collect())
            .collect();
        let mut films_with = HashMap::new();
        for stem in of_film.iter().flatten() {
            *films_with.entry(stem.clone()).or_insert(0) += 1;
        }
        Self { films_with, of_film }
    }

    /// How many synopses have this stem.
    pub(crate) fn films_with(&self, stem: &str) -> usize {
        self.films_with.get(stem).copied().unwrap_or(0)
    }

    /// Whether the synopsis of the film at `position` has this stem.
    pub(crate) fn has(&self, position: usize, stem: &str) -> bool {
        self.of_film[position].contains(stem)
    }

    /// Whether a stem is in more than one synopsis of twelve: it tells nothing of a film.
    pub(crate) fn is_common(&self, stem: &str) -> bool {
        self.films_with(stem) * 12 > self.of_film.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(words_of(text).collect::<Vec<_>>(), expect, "{text}");
        };
        check("Amélie’s HÄXAN, 8½!", &["amelies", "haxan", "8½"]);
        check("Łódź — Ame\u{301}lie", &["lodz", "amelie"]);
        check("<b>It's</b> 🎬", &["b", "its", "b"]);
        check("七人の侍", &["七人の侍"]);
        check("", &[]);
    }

    #[test]
    fn titles_are_sorted_without_articles() {
        assert_eq!(title_key("The Kid"), "kid");
        assert_eq!(title_key("A Trip to the Moon"), "trip to the moon");
        assert_eq!(title_key("Them!"), "them");
    }

    #[test]
    fn words_of_one_stem() {
        for (a, b) in [
            ("robbery", "robberies"),
            ("robot", "robots"),
            ("detective", "detectives"),
            ("hunted", "hunting"),
        ] {
            assert_eq!(stem(a), stem(b));
        }
        assert_ne!(stem("glass"), stem("glad"));
        assert_eq!(stem("boss"), "boss");
    }

    #[test]
    fn common_words_are_told_from_others() {
        let catalogue = super::super::tests::catalogue();
        let words = catalogue.words();
        for word in ["the", "his", "with", "man"] {
            assert!(words.is_common(stem(word)), "{word}");
        }
        for word in ["detective", "vampire", "submarine"] {
            let stem = stem(word);
            assert!(words.films_with(stem) > 0 && !words.is_common(stem), "{word}");
        }
    }
}
