//! From a file to films: lines that hold none are problems with a number, never a crash.

use crate::check::check;
use crate::film::Film;
use crate::problem::{Fault, Problem};
use std::path::{Path, PathBuf};

/// Longest line that is read, in bytes; the longest film takes an eighth of it.
const MAX_LINE: usize = 8192;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A film and the line it came from; the first is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line of the file.
    pub line: usize,
    /// What it holds.
    pub film: Film,
}

/// Why a catalogue is not used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No file, or one that cannot be read.
    #[error("cannot read the catalogue '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file with problems.
    #[error("{} has {} problems, the first: {}; `hippocamp-catalogue check` lists them", path.display(), problems.len(), problems[0])]
    Problems {
        /// The file.
        path: PathBuf,
        /// One or more.
        problems: Vec<Problem>,
    },
}

/// The films of a file, checked.
///
/// # Errors
/// A file that cannot be read, or that has problems.
pub fn load(path: &Path) -> Result<Vec<Film>, LoadError> {
    let bytes =
        std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let (entries, mut problems) = read(&bytes);
    problems.extend(check(&entries, this_year()));
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() {
        Ok(entries.into_iter().map(|entry| entry.film).collect())
    } else {
        Err(LoadError::Problems { path: path.to_owned(), problems })
    }
}

/// The films of a file's content, and a problem for each line that holds none.
#[must_use]
pub fn read(bytes: &[u8]) -> (Vec<Entry>, Vec<Problem>) {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let mut problem = |line, fault| {
        problems.push(Problem { line, id: String::new(), field: "", fault });
    };
    let whole = bytes.strip_suffix(b"\n");
    if bytes.is_empty() {
        problem(1, Fault::expected("a film as a line of JSON", "an empty file"));
        return (entries, problems);
    }
    let content = whole.unwrap_or(bytes);
    let mut last = 0;
    for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
        last = at + 1;
        match film(line) {
            Ok(film) => entries.push(Entry { line: last, film }),
            Err(fault) => problem(last, fault),
        }
    }
    if whole.is_none() {
        problem(
            last,
            Fault::expected("a line feed after the last film", "end of file (is it cut off?)"),
        );
    }
    (entries, problems)
}

fn film(line: &[u8]) -> Result<Film, Fault> {
    if line.len() > MAX_LINE {
        return Err(Fault::expected(
            format!("at most {MAX_LINE} bytes in a line"),
            line.len().to_string(),
        ));
    }
    if line.trim_ascii().is_empty() {
        return Err(Fault::expected("a film as a line of JSON", "a blank line"));
    }
    if line.starts_with(BYTE_ORDER_MARK) {
        return Err(Fault::expected("UTF-8 without a byte order mark", "one"));
    }
    let line = str::from_utf8(line).map_err(|error| {
        Fault::expected("UTF-8", format!("another byte at {}", error.valid_up_to() + 1))
    })?;
    serde_json::from_str(line).map_err(|error| {
        // Every line is line 1 to the parser.
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&place).unwrap_or(&message);
        Fault::expected("a film as a line of JSON", format!("{message} at byte {}", error.column()))
    })
}

