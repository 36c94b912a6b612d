//! A filter once parsed: columns are places in the schema, values are of their column's type, and
//! every comparison with a number is a range.

use super::pattern::Pattern;
use std::ops::Bound;

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// All of these, two or more.
    All(Vec<Expression>),
    /// One of these, two or more.
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Leaf(Leaf),
}

/// A comparison of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf {
    /// Place of the column in the schema.
    pub column: usize,
    pub test: Test,
    /// True where the test is not satisfied and the value is not NULL; for `is null`, where it is not NULL.
    pub negated: bool,
}

/// What is asked of a value, or of the elements of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Null,
    Text(TextTest),
    Integer(NumberTest<i128>),
    /// Bounds of a single-precision column are rounded to it.
    Float(NumberTest<f64>),
    /// Which of the two values satisfy it.
    Boolean {
        yes: bool,
        no: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    Equal(String),
    Within(Bound<String>, Bound<String>),
    /// Sorted.
    OneOf(Vec<String>),
    Like(Pattern),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NumberTest<T> {
    /// From the first to the second, both included; none if the first is the greater.
    Within(T, T),
    /// Sorted.
    OneOf(Vec<T>),
}
