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

/// The texts of every item, of a column of text or of lists of text; none where it is null.
///
/// # Errors
/// If there is no such column, or it is of another type.
pub(crate) fn texts<'t>(table: &'t RecordBatch, name: &str) -> Result<Vec<Vec<&'t str>>, String> {
    let column = column(table, name)?;
    Ok(match column.data_type() {
        ArrowType::Utf8 => {
            column.as_string::<i32>().iter().map(|text| text.into_iter().collect()).collect()
        }
        ArrowType::LargeUtf8 => {
            column.as_string::<i64>().iter().map(|text| text.into_iter().collect()).collect()
        }
        ArrowType::List(element) if *element.data_type() == ArrowType::Utf8 => {
            let list: &ListArray = column.as_list();
            let elements = list.values().as_string::<i32>();
            let of = |item: usize| {
                let bounds = &list.value_offsets()[item..=item + 1];
                let places = bounds[0]..if list.is_valid(item) { bounds[1] } else { bounds[0] };
                let places = places.filter_map(|place| usize::try_from(place).ok());
                places
                    .filter(|&place| elements.is_valid(place))
                    .map(|place| elements.value(place))
                    .collect()
            };
            (0..table.num_rows()).map(of).collect()
        }
        other => {
            return Err(format!("column '{name}' is {other}, expected text or a list of text"));
        }
    })
}

/// The numbers of every item; NaN where it is null.
///
/// # Errors
/// If there is no such column, or it has no numbers.
pub(crate) fn floats(table: &RecordBatch, name: &str) -> Result<Vec<f32>, String> {
    let column = column(table, name)?;
    Ok(match column.data_type() {
        ArrowType::Int8 => whole::<Int8Type>(column),
        ArrowType::Int16 => whole::<Int16Type>(column),
        ArrowType::Int32 => whole::<Int32Type>(column),
        ArrowType::Int64 => whole::<Int64Type>(column),
        ArrowType::UInt8 => whole::<UInt8Type>(column),
        ArrowType::UInt16 => whole::<UInt16Type>(column),
        ArrowType::UInt32 => whole::<UInt32Type>(column),
        ArrowType::Float32 => {
            let column: &PrimitiveArray<Float32Type> = column.as_primitive();
            column.iter().map(|value| value.unwrap_or(f32::NAN)).collect()
        }
        other => {
            return Err(format!(
                "column '{name}' is {other}, expected numbers: Int8 to Int64, UInt8 to UInt32 or Float32"
            ));
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "what is compared by distance is small")]
fn whole<T>(column: &ArrayRef) -> Vec<f32>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let column: &PrimitiveArray<T> = column.as_primitive();
    column.iter().map(|value| value.map_or(f32::NAN, |value| value.into() as f32)).collect()
}

fn column<'t>(table: &'t RecordBatch, name: &str) -> Result<&'t ArrayRef, String> {
    table.column_by_name(name).ok_or_else(|| {
        let schema = table.schema();
        format!("there is no column '{name}', expected one of {}", crate::items::describe(&schema))
    })
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
