//! Tensors that came as typed `contents` rather than raw bytes.

use bytes::Bytes;
use hippocamp_proto::inference::InferTensorContents;
use hippocamp_types::{DataType, Error, push_bytes_element};

/// The tensor that `contents` belong to, for checks and error texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) input: &'a str,
    pub(super) model: &'a str,
    /// `None`: the request's datatype does not exist.
    pub(super) datatype: Option<DataType>,
}

/// The little-endian bytes of `contents`. How many elements there must be is for
/// `core::normalise` to say, as for every other tensor.
///
/// # Errors
/// If values of another datatype than the tensor's are given, of several datatypes, or values that
/// the datatype cannot hold.
pub(super) fn to_bytes(contents: &InferTensorContents, target: Target<'_>) -> Result<Bytes, Error> {
    let mut data = Vec::new();
    let c = contents;
    target.take(&mut data, DataType::Bool, &c.bool_contents, |data| {
        data.extend(c.bool_contents.iter().map(|value| u8::from(*value)));
        Ok(())
    })?;
    match target.datatype {
        Some(DataType::Int8) => {
            target.take(&mut data, DataType::Int8, &c.int_contents, |data| {
                target.narrow(data, &c.int_contents, i8::to_le_bytes)
            })?
        }
        Some(DataType::Int16) => {
            target.take(&mut data, DataType::Int16, &c.int_contents, |data| {
                target.narrow(data, &c.int_contents, i16::to_le_bytes)
            })?
        }
        _ => target.take(&mut data, DataType::Int32, &c.int_contents, |data| {
            target.narrow(data, &c.int_contents, i32::to_le_bytes)
        })?,
    }
    target.take(&mut data, DataType::Int64, &c.int64_contents, |data| {
        target.narrow(data, &c.int64_contents, i64::to_le_bytes)
    })?;
    match target.datatype {
        Some(DataType::Uint8) => {
            target.take(&mut data, DataType::Uint8, &c.uint_contents, |data| {
                target.narrow(data, &c.uint_contents, u8::to_le_bytes)
            })?
        }
        Some(DataType::Uint16) => {
            target.take(&mut data, DataType::Uint16, &c.uint_contents, |data| {
                target.narrow(data, &c.uint_contents, u16::to_le_bytes)
            })?
        }
        _ => target.take(&mut data, DataType::Uint32, &c.uint_contents, |data| {
            target.narrow(data, &c.uint_contents, u32::to_le_bytes)
        })?,
    }
    target.take(&mut data, DataType::Uint64, &c.uint64_contents, |data| {
        target.narrow(data, &c.uint64_contents, u64::to_le_bytes)
    })?;
    target.take(&mut data, DataType::Fp32, &c.fp32_contents, |data| {
        target.narrow(data, &c.fp32_contents, f32::to_le_bytes)
    })?;
    target.take(&mut data, DataType::Fp64, &c.fp64_contents, |data| {
        target.narrow(data, &c.fp64_contents, f64::to_le_bytes)
    })?;
    target.take(&mut data, DataType::Bytes, &c.bytes_contents, |data| {
        data.reserve_exact(c.bytes_contents.iter().map(|element| 4 + element.len()).sum());
        for element in &c.bytes_contents {
            push_bytes_element(data, element);
        }
        Ok(())
    })?;
    Ok(data.into())
}

impl Target<'_> {
    /// Lets `write` append `values`, which are of the datatype `given`, unless there are none.
    fn take<T>(
        self,
        data: &mut Vec<u8>,
        given: DataType,
        values: &[T],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if values.is_empty() {
            return Ok(());
        }
        let Self { input, model, datatype } = self;
        if !data.is_empty() {
            return Err(Error::invalid(format!(
                "unexpected explicit tensor data for input tensor '{input}' for model '{model}', binary data was already supplied."
            )));
        }
        if datatype != Some(given) {
            let expected = datatype.map_or("<invalid>", DataType::name);
            return Err(Error::invalid(format!(
                "unexpected explicit tensor data for input tensor '{input}' for model '{model}' of type '{given}', expected datatype '{expected}'"
            )));
        }
        write(data)
    }

    /// Appends `values`, each as a `T`.
    fn narrow<V, T, const N: usize>(
        self,
        data: &mut Vec<u8>,
        values: &[V],
        to_le_bytes: fn(T) -> [u8; N],
    ) -> Result<(), Error>
    where
        V: Copy + std::fmt::Display + TryInto<T>,
    {
        data.reserve_exact(values.len() * N);
        for &value in values {
            let value = value.try_into().map_err(|_outside| {
                let Self { input, model, datatype } = self;
                let datatype = datatype.map_or("<invalid>", DataType::name);
                Error::invalid(format!(
                    "unexpected value {value} in explicit tensor data for input tensor '{input}' for model '{model}', expected values that datatype '{datatype}' can hold"
                ))
            })?;
            data.extend_from_slice(&to_le_bytes(value));
        }
        Ok(())
    }
}
