//! Columns of the item table as output tensors: the values of the items that were found, in their order.

use arrow_array::{
    Array, ArrayRef, BooleanArray, GenericStringArray, ListArray, OffsetSizeTrait, PrimitiveArray,
    RecordBatch,
    cast::AsArray,
    types::{
        ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_schema::DataType as ArrowType;
use hippocamp_backend::{DataType, Element, as_bytes, push_bytes_element};

/// Between the elements of a list, in its one string.
const SEPARATOR: &[u8] = b", ";

/// The datatype that a column is served as; `None` for a type that has none.
pub(crate) fn datatype_of(column: &ArrowType) -> Option<DataType> {
    Some(match column {
        ArrowType::Utf8 | ArrowType::LargeUtf8 => DataType::Bytes,
        ArrowType::List(element) if *element.data_type() == ArrowType::Utf8 => DataType::Bytes,
        ArrowType::Boolean => DataType::Bool,
        ArrowType::Int8 => DataType::Int8,
        ArrowType::Int16 => DataType::Int16,
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::UInt8 => DataType::Uint8,
        ArrowType::UInt16 => DataType::Uint16,
        ArrowType::UInt32 => DataType::Uint32,
        ArrowType::UInt64 => DataType::Uint64,
        ArrowType::Float32 => DataType::Fp32,
        ArrowType::Float64 => DataType::Fp64,
        _ => return None,
    })
}

/// The values of column `index` for `items`; `None` stands for no item, and for nulls: an empty
/// string or 0. A list becomes one string, its elements joined by a comma and a space.
///
/// # Panics
/// If [`datatype_of`] the column is `None`.
pub(crate) fn take(table: &RecordBatch, index: usize, items: &[Option<usize>]) -> Vec<u8> {
    let column = table.column(index);
    match column.data_type() {
        ArrowType::Utf8 => strings(column.as_string::<i32>(), items),
        ArrowType::LargeUtf8 => strings(column.as_string::<i64>(), items),
        ArrowType::List(_) => lists(column.as_list(), items),
        ArrowType::Boolean => booleans(column.as_boolean(), items),
        ArrowType::Int8 => numbers::<Int8Type>(column, items),
        ArrowType::Int16 => numbers::<Int16Type>(column, items),
        ArrowType::Int32 => numbers::<Int32Type>(column, items),
        ArrowType::Int64 => numbers::<Int64Type>(column, items),
        ArrowType::UInt8 => numbers::<UInt8Type>(column, items),
        ArrowType::UInt16 => numbers::<UInt16Type>(column, items),
        ArrowType::UInt32 => numbers::<UInt32Type>(column, items),
        ArrowType::UInt64 => numbers::<UInt64Type>(column, items),
        ArrowType::Float32 => numbers::<Float32Type>(column, items),
        ArrowType::Float64 => numbers::<Float64Type>(column, items),
        other => unreachable!("a column of {other} is refused at load"),
    }
}

fn numbers<T>(column: &ArrayRef, items: &[Option<usize>]) -> Vec<u8>
where
    T: ArrowPrimitiveType,
    T::Native: Element + Default,
{
    let column: &PrimitiveArray<T> = column.as_primitive();
    let values: Vec<T::Native> = items
        .iter()
        .map(|&item| match item {
            Some(item) if column.is_valid(item) => column.value(item),
            _ => T::Native::default(),
        })
        .collect();
    as_bytes(&values).to_vec()
}

fn booleans(column: &BooleanArray, items: &[Option<usize>]) -> Vec<u8> {
    let value = |&item: &Option<usize>| {
        u8::from(item.is_some_and(|item| column.is_valid(item) && column.value(item)))
    };
    items.iter().map(value).collect()
}

fn strings<O: OffsetSizeTrait>(column: &GenericStringArray<O>, items: &[Option<usize>]) -> Vec<u8> {
    let mut data = Vec::new();
    for &item in items {
        let value = match item {
            Some(item) if column.is_valid(item) => column.value(item),
            _ => "",
        };
        push_bytes_element(&mut data, value.as_bytes());
    }
    data
}

fn lists(column: &ListArray, items: &[Option<usize>]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut joined = Vec::new();
    for &item in items {
        joined.clear();
        if let Some(item) = item.filter(|&item| column.is_valid(item)) {
            let elements = column.value(item);
            let elements = elements.as_string::<i32>();
            for (position, element) in elements.iter().flatten().enumerate() {
                if position > 0 {
                    joined.extend_from_slice(SEPARATOR);
                }
                joined.extend_from_slice(element.as_bytes());
            }
        }
        push_bytes_element(&mut data, &joined);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float32Array, Int32Array, LargeStringArray, StringArray, UInt64Array};
    use hippocamp_backend::DataType;
    use std::sync::Arc;

    fn table() -> RecordBatch {
        let mut genres =
            arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        genres.append_value([Some("Crime"), Some("Drama")]);
        genres.append_value([] as [Option<&str>; 0]);
        genres.append_null();
        let columns: [(&str, ArrayRef); 7] = [
            ("title", Arc::new(StringArray::from(vec![Some("Ran"), None, Some("Ikiru")]))),
            ("text", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
            ("year", Arc::new(Int32Array::from(vec![Some(1985), Some(1952), None]))),
            ("rank", Arc::new(UInt64Array::from(vec![3, 2, 1]))),
            ("mean", Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5]))),
            ("colour", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("genres", Arc::new(genres.finish())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn values_come_in_the_order_of_the_items() {
        let table = table();
        let items = [Some(2), Some(0), None, Some(1)];
        let taken = |name: &str| take(&table, table.schema().index_of(name).unwrap(), &items);
        let texts = |texts: &[&str]| {
            let mut data = Vec::new();
            texts.iter().for_each(|text| push_bytes_element(&mut data, text.as_bytes()));
            data
        };
        assert_eq!(taken("title"), texts(&["Ikiru", "Ran", "", ""]));
        assert_eq!(taken("text"), texts(&["c", "a", "", "b"]));
        assert_eq!(taken("genres"), texts(&["", "Crime, Drama", "", ""]));
        assert_eq!(taken("year"), as_bytes(&[0_i32, 1985, 0, 1952]));
        assert_eq!(taken("rank"), as_bytes(&[1_u64, 3, 0, 2]));
        assert_eq!(taken("mean"), as_bytes(&[2.5_f32, 0.5, 0.0, 1.5]));
        assert_eq!(taken("colour"), [0, 1, 0, 0]);
    }

    #[test]
    fn every_datatype_that_is_named_can_be_taken() {
        let table = table();
        let expect = [
            DataType::Bytes,
            DataType::Bytes,
            DataType::Int32,
            DataType::Uint64,
            DataType::Fp32,
            DataType::Bool,
            DataType::Bytes,
        ];
        for (field, expect) in table.schema().fields().iter().zip(expect) {
            assert_eq!(datatype_of(field.data_type()), Some(expect), "{}", field.name());
        }
        assert_eq!(datatype_of(&ArrowType::Date32), None);
    }
}
