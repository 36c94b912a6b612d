//! Where in a configuration's text each field stands, for tools that point at it. A scan of tokens
//! that knows no types and takes any text; the parser says what is wrong with it.
//!
//! A path is `max_batch_size`, `input[1].dims`, `input[1].dims[0]` or `parameters["made_by"]`, the
//! last for the entry of a map. An index that is left out is 0.

mod scan;

use std::{collections::HashMap, fmt, ops::Range};

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Where the fields of one text stand.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    text: String,
    /// Name of the field's first occurrence, by its path without the last index.
    names: HashMap<String, usize>,
    /// Each value, by its path with every index.
    values: HashMap<String, Range<usize>>,
    /// Entries of maps: `parameters["key"]` to `parameters[2]`.
    keyed: HashMap<String, String>,
}

impl Positions {
    /// Scans `text`.
    pub fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        scan::scan(text)
    }

    /// Where the field at `path` starts.
    pub fn at(&self, path: &str) -> Option<Position> {
        let canonical = self.canonical(path)?;
        let offset = match self.names.get(&canonical) {
            Some(&offset) => offset,
            None => self.values.get(&canonical)?.start,
        };
        Some(self.position(offset))
    }

    /// Where the field at `path` starts, or the nearest one around it.
    pub fn near(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(found) = self.at(path) {
                return Some(found);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// The bytes of the innermost field around a place, its name to the separator behind its value,
    /// and the field's path.
    pub fn around(&self, place: Position) -> Option<(Range<usize>, &str)> {
        let offset = self.offset(place)?;
        let around = self.values.iter().filter(|(_, span)| span.contains(&offset));
        let innermost = around.min_by_key(|(_, span)| span.len());
        innermost.map(|(path, span)| (span.clone(), path.as_str()))
    }

    /// Whether two paths name one field.
    pub fn same(&self, one: &str, other: &str) -> bool {
        let trimmed =
            |path| self.canonical(path).map(|path| path.trim_end_matches("[0]").to_owned());
        trimmed(one).is_some_and(|one| trimmed(other) == Some(one))
    }

    /// The byte at a place.
    pub fn offset(&self, place: Position) -> Option<usize> {
        let line = self.text.split_inclusive('\n').nth(place.line.checked_sub(1)?)?;
        let start = line.as_ptr() as usize - self.text.as_ptr() as usize;
        let within = line.char_indices().nth(place.column.checked_sub(1)?);
        Some(start + within.map_or(line.len(), |(offset, _)| offset))
    }

    fn position(&self, offset: usize) -> Position {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        Position { line, column: before[line_start..].chars().count() + 1 }
    }

    /// `path` with an index behind each name but the last; keys of maps become indices.
    fn canonical(&self, path: &str) -> Option<String> {
        let mut canonical = String::new();
        let mut rest = path;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            canonical.push_str(&rest[..end]);
            rest = &rest[end..];
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let end = quoted.find("\"]")?;
                let key = format!("{canonical}[\"{}\"]", &quoted[..end]);
                canonical.clone_from(self.keyed.get(&key)?);
                rest = &quoted[end + 2..];
            } else if rest.starts_with('[') {
                let end = rest.find(']')? + 1;
                canonical.push_str(&rest[..end]);
                rest = &rest[end..];
            } else if !rest.is_empty() {
                canonical.push_str("[0]");
            }
            if rest.is_empty() {
                return Some(canonical);
            }
            rest = rest.strip_prefix('.')?;
            canonical.push('.');
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name: \"m\" # input { dims: 1 }
input [
  { name: 'x' dims: [ 1, -1 ] },
  { name: \"é\" \"t\", reshape < shape: 4 > }
]
input { dims [ 7 ] }
parameters { key: \"a\" value { string_value: \"}\" } }
parameters: { key: 'b', value: { string_value: '1' } };
version_policy { latest { num_versions: 2 } }
";

    #[test]
    fn fields_are_found_by_path() {
        let positions = Positions::of(TEXT);
        let check = |path, expect: Option<(usize, usize)>| {
            let found = positions.at(path).map(|found| (found.line, found.column));
            assert_eq!(found, expect, "{path}");
        };
        check("name", Some((1, 1)));
        check("input", Some((2, 1)));
        check("input[0]", Some((3, 3)));
        check("input.name", Some((3, 5)));
        check("input[0].dims", Some((3, 15)));
        check("input[0].dims[1]", Some((3, 26)));
        check("input[1].reshape.shape", Some((4, 30)));
        check("input[2]", Some((6, 1)));
        check("input[2].dims", Some((6, 9)));
        check("parameters[\"a\"]", Some((7, 1)));
        check("parameters[\"b\"].value.string_value", Some((8, 34)));
        check("version_policy.latest.num_versions", Some((9, 27)));
        check("parameters[\"c\"]", None);
        check("output", None);
        assert_eq!(positions.near("input[1].dims[3]").unwrap().to_string(), "4:3");
        assert_eq!(positions.near("output[1].dims"), None);
    }

    #[test]
    fn a_place_is_in_a_field() {
        let positions = Positions::of(TEXT);
        let around = |line, column| {
            let (span, path) = positions.around(Position { line, column }).unwrap();
            (&TEXT[span], path)
        };
        assert_eq!(around(3, 15), ("dims: [ 1, -1 ]", "input[0].dims"));
        assert_eq!(around(4, 5), ("name: \"é\" \"t\",", "input[1].name[0]"));
        assert_eq!(around(1, 8), ("name: \"m\"", "name[0]"));
        assert!(positions.same("input[0].name", "input.name[0]"));
        assert!(!positions.same("input[1].name", "input.name"));
    }

    #[test]
    fn any_text_is_taken() {
        for text in
            ["", "}", "]]>", "a", "a:", "a: [", "[x/y] { a: 1", "a { b { c [ {", "'", "é\u{0}"]
        {
            Positions::of(text);
        }
        Positions::of(&"a{".repeat(100_000));
        Positions::of(&"a[".repeat(100_000));
    }
}
