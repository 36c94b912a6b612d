//! An [`Expression`] over a whole table: each comparison is one pass over its column that makes a
//! bit per row; `and`, `or` and `not` work on words of bits.

use super::expression::{Expression, Leaf, NumberTest, Test, TextTest};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrowNativeTypeOp, GenericStringArray, ListArray, OffsetSizeTrait, RecordBatch,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer};
use arrow_schema::DataType;
use std::ops::RangeBounds;

/// Values whose bits are made together.
const WORD: usize = 64;

pub(super) fn evaluate(expression: &Expression, batch: &RecordBatch) -> BooleanBuffer {
    let join = |operands: &[Expression],
                join: fn(BooleanBuffer, &BooleanBuffer) -> BooleanBuffer| {
        let bits = operands.iter().map(|operand| evaluate(operand, batch));
        bits.reduce(|all, bits| join(all, &bits)).expect("a chain has operands")
    };
    match expression {
        Expression::All(operands) => join(operands, |all, bits| &all & bits),
        Expression::Any(operands) => join(operands, |any, bits| &any | bits),
        Expression::Not(operand) => !&evaluate(operand, batch),
        Expression::Leaf(leaf) => evaluate_leaf(leaf, batch.column(leaf.column)),
    }
}

fn evaluate_leaf(leaf: &Leaf, column: &dyn Array) -> BooleanBuffer {
    if leaf.test == Test::Null {
        let valid = match column.nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(column.len()),
        };
        return if leaf.negated { valid } else { !&valid };
    }
    let satisfied = match column.as_list_opt::<i32>() {
        Some(list) => any_element(list, &leaf.test),
        None => values(&leaf.test, column),
    };
    let satisfied = if leaf.negated { !&satisfied } else { satisfied };
    without_nulls(satisfied, column)
}

/// NULL satisfies no comparison.
fn without_nulls(satisfied: BooleanBuffer, array: &dyn Array) -> BooleanBuffer {
    match array.nulls() {
        Some(nulls) => &satisfied & nulls.inner(),
        None => satisfied,
    }
}

/// The lists with an element that satisfies `test`.
fn any_element(list: &ListArray, test: &Test) -> BooleanBuffer {
    let offsets = list.value_offsets();
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return BooleanBuffer::new_unset(0);
    };
    let start = first.as_usize();
    // Of a slice of a table the elements are those of the whole.
    let elements = list.values().slice(start, last.as_usize() - start);
    let satisfied = without_nulls(values(test, &elements), &elements);
    BooleanBuffer::collect_bool(list.len(), |row| {
        let (from, to) = (offsets[row].as_usize() - start, offsets[row + 1].as_usize() - start);
        (from..to).any(|element| satisfied.value(element))
    })
}

/// The values that satisfy `test`; where they are NULL, either bit.
fn values(test: &Test, array: &dyn Array) -> BooleanBuffer {
    match (test, array.data_type()) {
        (Test::Text(test), DataType::Utf8) => text(array.as_string::<i32>(), test),
        (Test::Text(test), DataType::LargeUtf8) => text(array.as_string::<i64>(), test),
        (Test::Integer(test), data_type) => match data_type {
            DataType::Int8 => integers::<Int8Type>(array, test),
            DataType::Int16 => integers::<Int16Type>(array, test),
            DataType::Int32 => integers::<Int32Type>(array, test),
            DataType::Int64 => integers::<Int64Type>(array, test),
            DataType::UInt8 => integers::<UInt8Type>(array, test),
            DataType::UInt16 => integers::<UInt16Type>(array, test),
            DataType::UInt32 => integers::<UInt32Type>(array, test),
            DataType::UInt64 => integers::<UInt64Type>(array, test),
            other => unreachable!("the filter was parsed for a column of integers, not {other}"),
        },
        (Test::Float(test), DataType::Float32) => floats::<Float32Type>(array, test),
        (Test::Float(test), DataType::Float64) => floats::<Float64Type>(array, test),
        (Test::Boolean { yes, no }, DataType::Boolean) => {
            let values = array.as_boolean().values();
            match (yes, no) {
                (true, true) => BooleanBuffer::new_set(values.len()),
                (true, false) => values.clone(),
                (false, true) => !values,
                (false, false) => BooleanBuffer::new_unset(values.len()),
            }
        }
        (test, other) => unreachable!("the filter was parsed for {test:?}, not for {other}"),
    }
}

