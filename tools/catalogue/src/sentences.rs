//! Where a sentence of the synopses ends: at `.`, `!` or `?` before a blank and a capital, but not
//! behind an abbreviation or an initial.

/// Always followed by a name or number.
const TITLES: [&str; 20] = [
    "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Ste", "Mt", "Ft", "Gen", "Col", "Maj", "Capt", "Lt",
    "Sgt", "Cpl", "Pvt", "Rev", "No", "vs",
];
/// May end a sentence or not.
const ABBREVIATIONS: [&str; 8] = ["Jr", "Sr", "Inc", "Co", "Ltd", "Corp", "etc", "Bros"];
/// What begins a sentence far more often than a name: behind an initial or abbreviation it decides.
const BEGINNINGS: [&str; 30] = [
    "After", "All", "An", "And", "As", "At", "Before", "But", "By", "For", "From", "He", "Her",
    "His", "In", "It", "Its", "On", "One", "She", "Soon", "The", "Their", "Then", "There", "They",
    "This", "When", "While", "With",
];

/// The sentences of a text, without the blanks between them.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (blank, _) in text.match_indices(char::is_whitespace) {
        if blank >= start && ends_between(&text[start..blank], text[blank..].trim_start()) {
            sentences.push(text[start..blank].trim());
            start = blank;
        }
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Whether a sentence ends with `before` and another begins with `after`.
fn ends_between(before: &str, after: &str) -> bool {
    let opens = |c: char| matches!(c, '"' | '\'' | '(' | '[' | '“' | '‘');
    let closes = |c: char| matches!(c, '"' | '\'' | ')' | ']' | '”' | '’');
    let next = after.trim_start_matches(opens);
    if !next.starts_with(|c: char| c.is_uppercase() || c.is_numeric()) {
        return false;
    }
    let ended = before.trim_end_matches(closes);
    let Some(unstopped) = ended.strip_suffix('.') else {
        return ended.ends_with(['!', '?', '…']);
    };
    let last = unstopped.rsplit(char::is_whitespace).next().unwrap_or_default();
    let last = last.trim_start_matches(opens);
    if TITLES.contains(&last) {
        return false;
    }
    if is_initials(last) || ABBREVIATIONS.contains(&last) {
        let word = next.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        return BEGINNINGS.contains(&word);
    }
    true
}

/// `J` of "J.", `T.J` of "T.J.".
fn is_initials(word: &str) -> bool {
    word.split('.').all(|part| {
        let mut characters = part.chars();
        characters.next().is_some_and(char::is_uppercase) && characters.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_at_stops_but_not_at_abbreviations() {
        let check = |text: &str, expect: &[&str]| assert_eq!(sentences(text), expect);
        check("", &[]);
        check("  ", &[]);
        check("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]);
        check(" One.  Two. ", &["One.", "Two."]);
        check(
            "Mr. and Mrs. Smith see Dr. Caligari. He dies.",
            &["Mr. and Mrs. Smith see Dr. Caligari.", "He dies."],
        );
        check("At St. Elmo Lt. T. E. Lawrence waits.", &["At St. Elmo Lt. T. E. Lawrence waits."]);
        check(
            "L. B. Jefferies watches. J. Robert Oppenheimer leaves.",
            &["L. B. Jefferies watches.", "J. Robert Oppenheimer leaves."],
        );
        check(
            "Frank T.J. Mackey preaches. E.T. learns words.",
            &["Frank T.J. Mackey preaches.", "E.T. learns words."],
        );
        check("Martin Luther King Jr. Park is shut.", &["Martin Luther King Jr. Park is shut."]);
        check(
            "He is Abagnale Jr. The police follow.",
            &["He is Abagnale Jr.", "The police follow."],
        );
        check(
            "It plays its assassin, S. Their director is George.",
            &["It plays its assassin, S.", "Their director is George."],
        );
        check(
            "Nick Fury of S.H.I.E.L.D. has an idea.",
            &["Nick Fury of S.H.I.E.L.D. has an idea."],
        );
        check(
            "\"Are you happy?\" asks Marceline. \"Yes!\" He lies.",
            &["\"Are you happy?\" asks Marceline.", "\"Yes!\"", "He lies."],
        );
        check(
            "A tape of Hello, Dolly! that taught him. (It is old.) 1932 follows.",
            &["A tape of Hello, Dolly! that taught him.", "(It is old.)", "1932 follows."],
        );
        check("It cost 3.5 million. It lost.", &["It cost 3.5 million.", "It lost."]);
        check("Été. Économie.", &["Été.", "Économie."]);
        check("Plan A. B follows.", &["Plan A. B follows."]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_word_is_lost(text in prop_oneof![any::<String>(), "([A-Za-zé]{1,3}[.!?\"')(]{0,2}[ \u{2003}\n]{0,2}){0,20}"]) {
            let joined = sentences(&text).join(" ");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&joined), words(&text));
        }
    }
}