/// The year that it is, for [`check`]; at least that of this program, if the clock is wrong.
#[must_use]
pub fn this_year() -> i32 {
    /// Mean length of a year of the calendar, in seconds.
    const YEAR: u64 = 31_556_952;
    #[expect(clippy::disallowed_methods, reason = "the year that it is stands on no other clock")]
    let now = std::time::SystemTime::now();
    let since_1970 = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i32::try_from(1970 + since_1970.as_secs() / YEAR).unwrap_or(i32::MAX).max(2026)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::film as sound;
    use proptest::prelude::*;

    fn line() -> String {
        serde_json::to_string(&sound()).unwrap()
    }

    #[test]
    fn reads_lines_and_numbers_them() {
        let file = format!("{}\n{}\n", line(), line());
        let (entries, problems) = read(file.as_bytes());
        assert_eq!(problems, []);
        assert_eq!(entries, [Entry { line: 1, film: sound() }, Entry { line: 2, film: sound() }]);
    }

    #[test]
    fn lines_without_a_film_are_problems() {
        let check = |bad: &[u8], expect: &str| {
            let file = [line().as_bytes(), bad, line().as_bytes(), b""].join(&b'\n');
            let (entries, problems) = read(&file);
            assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [1, 3]);
            let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
            assert_eq!(problems, [format!("line 2: expected {expect}")]);
        };
        check(b"", "a film as a line of JSON, got a blank line");
        check(b" \r", "a film as a line of JSON, got a blank line");
        check(b"[", "a film as a line of JSON, got EOF while parsing a list at byte 1");
        check(
            b"{\"id\": \"x",
            "a film as a line of JSON, got EOF while parsing a string at byte 9",
        );
        check(b"{}", "a film as a line of JSON, got missing field `id` at byte 2");
        check(
            &line().replace("\"year\"", "\"jahr\"").into_bytes(),
            "a film as a line of JSON, got unknown field `jahr`, expected one of `id`, `title`, `year`, `directors`, `cast`, `genres`, `countries`, `languages`, `runtime`, `synopsis` at byte 54",
        );
        check(
            &line().replace("1921,", "\"1921\",").into_bytes(),
            "a film as a line of JSON, got invalid type: string \"1921\", expected i32 at byte 61",
        );
        check(
            &line().replace("\"id\"", "\"id\":\"a\",\"id\"").into_bytes(),
            "a film as a line of JSON, got duplicate field `id` at byte 14",
        );
        check(
            &[line().as_bytes(), b"x"].concat(),
            &format!(
                "a film as a line of JSON, got trailing characters at byte {}",
                line().len() + 1
            ),
        );
        check(b"{\"id\": \"\xff\"}", "UTF-8, got another byte at 9");
        check(
            &[b"\xef\xbb\xbf", line().as_bytes()].concat(),
            "UTF-8 without a byte order mark, got one",
        );
        check(&vec![b'x'; MAX_LINE + 1], "at most 8192 bytes in a line, got 8193");
    }

    #[test]
    fn a_file_that_is_cut_off_is_told() {
        let check = |file: &[u8], entries: usize, expect: &[&str]| {
            let (read, problems) = read(file);
            assert_eq!(read.len(), entries);
            assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), expect);
        };
        check(b"", 0, &["line 1: expected a film as a line of JSON, got an empty file"]);
        check(b"\n", 0, &["line 1: expected a film as a line of JSON, got a blank line"]);
        let end = "expected a line feed after the last film, got end of file (is it cut off?)";
        check(line().as_bytes(), 1, &[&format!("line 1: {end}")]);
        let cut = "expected a film as a line of JSON, got EOF while parsing an object at byte 1";
        check(
            format!("{}\n{{", line()).as_bytes(),
            1,
            &[&format!("line 2: {cut}"), &format!("line 2: {end}")],
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/nowhere/films.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the catalogue '/nowhere/films.jsonl': "), "{error}");
    }

    #[test]
    fn it_is_a_year_of_this_time() {
        assert!((2024..3000).contains(&this_year()), "{}", this_year());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_line_is_a_film_or_a_problem(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut file = format!("{}\n{}\n", line(), line()).into_bytes();
            let at = at.index(file.len());
            file[at] = byte;
            file.truncate(cut.index(file.len()) + 1);
            let (entries, problems) = read(&file);
            let lines = file.strip_suffix(b"\n").unwrap_or(&file).split(|byte| *byte == b'\n').count();
            for line in 1..=lines {
                let is_film = entries.iter().any(|entry| entry.line == line);
                let is_problem = problems.iter().any(|problem| problem.line == line);
                prop_assert!(is_film || is_problem, "line {line}");
            }
            let _problems = check(&entries, 2024);
        }
    }
}
