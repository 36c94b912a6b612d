//! The `data` of one JSON input -> the tensor's bytes: numbers are parsed straight into them.

use super::json::{JsonError, Reader};
use bytes::Bytes;
use hippocamp_types::{DataType, Shape, ShapeError, push_bytes_element};

/// Why the `data` of an input is not its tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("value {value} at byte {at} is out of range for datatype {datatype}")]
    Range { value: String, datatype: DataType, at: usize },
    #[error(
        "Shape does not match true shape of 'data' field, shape {shape} has {expected} elements, got {actual}"
    )]
    Count { shape: Shape, expected: usize, actual: Actual },
    #[error("shape {0} contains one or more invalid dimensions")]
    Dimensions(Shape),
    #[error("shape {0} causes total element count to exceed maximum size of {max}", max = i64::MAX)]
    Overflow(Shape),
    #[error("receiving {0} data via JSON is not supported. Please use the binary data format")]
    Half(DataType),
    #[error(
        "has a byte_size ({byte_size} bytes) that exceeds the maximum allowed value of {limit} bytes. Use --http-max-input-size to increase the limit."
    )]
    TooLarge { byte_size: usize, limit: usize },
}

/// How many elements came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actual {
    /// Fewer than expected.
    Exactly(usize),
    /// Reading stopped at the first one too many.
    More,
}

impl std::fmt::Display for Actual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::More => f.write_str("more"),
        }
    }
}

/// Reads an array, flat or nested, of exactly as many elements as `shape` has; the result has at
/// most `limit` bytes.
pub(crate) fn read_array(
    reader: &mut Reader<'_>,
    datatype: DataType,
    shape: &Shape,
    limit: usize,
) -> Result<Bytes, DataError> {
    read(reader, datatype, shape, limit, |reader, leaf| reader.leaves(leaf))
}

/// Reads a single value, or an array as [`read_array`] does: what the generate extension sends.
pub(crate) fn read_value_or_array(
    reader: &mut Reader<'_>,
    datatype: DataType,
    shape: &Shape,
    limit: usize,
) -> Result<Bytes, DataError> {
    read(reader, datatype, shape, limit, |reader, leaf| {
        if reader.kind()? == super::json::Kind::Array { reader.leaves(leaf) } else { leaf(reader) }
    })
}

type Leaf<'l> = &'l mut dyn FnMut(&mut Reader<'_>) -> Result<(), DataError>;

fn read(
    reader: &mut Reader<'_>,
    datatype: DataType,
    shape: &Shape,
    limit: usize,
    walk: impl FnOnce(&mut Reader<'_>, Leaf<'_>) -> Result<(), DataError>,
) -> Result<Bytes, DataError> {
    if matches!(datatype, DataType::Fp16 | DataType::Bf16) {
        return Err(DataError::Half(datatype));
    }
    let expected = shape.element_count().map_err(|error| match error {
        ShapeError::Negative(_) => DataError::Dimensions(shape.clone()),
        ShapeError::Overflow => DataError::Overflow(shape.clone()),
    })?;
    let size = datatype.byte_size();
    let byte_size = expected
        .checked_mul(size.unwrap_or(4))
        .ok_or_else(|| DataError::Overflow(shape.clone()))?;
    if byte_size > limit {
        return Err(DataError::TooLarge { byte_size, limit });
    }
    // An element and its comma take two bytes of text at least: a shape alone allocates nothing.
    let mut data = Vec::with_capacity(match size {
        Some(size) => expected.min(reader.remaining() / 2 + 1) * size,
        None => expected.saturating_mul(16).min(reader.remaining()),
    });
    let mut actual = 0;
    {
        let mut leaf = |reader: &mut Reader<'_>| -> Result<(), DataError> {
            if actual == expected {
                return Err(DataError::Count {
                    shape: shape.clone(),
                    expected,
                    actual: Actual::More,
                });
            }
            actual += 1;
            read_element(reader, datatype, &mut data)
        };
        walk(reader, &mut leaf)?;
    }
    if actual != expected {
        return Err(DataError::Count {
            shape: shape.clone(),
            expected,
            actual: Actual::Exactly(actual),
        });
    }
    if data.len() > limit {
        return Err(DataError::TooLarge { byte_size: data.len(), limit });
    }
    Ok(data.into())
}

