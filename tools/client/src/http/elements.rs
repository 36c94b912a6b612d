//! Tensor data as JSON and back.

use crate::{Element, Error, Tensor, tensor::push_bytes_element};
use serde_json::{Number, Value};

/// The elements of `tensor`, flat.
///
/// # Errors
/// If the datatype has no JSON form (FP16, BF16), or a value has none (NaN, bytes that are no text).
pub(super) fn to_json(tensor: &Tensor) -> Result<Vec<Value>, Error> {
    fn values<T: Element>(
        tensor: &Tensor,
        to_json: impl Fn(T) -> Option<Value>,
    ) -> Result<Vec<Value>, Error> {
        let values = tensor.values::<T>().map_err(|error| Error::Encode(error.to_string()))?;
        values.into_iter().map(to_json).collect::<Option<_>>().ok_or_else(|| {
            Error::Encode(format!("'{}' holds a value that JSON has no number for", tensor.name))
        })
    }
    fn integers<T: Element + Into<Number>>(tensor: &Tensor) -> Result<Vec<Value>, Error> {
        values(tensor, |value: T| Some(Value::Number(value.into())))
    }
    match tensor.datatype.as_str() {
        "BOOL" => values(tensor, |value: bool| Some(Value::Bool(value))),
        "UINT8" => integers::<u8>(tensor),
        "UINT16" => integers::<u16>(tensor),
        "UINT32" => integers::<u32>(tensor),
        "UINT64" => integers::<u64>(tensor),
        "INT8" => integers::<i8>(tensor),
        "INT16" => integers::<i16>(tensor),
        "INT32" => integers::<i32>(tensor),
        "INT64" => integers::<i64>(tensor),
        "FP32" => values(tensor, |value: f32| Number::from_f64(value.into()).map(Value::Number)),
        "FP64" => values(tensor, |value: f64| Number::from_f64(value).map(Value::Number)),
        "BYTES" => {
            let strings = tensor.strings().map_err(|error| Error::Encode(error.to_string()))?;
            Ok(strings.into_iter().map(Value::String).collect())
        }
        other => Err(Error::Encode(format!(
            "'{}' has datatype {other}, which cannot be sent as JSON; send it as binary",
            tensor.name
        ))),
    }
}

/// The bytes of `data`, flat or nested, as elements of `datatype`.
///
/// # Errors
/// If an element is not of the datatype.
pub(super) fn from_json(data: &Value, datatype: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    push(data, datatype, &mut bytes)?;
    Ok(bytes)
}

fn push(value: &Value, datatype: &str, bytes: &mut Vec<u8>) -> Result<(), Error> {
    fn signed<T: Element + TryFrom<i64>>(value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
        T::try_from(value.as_i64()?).ok().map(|value| value.write(bytes))
    }
    fn unsigned<T: Element + TryFrom<u64>>(value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
        T::try_from(value.as_u64()?).ok().map(|value| value.write(bytes))
    }
    if let Value::Array(values) = value {
        // serde_json bounds how deep this goes.
        return values.iter().try_for_each(|value| push(value, datatype, bytes));
    }
    let pushed = match datatype {
        "BOOL" => value.as_bool().map(|value| value.write(bytes)),
        "UINT8" => unsigned::<u8>(value, bytes),
        "UINT16" => unsigned::<u16>(value, bytes),
        "UINT32" => unsigned::<u32>(value, bytes),
        "UINT64" => unsigned::<u64>(value, bytes),
        "INT8" => signed::<i8>(value, bytes),
        "INT16" => signed::<i16>(value, bytes),
        "INT32" => signed::<i32>(value, bytes),
        "INT64" => signed::<i64>(value, bytes),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounds back to the FP32 that was printed"
        )]
        "FP32" => value.as_f64().map(|value| (value as f32).write(bytes)),
        "FP64" => value.as_f64().map(|value| value.write(bytes)),
        "BYTES" => value.as_str().map(|value| push_bytes_element(bytes, value.as_bytes())),
        _ => None,
    };
    pushed.ok_or_else(|| Error::Decode(format!("{value} is no element of datatype {datatype}")))
}