fn text<O: OffsetSizeTrait>(array: &GenericStringArray<O>, test: &TextTest) -> BooleanBuffer {
    // Bytes are compared: UTF-8 is in the order of its code points.
    match test {
        TextTest::Equal(wanted) => rows(array, |value| value == wanted.as_bytes()),
        TextTest::Within(low, high) => {
            let range = (low.as_ref().map(String::as_bytes), high.as_ref().map(String::as_bytes));
            rows(array, |value| RangeBounds::<[u8]>::contains(&range, value))
        }
        TextTest::OneOf(wanted) => rows(array, |value| {
            wanted.binary_search_by(|wanted| wanted.as_bytes().cmp(value)).is_ok()
        }),
        TextTest::Like(pattern) => {
            BooleanBuffer::collect_bool(array.len(), |row| pattern.matches(array.value(row)))
        }
    }
}

fn rows<O: OffsetSizeTrait>(
    array: &GenericStringArray<O>,
    satisfies: impl Fn(&[u8]) -> bool,
) -> BooleanBuffer {
    let (offsets, data) = (array.value_offsets(), array.value_data());
    BooleanBuffer::collect_bool(array.len(), |row| {
        satisfies(&data[offsets[row].as_usize()..offsets[row + 1].as_usize()])
    })
}

fn integers<T>(array: &dyn Array, test: &NumberTest<i128>) -> BooleanBuffer
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128> + Into<i128> + Ord,
{
    let values = array.as_primitive::<T>().values();
    // A bound beyond the type is met by all of its values or by none.
    match test {
        NumberTest::Within(low, high) => {
            let low = (*low).max(T::Native::MIN_TOTAL_ORDER.into());
            let high = (*high).min(T::Native::MAX_TOTAL_ORDER.into());
            match (T::Native::try_from(low), T::Native::try_from(high)) {
                (Ok(low), Ok(high)) => bits(values, |value| (value >= low) & (value <= high)),
                _ => BooleanBuffer::new_unset(values.len()),
            }
        }
        NumberTest::OneOf(wanted) => {
            let wanted: Vec<T::Native> =
                wanted.iter().filter_map(|wanted| T::Native::try_from(*wanted).ok()).collect();
            bits(values, |value| wanted.binary_search(&value).is_ok())
        }
    }
}

fn floats<T>(array: &dyn Array, test: &NumberTest<f64>) -> BooleanBuffer
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    let values = array.as_primitive::<T>().values();
    match test {
        NumberTest::Within(low, high) => bits(values, |value| {
            let value: f64 = value.into();
            (value >= *low) & (value <= *high)
        }),
        // Zero has two bit patterns and NaN is equal to nothing: not the total order here.
        NumberTest::OneOf(wanted) => bits(values, |value| {
            let value: f64 = value.into();
            let at = wanted.partition_point(|wanted| *wanted < value);
            wanted.get(at).is_some_and(|wanted| *wanted == value)
        }),
    }
}

/// A bit per value. Words of them are made at a time, so that the loop has no branches.
fn bits<T: Copy>(values: &[T], satisfies: impl Fn(T) -> bool) -> BooleanBuffer {
    let word = |values: &[T]| {
        let bits = values.iter().enumerate();
        bits.fold(0_u64, |word, (at, value)| word | (u64::from(satisfies(*value)) << at))
    };
    let (words, rest) = values.as_chunks::<WORD>();
    let words: Vec<u64> = words.iter().map(|values| word(values)).chain([word(rest)]).collect();
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}
