//! Named tensors, as they are sent and received.

use crate::{Element, Error};
use bytes::Bytes;

/// A named tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The input's or output's name.
    pub name: String,
    /// The datatype's name on the wire, such as `FP32`.
    pub datatype: String,
    /// Sizes of the dimensions, the batch dimension first where the model has one.
    pub shape: Vec<i64>,
    /// Row-major, little-endian; BYTES elements each behind a 4-byte length.
    pub data: Bytes,
}

impl Tensor {
    /// A tensor of `values`, row-major.
    pub fn new<T: Element>(name: impl Into<String>, shape: &[i64], values: &[T]) -> Self {
        let mut data = Vec::with_capacity(values.len() * T::BYTE_SIZE);
        for value in values {
            value.write(&mut data);
        }
        Self::raw(name, shape, T::DATATYPE, data)
    }

    /// A BYTES tensor of `values`, row-major: text, or bytes of any kind.
    ///
    /// # Panics
    /// If a value is 4 GiB or longer, which the wire cannot say.
    pub fn bytes<T: AsRef<[u8]>>(name: impl Into<String>, shape: &[i64], values: &[T]) -> Self {
        let mut data = Vec::new();
        for value in values {
            push_bytes_element(&mut data, value.as_ref());
        }
        Self::raw(name, shape, "BYTES", data)
    }

    /// A tensor whose bytes are as they travel; also for datatypes without a Rust type (FP16, BF16)
    /// and for tensors that are wrong on purpose.
    pub fn raw(
        name: impl Into<String>,
        shape: &[i64],
        datatype: impl Into<String>,
        data: impl Into<Bytes>,
    ) -> Self {
        Self {
            name: name.into(),
            datatype: datatype.into(),
            shape: shape.to_vec(),
            data: data.into(),
        }
    }

    /// The elements, row-major.
    ///
    /// # Errors
    /// If the tensor has another datatype, or its bytes are no whole elements.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, Error> {
        if self.datatype != T::DATATYPE {
            return Err(Error::Decode(format!(
                "'{}' has datatype {}, not {}",
                self.name,
                self.datatype,
                T::DATATYPE
            )));
        }
        self.data
            .chunks(T::BYTE_SIZE)
            .map(T::read)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::Decode(format!("'{}' ends within an element", self.name)))
    }

    /// The elements of an INT32 tensor; see [`Tensor::values`].
    ///
    /// # Errors
    /// As [`Tensor::values`].
    pub fn as_i32(&self) -> Result<Vec<i32>, Error> {
        self.values()
    }

    /// The elements of an INT64 tensor; see [`Tensor::values`].
    ///
    /// # Errors
    /// As [`Tensor::values`].
    pub fn as_i64(&self) -> Result<Vec<i64>, Error> {
        self.values()
    }

    /// The elements of an FP32 tensor; see [`Tensor::values`].
    ///
    /// # Errors
    /// As [`Tensor::values`].
    pub fn as_f32(&self) -> Result<Vec<f32>, Error> {
        self.values()
    }

    /// The elements of a BYTES tensor; slices of its data.
    ///
    /// # Errors
    /// If the tensor has another datatype, or its bytes do not divide into elements.
    pub fn elements(&self) -> Result<Vec<Bytes>, Error> {
        if self.datatype != "BYTES" {
            return Err(Error::Decode(format!(
                "'{}' has datatype {}, not BYTES",
                self.name, self.datatype
            )));
        }
        let mut elements = Vec::new();
        let mut rest = self.data.clone();
        while !rest.is_empty() {
            let length = rest.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
            let element = length.filter(|&length| length <= rest.len() - 4);
            let Some(length) = element else {
                return Err(Error::Decode(format!("'{}' ends within an element", self.name)));
            };
            elements.push(rest.slice(4..4 + length));
            rest = rest.slice(4 + length..);
        }
        Ok(elements)
    }

    /// The elements of a BYTES tensor as text.
    ///
    /// # Errors
    /// As [`Tensor::elements`], and if an element is not UTF-8.
    pub fn strings(&self) -> Result<Vec<String>, Error> {
        self.elements()?
            .into_iter()
            .map(|element| {
                String::from_utf8(element.into()).map_err(|error| {
                    Error::Decode(format!("'{}' holds no text: {error}", self.name))
                })
            })
            .collect()
    }
}

/// Appends an element of a BYTES tensor.
///
/// # Panics
/// If it is 4 GiB or longer.
pub(crate) fn push_bytes_element(data: &mut Vec<u8>, element: &[u8]) {
    let length = u32::try_from(element.len()).expect("elements of 4 GiB cannot be sent");
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(element);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip() {
        let tensor = Tensor::new("T", &[3], &[1i32, -2, i32::MAX]);
        assert_eq!((tensor.datatype.as_str(), tensor.data.len()), ("INT32", 12));
        assert_eq!(tensor.as_i32().unwrap(), [1, -2, i32::MAX]);
        assert_eq!(Tensor::new("T", &[2], &[true, false]).values::<bool>().unwrap(), [true, false]);
        assert_eq!(Tensor::new("T", &[1], &[f32::MIN]).as_f32().unwrap(), [f32::MIN]);
        let texts = ["", "Grüße 🌒"];
        assert_eq!(Tensor::bytes("T", &[2], &texts).strings().unwrap(), texts);
    }

    #[test]
    fn wrong_types_and_cut_data_are_errors() {
        let error = Tensor::new("T", &[1], &[1i32]).as_f32().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the server's answer: 'T' has datatype INT32, not FP32"
        );
        assert!(Tensor::raw("T", &[1], "INT32", vec![0; 3]).as_i32().is_err());
        assert!(Tensor::new("T", &[1], &[1i32]).elements().is_err());
        for cut in [&[1, 0, 0][..], &[1, 0, 0, 0], &[255, 255, 255, 255, 0]] {
            assert!(Tensor::raw("T", &[1], "BYTES", cut.to_vec()).elements().is_err(), "{cut:?}");
        }
        assert!(Tensor::bytes("T", &[1], &[&[255u8][..]]).strings().is_err());
    }
}
