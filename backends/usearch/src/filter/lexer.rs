//! From the text of a filter to its tokens, each with its place.

use super::error::{FilterError, FilterFault};

/// A word, value or sign of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A keyword or the name of a column.
    Word(&'a str),
    /// What stood between quotes, doubled quotes made one.
    Text(String),
    /// Digits, with a sign and a fraction if it has them.
    Number(&'a str),
    /// `= != < <= > >=`; `<>` is `!=`.
    Comparison(Comparison),
    Open,
    Close,
    Comma,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A token and the bytes of the text that it takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<'a> {
    pub token: Token<'a>,
    pub start: usize,
    pub end: usize,
}

/// The tokens of `text`; the last is always [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, FilterError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.take_while(char::is_whitespace);
        let start = lexer.at;
        let token = lexer.token()?;
        let last = token == Token::End;
        tokens.push(Placed { token, start, end: lexer.at });
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    /// Byte that is read next.
    at: usize,
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Result<Token<'a>, FilterError> {
        use Comparison as C;
        let Some(first) = self.peek(0) else {
            return Ok(Token::End);
        };
        let (token, length) = match (first, self.peek(1)) {
            ('\'' | '"', _) => return self.quoted_text(first),
            ('a'..='z' | 'A'..='Z' | '_', _) => return Ok(Token::Word(self.take_while(is_name))),
            ('0'..='9' | '.', _) | ('-', Some('0'..='9' | '.')) => return self.number(),
            ('(', _) => (Token::Open, 1),
            (')', _) => (Token::Close, 1),
            (',', _) => (Token::Comma, 1),
            ('=', Some('=')) => return Err(self.stray("'='", "'=='")),
            ('=', _) => (Token::Comparison(C::Equal), 1),
            ('!', Some('=')) | ('<', Some('>')) => (Token::Comparison(C::NotEqual), 2),
            ('<', Some('=')) => (Token::Comparison(C::LessOrEqual), 2),
            ('<', _) => (Token::Comparison(C::Less), 1),
            ('>', Some('=')) => (Token::Comparison(C::GreaterOrEqual), 2),
            ('>', _) => (Token::Comparison(C::Greater), 1),
            _ => return Err(self.stray_character(first)),
        };
        self.at += length;
        Ok(token)
    }

    fn quoted_text(&mut self, quote: char) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        let mut content = String::new();
        loop {
            self.at += 1;
            content.push_str(self.take_while(|c| c != quote));
            if self.peek(0).is_none() {
                return Err(FilterError::new(self.text, start, FilterFault::Unclosed { quote }));
            }
            self.at += 1;
            if self.peek(0) != Some(quote) {
                return Ok(Token::Text(content));
            }
            content.push(quote);
        }
    }

    fn number(&mut self) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        if self.peek(0) == Some('-') {
            self.at += 1;
        }
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut last = whole;
        if self.peek(0) == Some('.') {
            self.at += 1;
            last = self.take_while(|c| c.is_ascii_digit());
        }
        match self.peek(0) {
            Some(c) if last.is_empty() || is_name(c) || c == '.' => {
                let got = format!("'{c}'");
                Err(self
                    .stray(if last.is_empty() { "a digit" } else { "the end of the number" }, &got))
            }
            None if last.is_empty() => Err(self.stray("a digit", "end of filter")),
            _ => Ok(Token::Number(&self.text[start..self.at])),
        }
    }

    fn stray_character(&self, character: char) -> FilterError {
        let expected = match character {
            '&' => "'and'",
            '|' => "'or'",
            '!' => "'not' or '!='",
            '‘' | '’' | '‚' | '“' | '”' | '„' | '`' | '´' | '«' | '»' => {
                "straight quotes around text, as in 'Horror'"
            }
            '≤' => "'<='",
            '≥' => "'>='",
            '≠' => "'!='",
            '%' | '*' => "a column, value or operator ('like' has patterns: title like 'The %')",
            _ => "a column, value or operator such as year >= 1990",
        };
        let got = if character.is_control() {
            format!("the character U+{:04X}", u32::from(character))
        } else {
            format!("'{character}'")
        };
        self.stray(expected, &got)
    }

    fn stray(&self, expected: &str, got: &str) -> FilterError {
        let fault = FilterFault::Unexpected { expected: expected.to_owned(), got: got.to_owned() };
        FilterError::new(self.text, self.at, fault)
    }

    /// The character `ahead` places on; all that is looked at beyond the next is ASCII.
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text[self.at..].chars().nth(ahead)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Token<'_>>, String> {
        let tokens = tokens(text).map_err(|error| error.to_string())?;
        Ok(tokens.into_iter().map(|placed| placed.token).collect())
    }

    #[test]
    fn tokens_of_a_text() {
        use Comparison as C;
        use Token as T;
        let text = |text: &str| T::Text(text.to_owned());
        let check = |input, mut expect: Vec<Token<'static>>| {
            expect.push(T::End);
            assert_eq!(of(input), Ok(expect), "{input}");
        };
        check("", vec![]);
        check(" \t\n", vec![]);
        check(
            "year>=1990",
            vec![T::Word("year"), T::Comparison(C::GreaterOrEqual), T::Number("1990")],
        );
        check("a<>-1.5", vec![T::Word("a"), T::Comparison(C::NotEqual), T::Number("-1.5")]);
        check(
            "< <= > >= = !=",
            vec![
                T::Comparison(C::Less),
                T::Comparison(C::LessOrEqual),
                T::Comparison(C::Greater),
                T::Comparison(C::GreaterOrEqual),
                T::Comparison(C::Equal),
                T::Comparison(C::NotEqual),
            ],
        );
        check(
            "in('a',.5)",
            vec![T::Word("in"), T::Open, text("a"), T::Comma, T::Number(".5"), T::Close],
        );
        check(
            "'It''s' \"a \"\"b\"\"\" '' '\"'",
            vec![text("It's"), text("a \"b\""), text(""), text("\"")],
        );
        check("'Amélie (日本)'", vec![text("Amélie (日本)")]);
    }

    #[test]
    fn faults_are_placed_in_characters() {
        let check = |input, expect: &str| assert_eq!(of(input), Err(expect.to_owned()), "{input}");
        check(
            "a = 'é' and 'x",
            "filter, column 13: expected a closing ' for the text that starts here, got end of filter, near `a = 'é' and 'x`",
        );
        check("a == 1", "filter, column 3: expected '=', got '==', near `a == 1`");
        check("a && b", "filter, column 3: expected 'and', got '&', near `a && b`");
        check(
            "a = ‘b’",
            "filter, column 5: expected straight quotes around text, as in 'Horror', got '‘', near `a = ‘b’`",
        );
        check(
            "é",
            "filter, column 1: expected a column, value or operator such as year >= 1990, got 'é', near `é`",
        );
        check("1990s", "filter, column 5: expected the end of the number, got 's', near `1990s`");
        check("1.2.3", "filter, column 4: expected the end of the number, got '.', near `1.2.3`");
        check("a = 5.", "filter, column 7: expected a digit, got end of filter");
        check("a = -.x", "filter, column 7: expected a digit, got 'x', near `a = -.x`");
        check(
            "a\u{0}",
            "filter, column 2: expected a column, value or operator such as year >= 1990, got the character U+0000, near `a\u{fffd}`",
        );
    }
}
