//! The pattern of a `like`: `%` for any characters, `_` for one, `\` before one that is meant itself.

/// A pattern, cut at its `%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Before the first `%`; all of it if there is none.
    head: Piece,
    /// Between two `%`, in this order; none is empty.
    middle: Vec<Piece>,
    /// After the last `%`; `None` if there is none.
    tail: Option<Piece>,
}

/// Text in which some characters may be any.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Piece {
    /// Each character, or `None` for any.
    characters: Vec<Option<char>>,
    /// The same, if none may be any: found with the standard library's linear search.
    text: Option<String>,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        let mut pieces = vec![Vec::new()];
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            let meant = match character {
                '%' => {
                    pieces.push(Vec::new());
                    continue;
                }
                '_' => None,
                '\\' => Some(characters.next_if(|c| matches!(c, '%' | '_' | '\\')).unwrap_or('\\')),
                other => Some(other),
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(meant);
            }
        }
        let mut pieces = pieces.into_iter().map(Piece::new);
        let head = pieces.next().unwrap_or_default();
        let tail = pieces.next_back();
        let middle = pieces.filter(|piece| !piece.characters.is_empty()).collect();
        Self { head, middle, tail }
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        let Some(mut rest) = self.head.at_start(value) else {
            return false;
        };
        let Some(tail) = &self.tail else {
            return rest.is_empty();
        };
        // The leftmost place of each piece leaves the most for those that follow.
        for piece in &self.middle {
            match piece.find(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        tail.at_end(rest)
    }
}

impl Piece {
    fn new(characters: Vec<Option<char>>) -> Self {
        let text = characters.iter().copied().collect();
        Self { characters, text }
    }

    /// What follows the piece, if `value` starts with it.
    fn at_start<'a>(&self, value: &'a str) -> Option<&'a str> {
        if let Some(text) = &self.text {
            return value.strip_prefix(text.as_str());
        }
        let mut rest = value.chars();
        for wanted in &self.characters {
            let character = rest.next()?;
            if wanted.is_some_and(|wanted| wanted != character) {
                return None;
            }
        }
        Some(rest.as_str())
    }

    /// What follows the first place where the piece is found.
    fn find<'a>(&self, value: &'a str) -> Option<&'a str> {
        if let Some(text) = &self.text {
            return value.find(text.as_str()).map(|at| &value[at + text.len()..]);
        }
        // A character takes a byte at least, so no match starts within the last few.
        value
            .char_indices()
            .take_while(|(at, _)| value.len() - at >= self.characters.len())
            .find_map(|(at, _)| self.at_start(&value[at..]))
    }

    fn at_end(&self, value: &str) -> bool {
        if let Some(text) = &self.text {
            return value.ends_with(text.as_str());
        }
        let mut rest = value.chars();
        self.characters
            .iter()
            .rev()
            .all(|wanted| rest.next_back().is_some_and(|c| wanted.is_none_or(|wanted| wanted == c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_sql_does() {
        let check = |pattern, value, expect| {
            assert_eq!(Pattern::new(pattern).matches(value), expect, "{value} like {pattern}");
        };
        check("", "", true);
        check("", "a", false);
        check("%", "", true);
        check("%%", "abc", true);
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("abc", "Abc", false);
        check("The %", "The Kid", true);
        check("The %", "The", false);
        check("%Kid", "The Kid", true);
        check("%K_d", "The Kid", true);
        check("%K_d", "The Kids", false);
        check("%e%h%d", "The Kid", false);
        check("%h%i%d", "The Kid", true);
        check("_e_", "été", false);
        check("_t_", "été", true);
        check("__", "日本", true);
        check("%_本%", "日本語", true);
        check("%_日%", "日本語", false);
        // Head and tail may not overlap.
        check("aba%ba", "aba", false);
        check("aba%ba", "ababa", true);
        check("a%a", "a", false);
        check("%a%a%", "a", false);
        check("a%_", "a", false);
        check("a%_", "ab", true);
        check("%_", "", false);
        check("100\\%", "100%", true);
        check("100\\%", "1000", false);
        check("a\\_b", "a_b", true);
        check("a\\_b", "axb", false);
        check("a\\\\%", "a\\b", true);
        check("a\\b", "a\\b", true);
        check("a\\", "a\\", true);
    }
}
