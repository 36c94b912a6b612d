//! From a literal and its column's kind to what a row is tested for. The parser has made sure that the
//! two fit.

use super::column::Kind;
use super::expression::{NumberTest, Test, TextTest};
use super::lexer::Comparison;
use std::ops::Bound;

/// A value as it stands in the text.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(&'a str),
    Boolean(bool),
}

/// What a comparison asks; of `!=` the opposite, which the leaf negates.
pub(super) fn compare(kind: Kind, comparison: Comparison, value: Value<'_>) -> Test {
    use Comparison as C;
    match kind {
        Kind::Text | Kind::List => {
            let value = text(value);
            Test::Text(match comparison {
                C::Equal | C::NotEqual => TextTest::Equal(value),
                C::Less => TextTest::Within(Bound::Unbounded, Bound::Excluded(value)),
                C::LessOrEqual => TextTest::Within(Bound::Unbounded, Bound::Included(value)),
                C::Greater => TextTest::Within(Bound::Excluded(value), Bound::Unbounded),
                C::GreaterOrEqual => TextTest::Within(Bound::Included(value), Bound::Unbounded),
            })
        }
        Kind::Integer => {
            let (floor, is_whole) = whole(value);
            let ceiling = floor.saturating_add(i128::from(!is_whole));
            Test::Integer(match comparison {
                // No integer lies between the bounds of a number with a fraction.
                C::Equal | C::NotEqual => NumberTest::Within(ceiling, floor),
                C::Less => NumberTest::Within(i128::MIN, ceiling.saturating_sub(1)),
                C::LessOrEqual => NumberTest::Within(i128::MIN, floor),
                C::Greater => NumberTest::Within(floor.saturating_add(1), i128::MAX),
                C::GreaterOrEqual => NumberTest::Within(ceiling, i128::MAX),
            })
        }
        Kind::Double | Kind::Single => {
            let (low, high) = bounds(double(kind, value));
            Test::Float(match comparison {
                C::Equal | C::NotEqual => NumberTest::Within(low, high),
                C::Less => NumberTest::Within(f64::NEG_INFINITY, low.next_down()),
                C::LessOrEqual => NumberTest::Within(f64::NEG_INFINITY, high),
                C::Greater => NumberTest::Within(high.next_up(), f64::INFINITY),
                C::GreaterOrEqual => NumberTest::Within(low, f64::INFINITY),
            })
        }
        Kind::Boolean => {
            let yes = matches!(value, Value::Boolean(true));
            Test::Boolean { yes, no: !yes }
        }
    }
}

/// From the first value to the second, both included.
pub(super) fn between(kind: Kind, low: Value<'_>, high: Value<'_>) -> Test {
    match kind {
        Kind::Text | Kind::List => {
            Test::Text(TextTest::Within(Bound::Included(text(low)), Bound::Included(text(high))))
        }
        Kind::Integer => {
            let ((low, is_whole), (high, _)) = (whole(low), whole(high));
            let low = low.saturating_add(i128::from(!is_whole));
            Test::Integer(NumberTest::Within(low, high))
        }
        Kind::Double | Kind::Single => {
            let (low, high) = (bounds(double(kind, low)).0, bounds(double(kind, high)).1);
            Test::Float(NumberTest::Within(low, high))
        }
        Kind::Boolean => unreachable!("no range of a boolean column is parsed"),
    }
}

/// Any of the values.
pub(super) fn one_of(kind: Kind, values: Vec<Value<'_>>) -> Test {
    match kind {
        Kind::Text | Kind::List => {
            let mut values: Vec<String> = values.into_iter().map(text).collect();
            values.sort_unstable();
            Test::Text(TextTest::OneOf(values))
        }
        Kind::Integer => {
            let numbers = values.into_iter().map(whole).filter(|(_, is_whole)| *is_whole);
            let mut values: Vec<i128> = numbers.map(|(number, _)| number).collect();
            values.sort_unstable();
            Test::Integer(NumberTest::OneOf(values))
        }
        Kind::Double | Kind::Single => {
            let mut values: Vec<f64> = values
                .into_iter()
                .map(|value| double(kind, value))
                .filter(|value| value.is_finite())
                .collect();
            values.sort_unstable_by(f64::total_cmp);
            Test::Float(NumberTest::OneOf(values))
        }
        Kind::Boolean => Test::Boolean {
            yes: values.iter().any(|value| matches!(value, Value::Boolean(true))),
            no: values.iter().any(|value| matches!(value, Value::Boolean(false))),
        },
    }
}

pub(super) fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        _ => unreachable!("only text is let through for a column of text"),
    }
}

fn number(value: Value<'_>) -> &str {
    match value {
        Value::Number(number) => number,
        _ => unreachable!("only numbers are let through for a column of numbers"),
    }
}

/// The greatest integer not above the number, and whether it is the number. Beyond 128 bits the
/// number is as good as infinite: no column reaches there.
fn whole(value: Value<'_>) -> (i128, bool) {
    let number = number(value);
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, number),
    };
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_whole = fraction.bytes().all(|digit| digit == b'0');
    let magnitude = if integer.is_empty() { 0 } else { integer.parse().unwrap_or(i128::MAX) };
    let truncated = sign * magnitude;
    let floor = if sign < 0 && !is_whole { truncated.saturating_sub(1) } else { truncated };
    (floor, is_whole)
}

/// The number, in the precision of the column; infinite if it lies beyond.
fn double(kind: Kind, value: Value<'_>) -> f64 {
    let number = number(value);
    let parsed = match kind {
        Kind::Single => number.parse::<f32>().map(f64::from),
        _ => number.parse::<f64>(),
    };
    parsed.expect("a sign, digits and a fraction are a number")
}

/// The least and greatest value of a column equal to the number; none for one beyond its range,
/// which lies between the greatest finite value and infinity.
fn bounds(number: f64) -> (f64, f64) {
    if number == f64::INFINITY {
        (f64::INFINITY, f64::MAX)
    } else if number == f64::NEG_INFINITY {
        (f64::MIN, f64::NEG_INFINITY)
    } else {
        (number, number)
    }
}
