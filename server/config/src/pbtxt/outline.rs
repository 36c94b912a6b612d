//! Where in the message a place in the text is: which fields are open there. A scan of tokens that
//! knows no types; it takes any text, and is called for errors and to bound the nesting.

/// The deepest nesting that is read; `ModelConfig` itself needs 7.
pub(super) const MAX_DEPTH: usize = 32;

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Where in the message the end of the text is.
    pub(super) place: Place,
    /// The bytes of lists that follow a name without a colon, ascending: `input [ … ]`.
    pub(super) bare_lists: Vec<usize>,
}

/// A bracket too many.
#[derive(Debug)]
pub(super) struct TooDeep {
    /// Its byte.
    pub(super) offset: usize,
}

/// A place in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The fields that are open, outermost first.
    pub(super) frames: Vec<String>,
    /// Directly inside the brackets of a list.
    pub(super) in_list: bool,
    /// The field whose value is expected here or just ended.
    pub(super) value_of: Option<String>,
    /// That value has ended: a name may come.
    value_ended: bool,
}

impl Place {
    /// Whether the name of a field may stand here.
    pub(super) fn expects_name(&self) -> bool {
        !self.in_list && (self.value_of.is_none() || self.value_ended)
    }

    /// The open fields and the one whose value is expected, such as `input.dims`.
    pub(super) fn path(&self) -> String {
        match &self.value_of {
            Some(field) => self.child_path(field),
            None => self.frames_path(),
        }
    }

    /// The open fields alone.
    pub(super) fn frames_path(&self) -> String {
        self.frames.join(".")
    }

    /// The path of a field of the innermost message.
    pub(super) fn child_path(&self, field: &str) -> String {
        if self.frames.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.frames_path())
        }
    }
}

/// An open bracket.
struct Frame<'a> {
    /// `None`: a message inside a list, whose frame has the name.
    field: Option<&'a str>,
    list: bool,
}

/// What came since the last bracket or separator.
#[derive(Clone, Copy)]
enum State<'a> {
    Name,
    AfterName(&'a str),
    Value(&'a str),
    Ended(&'a str),
}

/// Scans `text` to its end, unless brackets go too deep.
pub(super) fn outline(text: &str) -> Result<Outline, TooDeep> {
    let bytes = text.as_bytes();
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut bare_lists = Vec::new();
    let mut state = State::Name;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let in_list = frames.last().is_some_and(|frame| frame.list);
        match byte {
            b'#' => at = end_of(bytes, at, |byte| byte == b'\n'),
            b'"' | b'\'' => {
                at = end_of_string(bytes, at, byte);
                state = ended(state);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                at = end_of(bytes, at, |byte| !byte.is_ascii_alphanumeric() && byte != b'_');
                state = match state {
                    _ if in_list => state,
                    State::Value(field) => State::Ended(field),
                    _ => State::AfterName(&text[start..at]),
                };
            }
            b'0'..=b'9' | b'.' => {
                at = end_of(bytes, at, |byte| !byte.is_ascii_alphanumeric() && byte != b'.');
                state = ended(state);
            }
            b':' => {
                if let State::AfterName(field) = state {
                    state = State::Value(field);
                }
            }
            b'{' | b'<' | b'[' => {
                if frames.len() == MAX_DEPTH {
                    return Err(TooDeep { offset: start });
                }
                let field = match state {
                    State::AfterName(field) | State::Value(field) if !in_list => Some(field),
                    _ => None,
                };
                if byte == b'[' && !in_list && matches!(state, State::AfterName(_)) {
                    bare_lists.push(start);
                }
                frames.push(Frame { field, list: byte == b'[' });
                state = State::Name;
            }
            b'}' | b'>' | b']' => {
                frames.pop();
                state = State::Name;
            }
            b',' | b';' if !in_list => state = State::Name,
            _ => {}
        }
    }
    let (value_of, value_ended) = match state {
        State::Name => (None, false),
        State::AfterName(field) | State::Value(field) => (Some(field.to_owned()), false),
        State::Ended(field) => (Some(field.to_owned()), true),
    };
    let place = Place {
        in_list: frames.last().is_some_and(|frame| frame.list),
        frames: frames.iter().filter_map(|frame| frame.field.map(str::to_owned)).collect(),
        value_of,
        value_ended,
    };
    Ok(Outline { place, bare_lists })
}

fn ended(state: State<'_>) -> State<'_> {
    if let State::Value(field) = state { State::Ended(field) } else { state }
}

/// The first byte from `at` on that `ends`, or the end of the text.
pub(crate) fn end_of(bytes: &[u8], at: usize, ends: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&byte| ends(byte)).map_or(bytes.len(), |length| at + length)
}

/// The byte behind a string; a newline ends it too, as in the parser.
pub(crate) fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => at = (at + 1).min(bytes.len()),
            b'\n' => return at,
            _ if byte == quote => return at,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |text, expect: &str, name| {
            let place = outline(text).unwrap().place;
            assert_eq!((place.path().as_str(), place.expects_name()), (expect, name), "{text}");
        };
        check("", "", true);
        check("max_batch_size", "max_batch_size", false);
        check("max_batch_size: ", "max_batch_size", false);
        check("max_batch_size: 8 ", "max_batch_size", true);
        check("max_batch_size: 8, ", "", true);
        check("name: \"a # { \\\" b\" ", "name", true);
        check("name: 'a' # { b\n", "name", true);
        check("input { dims", "input.dims", false);
        check("input [ { name: 'x' dims: [ 1, ", "input.dims", false);
        check("input [ { name: 'x' }, { kind: A ", "input.kind", true);
        check("input [ { name: 'x' } ] output: <", "output", true);
        check("a { b: { c [", "a.b.c", false);
        check("}}]]>", "", true);
        check("é ü", "", true);
    }

    #[test]
    fn lists_without_colon() {
        let check = |text, expect: &[usize]| {
            assert_eq!(outline(text).unwrap().bare_lists, expect, "{text}")
        };
        check("input [ { dims: [ 1 ] }, { x[] } ]", &[6, 28]);
        check("input: [ {} ] [a.b] { c: '[' } # d [", &[]);
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[a/b] {".repeat(MAX_DEPTH + 1);
        assert!(outline(&text).is_err());
        assert!(outline(&"a{".repeat(MAX_DEPTH)).is_ok());
    }
}
