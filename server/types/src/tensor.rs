//! A named tensor: a shape over reference-counted bytes.

use crate::{DataType, Shape};
use bytes::Bytes;

/// A named tensor. Its data is a slice of the body it arrived in, or of the buffer a backend wrote;
/// cloning shares it. The slice may start at any address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The input's or output's name.
    pub name: String,
    /// Datatype of the elements.
    pub datatype: DataType,
    /// The whole shape, the batch dimension first where the model has one.
    pub shape: Shape,
    /// Row-major, little-endian; BYTES elements each behind a 4-byte length.
    pub data: Bytes,
}

/// Why the data of a BYTES tensor does not divide into elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// Fewer than 4 bytes where a length should stand.
    #[error("incomplete string length, expecting 4 bytes but only {available} bytes available")]
    Length {
        /// Bytes left.
        available: usize,
    },
    /// Fewer bytes than the length says.
    #[error(
        "incomplete string data, expecting string of length {expected} but only {available} bytes available"
    )]
    Data {
        /// The length that stands there.
        expected: usize,
        /// Bytes left.
        available: usize,
    },
}

/// The elements of a BYTES tensor, one by one.
#[derive(Clone, Debug)]
pub struct BytesElements<'a> {
    rest: &'a [u8],
}

impl<'a> BytesElements<'a> {
    /// Divides `data` at its length prefixes.
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }
}

impl<'a> Iterator for BytesElements<'a> {
    type Item = Result<&'a [u8], ElementError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            let available = self.rest.len();
            self.rest = &[];
            return Some(Err(ElementError::Length { available }));
        };
        let expected = u32::from_le_bytes(*length) as usize;
        if expected > rest.len() {
            self.rest = &[];
            return Some(Err(ElementError::Data { expected, available: rest.len() }));
        }
        let (element, rest) = rest.split_at(expected);
        self.rest = rest;
        Some(Ok(element))
    }
}

/// Appends one element of a BYTES tensor, behind its length.
///
/// # Panics
/// If the element is 4 GiB or longer; every body is bounded below that.
pub fn push_bytes_element(data: &mut Vec<u8>, element: &[u8]) {
    let length = u32::try_from(element.len()).expect("bodies are bounded below 4 GiB");
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(element);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_end_at_the_first_fault() {
        let mut data = Vec::new();
        push_bytes_element(&mut data, b"hello");
        push_bytes_element(&mut data, b"");
        let good: Vec<_> = BytesElements::new(&data).map(Result::unwrap).collect();
        assert_eq!(good, [b"hello".as_slice(), b""]);

        data.extend_from_slice(&[255, 0, 0, 0, b'x']);
        let faults: Vec<_> = BytesElements::new(&data).filter_map(Result::err).collect();
        assert_eq!(faults, [ElementError::Data { expected: 255, available: 1 }]);
        assert_eq!(
            BytesElements::new(&[1, 0]).collect::<Vec<_>>(),
            [Err(ElementError::Length { available: 2 })]
        );
    }
}
