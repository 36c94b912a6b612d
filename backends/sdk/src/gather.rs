//! Batches as single tensors: rows of all requests concatenated on the way in, and split on the
//! way out. Pure; [`Batch`](crate::Batch) applies it to requests.

use crate::{DataType, Element, Error, Input, input};
use std::borrow::Cow;

/// One input of a whole batch.
#[derive(Clone, Debug)]
pub struct Gathered<'a> {
    /// The input's name.
    pub name: String,
    /// Datatype of the elements.
    pub datatype: DataType,
    /// The first dimension counts the rows of all requests.
    pub shape: Vec<i64>,
    /// Row-major, little-endian; borrowed where one request is the batch.
    pub data: Cow<'a, [u8]>,
}

/// One output of a whole batch, to be split by rows.
#[derive(Clone, Copy, Debug)]
pub struct OutputTensor<'a> {
    /// The output's name.
    pub name: &'a str,
    /// Datatype of the elements.
    pub datatype: DataType,
    /// The first dimension counts the rows of all requests, where the model has a batch dimension.
    pub shape: &'a [i64],
    /// Row-major, little-endian; BYTES elements each behind a 4-byte length.
    pub data: &'a [u8],
}

impl Gathered<'_> {
    /// The elements as numbers: borrowed where the bytes are aligned for `T`, else copied.
    ///
    /// # Errors
    /// If the input's datatype is not read as `T`.
    pub fn values<T: Element>(&self) -> Result<Cow<'_, [T]>, Error> {
        input::values(&self.name, self.datatype, &self.data)
    }

    /// The elements of a BYTES input.
    ///
    /// # Errors
    /// If the input is not BYTES; each element is an error if its length does not fit.
    pub fn elements(&self) -> Result<impl Iterator<Item = Result<&[u8], Error>>, Error> {
        input::elements(&self.name, self.datatype, &self.data)
    }
}

/// Concatenates `inputs`, which are one input of several requests, along their first dimension.
pub(crate) fn concatenate(mut inputs: Vec<Input<'_>>) -> Result<Gathered<'_>, Error> {
    if inputs.len() == 1
        && let Some(input) = inputs.pop()
    {
        return Ok(Gathered {
            name: input.name().to_owned(),
            datatype: input.datatype(),
            shape: input.shape().to_vec(),
            data: input.into_data(),
        });
    }
    let Some(first) = inputs.first() else {
        return Err(Error::internal("a batch has no requests"));
    };
    let mut shape = first.shape().to_vec();
    let Some((rows, row)) = shape.split_first_mut() else {
        return Err(Error::internal(format!("input '{}' has no batch dimension", first.name())));
    };
    *rows = 0;
    for input in &inputs {
        let Some((&count, rest)) = input.shape().split_first() else {
            return Err(Error::internal(format!(
                "input '{}' has no batch dimension",
                input.name()
            )));
        };
        if rest != row || input.datatype() != first.datatype() {
            return Err(Error::invalid(format!(
                "input '{}' has shape {rest:?} per row in one request of a batch and {row:?} in another",
                input.name()
            )));
        }
        *rows =
            rows.checked_add(count).ok_or_else(|| Error::invalid("a batch has too many rows"))?;
    }
    let mut data = Vec::with_capacity(inputs.iter().map(|input| input.data().len()).sum());
    for input in &inputs {
        data.extend_from_slice(input.data());
    }
    let (name, datatype) = (first.name().to_owned(), first.datatype());
    Ok(Gathered { name, datatype, shape, data: Cow::Owned(data) })
}

/// Splits `output` after each of `rows`, the numbers of rows of the requests of a batch.
pub(crate) fn split<'a>(output: &OutputTensor<'a>, rows: &[usize]) -> Result<Vec<&'a [u8]>, Error> {
    let total: usize = rows.iter().sum();
    let first = output.shape.first().copied();
    if first.and_then(|first| usize::try_from(first).ok()) != Some(total) {
        return Err(Error::internal(format!(
            "output '{}' should have {total} rows, the batch's, but has shape {:?}",
            output.name, output.shape
        )));
    }
    let per_row = output.shape[1..].iter().try_fold(1_usize, |product, &dim| {
        usize::try_from(dim).ok().and_then(|dim| product.checked_mul(dim))
    });
    let mismatch = || {
        Error::internal(format!(
            "output '{}' has {} bytes, which do not fill shape {:?}",
            output.name,
            output.data.len(),
            output.shape
        ))
    };
    let per_row = per_row.ok_or_else(mismatch)?;
    let mut rest = output.data;
    let mut parts = Vec::with_capacity(rows.len());
    for &count in rows {
        let elements = per_row.checked_mul(count).ok_or_else(mismatch)?;
        let length = match output.datatype.byte_size() {
            Some(size) => elements.checked_mul(size),
            None => bytes_length(rest, elements),
        };
        let (part, after) =
            length.and_then(|length| rest.split_at_checked(length)).ok_or_else(mismatch)?;
        parts.push(part);
        rest = after;
    }
    if rest.is_empty() { Ok(parts) } else { Err(mismatch()) }
}

/// Bytes that the first `count` elements of a BYTES tensor take.
fn bytes_length(data: &[u8], count: usize) -> Option<usize> {
    let mut elements = hippocamp_types::BytesElements::new(data);
    let mut length = 0;
    for _ in 0..count {
        length += 4 + elements.next()?.ok()?.len();
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push_bytes_element;

    #[test]
    fn splits_by_rows() {
        let output = OutputTensor {
            name: "y",
            datatype: DataType::Int16,
            shape: &[3, 2],
            data: &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0],
        };
        let parts = split(&output, &[1, 0, 2]).unwrap();
        assert_eq!(parts, [&output.data[..4], &[], &output.data[4..]]);
        let check = |rows: &[usize], data, expect: &str| {
            assert_eq!(
                split(&OutputTensor { data, ..output }, rows).unwrap_err().message(),
                expect
            );
        };
        check(
            &[1, 1],
            output.data,
            "output 'y' should have 2 rows, the batch's, but has shape [3, 2]",
        );
        check(
            &[1, 2],
            &output.data[..10],
            "output 'y' has 10 bytes, which do not fill shape [3, 2]",
        );
        check(&[2, 1], &[0; 14], "output 'y' has 14 bytes, which do not fill shape [3, 2]");
    }

    #[test]
    fn splits_bytes_at_elements() {
        let mut data = Vec::new();
        for element in [&b"a"[..], b"", b"long"] {
            push_bytes_element(&mut data, element);
        }
        let output =
            OutputTensor { name: "y", datatype: DataType::Bytes, shape: &[3], data: &data };
        assert_eq!(split(&output, &[2, 1]).unwrap(), [&data[..9], &data[9..]]);
        assert!(split(&OutputTensor { data: &data[..data.len() - 1], ..output }, &[2, 1]).is_err());
    }
}