fn read_element(
    reader: &mut Reader<'_>,
    datatype: DataType,
    data: &mut Vec<u8>,
) -> Result<(), DataError> {
    match datatype {
        DataType::Bool => data.push(u8::from(reader.boolean()?)),
        DataType::Uint8 => data.push(unsigned::<u8>(reader, datatype)?),
        DataType::Uint16 => {
            data.extend_from_slice(&unsigned::<u16>(reader, datatype)?.to_le_bytes())
        }
        DataType::Uint32 => {
            data.extend_from_slice(&unsigned::<u32>(reader, datatype)?.to_le_bytes())
        }
        DataType::Uint64 => {
            data.extend_from_slice(&unsigned::<u64>(reader, datatype)?.to_le_bytes())
        }
        DataType::Int8 => data.extend_from_slice(&signed::<i8>(reader, datatype)?.to_le_bytes()),
        DataType::Int16 => data.extend_from_slice(&signed::<i16>(reader, datatype)?.to_le_bytes()),
        DataType::Int32 => data.extend_from_slice(&signed::<i32>(reader, datatype)?.to_le_bytes()),
        DataType::Int64 => data.extend_from_slice(&signed::<i64>(reader, datatype)?.to_le_bytes()),
        DataType::Fp32 => {
            data.extend_from_slice(&float::<f32>(reader, datatype, f32::is_infinite)?.to_le_bytes())
        }
        DataType::Fp64 => {
            data.extend_from_slice(&float::<f64>(reader, datatype, f64::is_infinite)?.to_le_bytes())
        }
        DataType::Bytes => push_bytes_element(data, reader.string()?.as_bytes()),
        DataType::Fp16 | DataType::Bf16 => return Err(DataError::Half(datatype)),
    }
    Ok(())
}

fn signed<T: TryFrom<i64>>(reader: &mut Reader<'_>, datatype: DataType) -> Result<T, DataError> {
    let at = reader.position();
    let integer = reader.integer("signed-integer")?;
    integer
        .signed()
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| out_of_range(reader, at, datatype))
}

fn unsigned<T: TryFrom<u64>>(reader: &mut Reader<'_>, datatype: DataType) -> Result<T, DataError> {
    let at = reader.position();
    let integer = reader.integer("unsigned-integer")?;
    integer
        .unsigned()
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| out_of_range(reader, at, datatype))
}

