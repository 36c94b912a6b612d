//! From tokens to an [`Expression`], by recursive descent; columns are found and values brought to
//! their type as they are met, so that an error points at the word it is about.

use super::column::{self, Column, Kind};
use super::error::{FilterError, FilterFault, quoted};
use super::expression::{Expression, Leaf, Test, TextTest};
use super::lexer::{Comparison, Placed, Token, tokens};
use super::literal::{self, Value};
use super::pattern::Pattern;
use super::{MAX_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_PATTERN};
use arrow_schema::Schema;

const CONDITION: &str = "a condition such as year >= 1990";
const OPERATOR: &str =
    "an operator (=, !=, <, <=, >, >=, in, not in, between, like, is null, is not null)";
const VALUE: &str = "a value such as 'text' or 42";

pub(super) fn parse(text: &str, schema: &Schema) -> Result<Expression, FilterError> {
    if text.len() > MAX_BYTES {
        let at = text.floor_char_boundary(MAX_BYTES);
        return Err(FilterError::new(text, at, FilterFault::TooLong { bytes: text.len() }));
    }
    if text.trim().is_empty() {
        return Err(FilterError::new(text, 0, FilterFault::Blank));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, schema, tokens: &tokens, at: 0, depth: 0, patterns: 0 };
    let expression = parser.any()?;
    match parser.here() {
        Token::End => Ok(expression),
        Token::Close => Err(parser.unexpected("'and', 'or' or end of filter (no '(' is open)")),
        _ => Err(parser.unexpected("'and', 'or' or end of filter")),
    }
}

