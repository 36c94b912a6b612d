//! The scan: brackets and names to paths.

use super::Positions;
use crate::pbtxt::outline::{end_of, end_of_string};
use std::{collections::HashMap, ops::Range};

/// Deeper fields have no place; the parser refuses such texts.
const MAX_DEPTH: usize = 32;

/// An open bracket.
enum Frame {
    Message {
        /// Its own path with every index; empty at the top.
        path: String,
        /// Occurrences of each name so far.
        counts: HashMap<String, usize>,
        /// The field whose value comes.
        pending: Option<Pending>,
        /// The value that a separator, or more of a string, may still belong to.
        last: Option<String>,
        /// Where the name starts of the field that this is the value of.
        from: usize,
    },
    List {
        /// The path of the field, without an index.
        path: String,
        /// The index of the next element.
        next: usize,
        from: usize,
    },
}

struct Pending {
    name: String,
    from: usize,
    colon: bool,
}

struct Scan<'t> {
    text: &'t str,
    found: Positions,
    frames: Vec<Frame>,
    /// Brackets beyond [`MAX_DEPTH`].
    beyond: usize,
}

pub(super) fn scan(text: &str) -> Positions {
    let mut scan = Scan {
        text,
        found: Positions { text: text.to_owned(), ..Positions::default() },
        frames: vec![message(String::new(), 0)],
        beyond: 0,
    };
    scan.run();
    scan.found
}

fn message(path: String, from: usize) -> Frame {
    Frame::Message { path, counts: HashMap::new(), pending: None, last: None, from }
}

impl Scan<'_> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'#' => at = end_of(bytes, at, |byte| byte == b'\n'),
                b'"' | b'\'' => {
                    at = end_of_string(bytes, at, byte);
                    self.scalar(start..at, true);
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                    at = end_of(bytes, at, |byte| !byte.is_ascii_alphanumeric() && byte != b'_');
                    self.word(start..at);
                }
                b'0'..=b'9' | b'.' | b'-' => {
                    let number = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
                    at = end_of(bytes, at, |byte| !number(byte));
                    self.scalar(start..at, false);
                }
                b':' => {
                    if let Some(Frame::Message { pending: Some(pending), .. }) =
                        self.frames.last_mut()
                    {
                        pending.colon = true;
                    }
                }
                b'{' | b'<' | b'[' => self.open(start, byte == b'['),
                b'}' | b'>' | b']' => self.close(at),
                b',' | b';' => self.separator(at),
                _ => {}
            }
        }
    }

    fn word(&mut self, span: Range<usize>) {
        let text = self.text;
        match self.frames.last_mut() {
            Some(Frame::Message { pending, last, .. })
                if !pending.as_ref().is_some_and(|pending| pending.colon) =>
            {
                *last = None;
                *pending = Some(Pending {
                    name: text[span.clone()].to_owned(),
                    from: span.start,
                    colon: false,
                });
            }
            _ => self.scalar(span, false),
        }
    }

    /// A value that is no message.
    fn scalar(&mut self, span: Range<usize>, is_string: bool) {
        if self.beyond > 0 {
            return;
        }
        match self.frames.last_mut() {
            Some(Frame::List { path, next, .. }) => {
                let element = format!("{path}[{next}]");
                *next += 1;
                self.found.values.insert(element, span);
            }
            Some(Frame::Message { path, counts, pending: waiting, last, .. }) => {
                let Some(pending) = waiting.take() else {
                    // Strings beside each other are one.
                    if let Some(span_of) =
                        last.as_ref().and_then(|last| self.found.values.get_mut(last))
                    {
                        span_of.end = span.end;
                    }
                    return;
                };
                let of = path.clone();
                let (name, element) = numbered(path, counts, &pending.name);
                *last = Some(element.clone());
                self.found.names.entry(name).or_insert(pending.from);
                self.found.values.insert(element, pending.from..span.end);
                if is_string && pending.name == "key" {
                    // Unterminated, it may have no end.
                    let key = self.text.get(span.start + 1..span.end - 1).unwrap_or_default();
                    let key = unescaped(key);
                    let map = of.rfind('[').map_or(of.as_str(), |bracket| &of[..bracket]);
                    self.found.keyed.entry(format!("{map}[\"{key}\"]")).or_insert(of);
                }
            }
            None => {}
        }
    }

    fn open(&mut self, start: usize, list: bool) {
        if self.frames.len() >= MAX_DEPTH {
            self.beyond += 1;
            return;
        }
        let frame = match self.frames.last_mut() {
            Some(Frame::List { path, next, .. }) => {
                let element = format!("{path}[{next}]");
                *next += 1;
                message(element, start)
            }
            Some(Frame::Message { path, counts, pending, last, .. }) => {
                *last = None;
                match pending.take() {
                    Some(pending) if list => {
                        let name = child(path, &pending.name);
                        self.found.names.entry(name.clone()).or_insert(pending.from);
                        let next = counts.get(&pending.name).copied().unwrap_or(0);
                        Frame::List { path: name, next, from: pending.from }
                    }
                    Some(pending) => {
                        let (name, element) = numbered(path, counts, &pending.name);
                        self.found.names.entry(name).or_insert(pending.from);
                        message(element, pending.from)
                    }
                    // A bracket without a name: its content has no path of ours.
                    None => message(child(path, "?"), start),
                }
            }
            None => return,
        };
        self.frames.push(frame);
    }

    fn close(&mut self, at: usize) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        if self.frames.len() < 2 {
            return;
        }
        let (ended, from) = match self.frames.pop() {
            Some(Frame::Message { path, from, .. }) => (path, from),
            Some(Frame::List { path, next, from }) => {
                if let Some(Frame::Message { counts, path: outer, .. }) = self.frames.last_mut() {
                    let name = path.strip_prefix(outer.as_str()).unwrap_or(&path);
                    counts.insert(name.trim_start_matches('.').to_owned(), next);
                }
                (path, from)
            }
            None => return,
        };
        self.found.values.insert(ended.clone(), from..at);
        if let Some(Frame::Message { last, .. }) = self.frames.last_mut() {
            *last = Some(ended);
        }
    }

    fn separator(&mut self, at: usize) {
        if let Some(Frame::Message { last, pending, .. }) = self.frames.last_mut() {
            *pending = None;
            if let Some(span) = last.take().and_then(|last| self.found.values.get_mut(&last)) {
                span.end = at;
            }
        }
    }
}

/// The path of a field without and with its index, which is counted.
fn numbered(path: &str, counts: &mut HashMap<String, usize>, name: &str) -> (String, String) {
    let count = counts.entry(name.to_owned()).or_insert(0);
    let without = child(path, name);
    let with = format!("{without}[{count}]");
    *count += 1;
    (without, with)
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A key as it is meant, as far as quotes and backslashes go.
fn unescaped(key: &str) -> String {
    let mut letters = key.chars();
    let mut meant = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => meant.extend(letters.next()),
            letter => meant.push(letter),
        }
    }
    meant
}