fn float<T: std::str::FromStr + Copy>(
    reader: &mut Reader<'_>,
    datatype: DataType,
    is_infinite: impl Fn(T) -> bool,
) -> Result<T, DataError> {
    let at = reader.position();
    let text = reader.number()?;
    match text.parse::<T>() {
        // Digits that only infinity could hold; `Infinity` itself is welcome.
        Ok(value) if is_infinite(value) && !text.contains('I') => {
            Err(out_of_range(reader, at, datatype))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(reader.reread(at).wrong("number").into()),
    }
}

fn out_of_range(reader: &Reader<'_>, at: usize, datatype: DataType) -> DataError {
    const LONGEST: usize = 40;
    let value = match reader.reread(at).number() {
        Ok(text) if text.len() > LONGEST => format!("{}...", &text[..LONGEST]),
        Ok(text) => text.to_owned(),
        Err(_) => String::new(),
    };
    DataError::Range { value, datatype, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datatype: DataType, dims: &[i64], text: &str) -> Result<Bytes, String> {
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        read_array(&mut reader, datatype, &Shape::new(dims), 1 << 20)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_become_little_endian_bytes() {
        let check = |datatype, dims: &[i64], text: &str, expect: &[u8]| {
            assert_eq!(read(datatype, dims, text).as_deref(), Ok(expect), "{datatype} {text}");
        };
        check(DataType::Bool, &[3], "[true,false,true]", &[1, 0, 1]);
        check(DataType::Uint8, &[2], "[0,255]", &[0, 255]);
        check(DataType::Int8, &[2], "[-128,127]", &[128, 127]);
        check(DataType::Uint16, &[1], "[65535]", &[255, 255]);
        check(DataType::Int16, &[1], "[-2]", &[254, 255]);
        check(
            DataType::Int32,
            &[2, 2],
            "[[1,2],[3,4]]",
            &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0],
        );
        check(DataType::Uint32, &[1], "[4294967295]", &u32::MAX.to_le_bytes());
        check(DataType::Int64, &[1], "[-9223372036854775808]", &i64::MIN.to_le_bytes());
        check(DataType::Uint64, &[1], "[18446744073709551615]", &u64::MAX.to_le_bytes());
        check(DataType::Fp32, &[2], "[1, -2.5e0]", &[0, 0, 128, 63, 0, 0, 32, 192]);
        check(DataType::Fp32, &[1], "[-Infinity]", &f32::NEG_INFINITY.to_le_bytes());
        check(DataType::Fp64, &[1], "[0.1]", &0.1f64.to_le_bytes());
        check(DataType::Bytes, &[2], "[\"a\\u0000\",[\"\"]]", &[2, 0, 0, 0, b'a', 0, 0, 0, 0, 0]);
        check(DataType::Fp32, &[1, 0], "[]", &[]);
        check(DataType::Fp32, &[0], "[[],[[]]]", &[]);
        assert!(
            f32::from_le_bytes(
                read(DataType::Fp32, &[1], "[NaN]").unwrap()[..].try_into().unwrap()
            )
            .is_nan()
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |datatype, dims: &[i64], text: &str, expect: &str| {
            let error = read(datatype, dims, text).unwrap_err();
            assert!(error.contains(expect), "{datatype} {text}: {error}");
        };
        check(
            DataType::Int32,
            &[1],
            "[1099511627776]",
            "value 1099511627776 at byte 1 is out of range for datatype INT32",
        );
        check(DataType::Int64, &[1], "[9223372036854775808]", "out of range for datatype INT64");
        check(DataType::Uint8, &[1], "[256]", "out of range for datatype UINT8");
        check(DataType::Uint8, &[1], "[-1]", "value -1 at byte 1 is out of range");
        check(
            DataType::Fp32,
            &[1],
            "[1e39]",
            "value 1e39 at byte 1 is out of range for datatype FP32",
        );
        check(DataType::Fp64, &[1], "[1e400]", "out of range");
        check(
            DataType::Int32,
            &[1],
            "[1.5]",
            "non-signed-integer as signed-integer, got 1.5 at byte 1",
        );
        check(DataType::Int32, &[1], "[1.0]", "got 1.0 at byte 1");
        check(DataType::Int32, &[1], "[\"1\"]", "got \"1\" at byte 1");
        check(DataType::Int32, &[1], "[null]", "got null at byte 1");
        check(DataType::Bool, &[1], "[1]", "non-boolean as boolean, got 1 at byte 1");
        check(DataType::Bytes, &[1], "[5]", "non-string as string, got 5 at byte 1");
        check(DataType::Fp32, &[1], "[true]", "non-number as number, got true at byte 1");
        check(DataType::Int32, &[1], "5", "non-array as array, got 5 at byte 0");
        check(DataType::Int32, &[2], "[1]", "shape [2] has 2 elements, got 1");
        check(DataType::Int32, &[2], "[1,2,3]", "shape [2] has 2 elements, got more");
        check(DataType::Fp16, &[1], "[1]", "receiving FP16 data via JSON is not supported");
        check(DataType::Int32, &[i64::MAX, 16], "[1]", "causes total element count to exceed");
        check(DataType::Int64, &[1 << 60], "[1]", "exceeds the maximum allowed value");
        check(DataType::Int32, &[1], "[{}]", "got an object at byte 1");
        check(DataType::Int32, &[1], "[1", "Missing a comma or ']'");
    }
}
