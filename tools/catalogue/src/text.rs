//! What no text of the catalogue may hold: the traces of copying and of other encodings.

/// Characters that are not seen, or that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// ASCII letters that have a composed form with the combining mark, so that NFC text never holds the two.
fn composed_with(mark: char) -> &'static str {
    match mark {
        '\u{300}' => "AEINOUWYaeinouwy",
        '\u{301}' => "ACEGIKLMNOPRSUWYZacegiklmnoprsuwyz",
        '\u{302}' => "ACEGHIJOSUWYZaceghijosuwyz",
        '\u{303}' => "AEINOUVYaeinouvy",
        '\u{304}' => "AEGIOUYaegiouy",
        '\u{306}' => "AEGIOUaegiou",
        '\u{307}' => "ABCDEFGHIMNOPRSTWXYZabcdefghmnoprstwxyz",
        '\u{308}' => "AEHIOUWXYaehiotuwxy",
        '\u{309}' => "AEIOUYaeiouy",
        '\u{30a}' => "AUauwy",
        '\u{30b}' => "OUou",
        '\u{30c}' => "ACDEGHIKLNORSTUZacdeghijklnorstuz",
        '\u{323}' => "ABDEHIKLMNORSTUVWYZabdehiklmnorstuvwyz",
        '\u{327}' => "CDEGHKLNRSTcdeghklnrst",
        '\u{328}' => "AEIOUaeiou",
        _ => "",
    }
}

/// What is wrong with the text itself, as (what is expected, what is there).
pub(crate) fn faults(text: &str) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if text.trim().is_empty() {
        faults.push(("text", if text.is_empty() { "nothing" } else { "blanks" }.to_owned()));
        return faults;
    }
    let name = |c: char| format!("U+{:04X}", u32::from(c));
    if let Some(c) = text.chars().find(|c| c.is_control() || is_invisible(*c)) {
        faults.push(("characters that can be seen", name(c)));
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        faults.push(("text in UTF-8 from the start", name(char::REPLACEMENT_CHARACTER)));
    }
    let decomposed = text.chars().zip(text.chars().skip(1));
    if let Some((letter, mark)) =
        decomposed.into_iter().find(|(c, mark)| composed_with(*mark).contains(*c))
    {
        let got = format!("'{letter}' and {}", name(mark));
        faults.push(("a letter and its accent as one character (Unicode NFC)", got));
    }
    if text.trim() != text {
        faults.push(("no blanks around the text", "some".to_owned()));
    }
    if text.contains("  ") {
        faults.push(("single blanks between words", "two together".to_owned()));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_fault_alone() {
        let check = |text, expect: &[&str]| {
            let expected: Vec<&str> =
                faults(text).into_iter().map(|(expected, _)| expected).collect();
            assert_eq!(expected, expect, "{text:?}");
        };
        check("Amélie, Häxan, 8½, Łódź, 日本", &[]);
        check("", &["text"]);
        check(" \t", &["text"]);
        check("a\nb", &["characters that can be seen"]);
        check("a\u{feff}b", &["characters that can be seen"]);
        check("a\u{200b}b", &["characters that can be seen"]);
        check("Am\u{fffd}lie", &["text in UTF-8 from the start"]);
        check("Ame\u{301}lie", &["a letter and its accent as one character (Unicode NFC)"]);
        // No composed form: this is how it is written.
        check("q\u{301}", &[]);
        check("\u{301}", &[]);
        check(" a", &["no blanks around the text"]);
        check("a  b", &["single blanks between words"]);
        check("a  b ", &["no blanks around the text", "single blanks between words"]);
    }
}