struct Parser<'a> {
    text: &'a str,
    schema: &'a Schema,
    /// The last is `End`, and is not passed.
    tokens: &'a [Placed<'a>],
    at: usize,
    /// Levels of parentheses and `not` around this place.
    depth: usize,
    /// Characters of the patterns before this place.
    patterns: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Expression, FilterError> {
        self.chain("or", Self::all, Expression::Any)
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        self.chain("and", Self::one, Expression::All)
    }

    /// Operands of one level are kept in a row: a long chain is not a deep tree.
    fn chain(
        &mut self,
        keyword: &str,
        operand: fn(&mut Self) -> Result<Expression, FilterError>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, FilterError> {
        let first = operand(self)?;
        if !self.is_word(keyword) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.take_word(keyword) {
            operands.push(operand(self)?);
        }
        Ok(join(operands))
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        if self.is_word("not") {
            self.deeper()?;
            let expression = self.one()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(expression)));
        }
        match self.here() {
            Token::Open => {
                self.deeper()?;
                let expression = self.any()?;
                self.take(&Token::Close, "'and', 'or' or ')'")?;
                self.depth -= 1;
                Ok(expression)
            }
            Token::Word(name) if !is_keyword(name) => {
                let column = column::find(self.schema, name).map_err(|fault| self.fault(fault))?;
                self.advance();
                self.comparison(column).map(Expression::Leaf)
            }
            Token::Text(_) | Token::Number(_) => {
                Err(self.unexpected("a column, which stands left of its value (year >= 1990)"))
            }
            _ => Err(self.unexpected(CONDITION)),
        }
    }

    /// Passes a `(` or `not`.
    fn deeper(&mut self) -> Result<(), FilterError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault(FilterFault::TooDeep));
        }
        self.depth += 1;
        self.advance();
        Ok(())
    }

    /// What follows the name of `column`.
    fn comparison(&mut self, column: Column<'a>) -> Result<Leaf, FilterError> {
        let leaf = |test, negated| Leaf { column: column.index, test, negated };
        if let Token::Comparison(comparison) = *self.here() {
            let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
            if is_order && column.kind == Kind::Boolean {
                return Err(self.unexpected("= or != (the column is true or false)"));
            }
            self.advance();
            let value = self.value(column)?;
            let negated = comparison == Comparison::NotEqual;
            return Ok(leaf(literal::compare(column.kind, comparison, value), negated));
        }
        if self.take_word("is") {
            let negated = self.take_word("not");
            if !self.take_word("null") {
                let expected = if negated { "'null'" } else { "'null' or 'not null'" };
                return Err(self.unexpected(expected));
            }
            return Ok(leaf(Test::Null, negated));
        }
        let negated = self.take_word("not");
        if self.take_word("in") {
            return Ok(leaf(self.one_of(column)?, negated));
        }
        if self.take_word("between") {
            if column.kind == Kind::Boolean {
                return Err(self.before("= or != (the column is true or false)"));
            }
            let low = self.value(column)?;
            if !self.take_word("and") {
                return Err(self.unexpected("'and' and the upper bound of 'between'"));
            }
            let high = self.value(column)?;
            return Ok(leaf(literal::between(column.kind, low, high), negated));
        }
        if self.take_word("like") {
            return Ok(leaf(self.like(column)?, negated));
        }
        if negated {
            return Err(self.unexpected("'in', 'between' or 'like'"));
        }
        if column.kind == Kind::Boolean {
            return Ok(leaf(Test::Boolean { yes: true, no: false }, false));
        }
        Err(self.unexpected(&format!("{OPERATOR} after '{}'", column.name)))
    }

    fn one_of(&mut self, column: Column<'a>) -> Result<Test, FilterError> {
        self.take(&Token::Open, "'(' after 'in', as in in ('a', 'b')")?;
        let mut values = Vec::new();
        loop {
            if values.len() == MAX_ITEMS {
                return Err(self.fault(FilterFault::TooManyItems));
            }
            values.push(self.value(column)?);
            if *self.here() != Token::Comma {
                break;
            }
            self.advance();
        }
        self.take(&Token::Close, "',' or ')'")?;
        Ok(literal::one_of(column.kind, values))
    }

    fn like(&mut self, column: Column<'a>) -> Result<Test, FilterError> {
        if !matches!(column.kind, Kind::Text | Kind::List) {
            return Err(
                self.before("=, <, in or another operator that compares ('like' is for text)")
            );
        }
        let value = self.value(column)?;
        let pattern = literal::text(value);
        self.patterns += pattern.chars().count();
        let characters = self.patterns;
        if characters > MAX_PATTERN {
            self.at -= 1;
            return Err(self.fault(FilterFault::PatternTooLong { characters }));
        }
        Ok(Test::Text(TextTest::Like(Pattern::new(&pattern))))
    }

    /// Passes a value of the column's type.
    fn value(&mut self, column: Column<'a>) -> Result<Value<'a>, FilterError> {
        let value = match self.here() {
            Token::Text(text) => Value::Text(text),
            Token::Number(number) => Value::Number(number),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => {
                return Err(
                    self.unexpected(&format!("{VALUE} ('is null' and 'is not null' ask for NULL)"))
                );
            }
            Token::Word(word) if !is_keyword(word) => {
                let expected = format!("{VALUE} after {} (text stands in quotes)", self.previous());
                return Err(self.unexpected(&expected));
            }
            _ => return Err(self.unexpected(&format!("{VALUE} after {}", self.previous()))),
        };
        let fits = match value {
            Value::Text(_) => matches!(column.kind, Kind::Text | Kind::List),
            Value::Number(_) => {
                matches!(column.kind, Kind::Integer | Kind::Double | Kind::Single)
            }
            Value::Boolean(_) => column.kind == Kind::Boolean,
        };
        if !fits {
            return Err(self.fault(FilterFault::WrongType {
                name: column.name.to_owned(),
                kind: column.kind.words(),
                expected: column.kind.values(),
                got: self.got(),
            }));
        }
        self.advance();
        Ok(value)
    }

    fn here(&self) -> &'a Token<'a> {
        &self.tokens[self.at].token
    }

    /// To the next token; the end stays.
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.here(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let there = self.is_word(keyword);
        if there {
            self.advance();
        }
        there
    }

    fn take(&mut self, token: &Token<'_>, expected: &str) -> Result<(), FilterError> {
        if self.here() != token {
            return Err(self.unexpected(expected));
        }
        self.advance();
        Ok(())
    }

    fn fault(&self, fault: FilterFault) -> FilterError {
        FilterError::new(self.text, self.tokens[self.at].start, fault)
    }

    fn unexpected(&self, expected: &str) -> FilterError {
        self.fault(FilterFault::Unexpected { expected: expected.to_owned(), got: self.got() })
    }

    /// As [`Self::unexpected`], about the token that was passed last.
    fn before(&mut self, expected: &str) -> FilterError {
        self.at -= 1;
        self.unexpected(expected)
    }

    /// The token here, as the client wrote it.
    fn got(&self) -> String {
        let Placed { token, start, end } = &self.tokens[self.at];
        let written = quoted(&self.text[*start..*end]);
        match token {
            Token::End => "end of filter".to_owned(),
            Token::Text(_) => format!("the text {written}"),
            Token::Number(_) => written,
            _ => format!("'{written}'"),
        }
    }

    /// The token that was passed last, in quotes.
    fn previous(&self) -> String {
        let Placed { start, end, .. } = &self.tokens[self.at - 1];
        format!("'{}'", quoted(&self.text[*start..*end]))
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in", "between", "like", "is", "null", "true", "false"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}
