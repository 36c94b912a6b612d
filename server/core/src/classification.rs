//! The classification extension: an output's `k` largest values as `value:index[:label]`.

use bytes::Bytes;
use hippocamp_types::{DataType, Error, Shape, Tensor, push_bytes_element};
use std::{cmp::Ordering, fmt::Write as _};

/// The `k` largest values of `tensor` (per row where `batched`), largest first, as a BYTES tensor
/// of shape `[batch, k]` (or `[k]`); `k` is clamped to the number of classes. `labels` are by class
/// index; a class without one has none.
///
/// # Errors
/// If the datatype has no order that Triton offers (BYTES, FP16, BF16).
pub fn classify(
    tensor: &Tensor,
    k: u32,
    labels: &[String],
    batched: bool,
) -> Result<Tensor, Error> {
    let dims = tensor.shape.dims();
    let (batch, classes) = match dims.split_first() {
        Some((&batch, classes)) if batched => (Some(batch), classes),
        _ => (None, dims),
    };
    let count = |dims: &[i64]| Shape::new(dims).element_count().unwrap_or(0);
    let classes = count(classes);
    let k = usize::try_from(k).unwrap_or(usize::MAX).min(classes);
    let rows = batch.map_or(1, |batch| count(&[batch]));

    let mut data = Vec::new();
    let mut text = String::new();
    let size = tensor.datatype.byte_size().unwrap_or(0);
    for row in 0..rows {
        let values =
            tensor.data.get(row * classes * size..(row + 1) * classes * size).ok_or_else(|| {
                Error::internal(format!("output '{}' is shorter than its shape", tensor.name))
            })?;
        for index in top(values, tensor, k)? {
            text.clear();
            value(&mut text, &values[index * size..(index + 1) * size], tensor.datatype);
            write!(text, ":{index}").expect("writing to a string does not fail");
            if let Some(label) = labels.get(index).filter(|label| !label.is_empty()) {
                text.push(':');
                text.push_str(label);
            }
            push_bytes_element(&mut data, text.as_bytes());
        }
    }
    let k = i64::try_from(k).expect("k is at most the element count of a shape");
    Ok(Tensor {
        name: tensor.name.clone(),
        datatype: DataType::Bytes,
        shape: batch.into_iter().chain([k]).collect(),
        data: Bytes::from(data),
    })
}

/// Indices of the `k` largest values, largest first; of equal values the first comes first.
fn top(values: &[u8], tensor: &Tensor, k: usize) -> Result<Vec<usize>, Error> {
    macro_rules! order {
        ($number:ty, $compare:expr) => {{
            let (numbers, _) = values.as_chunks::<{ size_of::<$number>() }>();
            let numbers: Vec<$number> =
                numbers.iter().map(|bytes| <$number>::from_le_bytes(*bytes)).collect();
            let mut indices: Vec<usize> = (0..numbers.len()).collect();
            let compare: fn(&$number, &$number) -> Ordering = $compare;
            let descending =
                |a: &usize, b: &usize| compare(&numbers[*b], &numbers[*a]).then(a.cmp(b));
            if k < indices.len() {
                indices.select_nth_unstable_by(k, descending);
                indices.truncate(k);
            }
            indices.sort_unstable_by(descending);
            indices
        }};
    }
    Ok(match tensor.datatype {
        DataType::Bool | DataType::Uint8 => order!(u8, Ord::cmp),
        DataType::Uint16 => order!(u16, Ord::cmp),
        DataType::Uint32 => order!(u32, Ord::cmp),
        DataType::Uint64 => order!(u64, Ord::cmp),
        DataType::Int8 => order!(i8, Ord::cmp),
        DataType::Int16 => order!(i16, Ord::cmp),
        DataType::Int32 => order!(i32, Ord::cmp),
        DataType::Int64 => order!(i64, Ord::cmp),
        DataType::Fp32 => order!(f32, f32::total_cmp),
        DataType::Fp64 => order!(f64, f64::total_cmp),
        datatype @ (DataType::Fp16 | DataType::Bf16 | DataType::Bytes) => {
            return Err(Error::invalid(format!(
                "class result not available for output '{}' due to unsupported type '{datatype}'",
                tensor.name
            )));
        }
    })
}

/// Prints one value as Triton does: integers plainly, floats with six digits after the point.
fn value(text: &mut String, bytes: &[u8], datatype: DataType) {
    macro_rules! number {
        ($number:ty) => {
            <$number>::from_le_bytes(bytes.try_into().expect("the slice is one element long"))
        };
    }
    match datatype {
        DataType::Bool | DataType::Uint8 => write!(text, "{}", number!(u8)),
        DataType::Uint16 => write!(text, "{}", number!(u16)),
        DataType::Uint32 => write!(text, "{}", number!(u32)),
        DataType::Uint64 => write!(text, "{}", number!(u64)),
        DataType::Int8 => write!(text, "{}", number!(i8)),
        DataType::Int16 => write!(text, "{}", number!(i16)),
        DataType::Int32 => write!(text, "{}", number!(i32)),
        DataType::Int64 => write!(text, "{}", number!(i64)),
        DataType::Fp32 => write!(text, "{:.6}", number!(f32)),
        DataType::Fp64 => write!(text, "{:.6}", number!(f64)),
        DataType::Fp16 | DataType::Bf16 | DataType::Bytes => Ok(()),
    }
    .expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::BytesElements;

    fn tensor(values: &[f32], shape: &[i64]) -> Tensor {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor {
            name: "O".to_owned(),
            datatype: DataType::Fp32,
            shape: Shape::new(shape),
            data: data.into(),
        }
    }

    fn texts(tensor: &Tensor) -> Vec<String> {
        BytesElements::new(&tensor.data)
            .map(|e| String::from_utf8(e.unwrap().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn largest_first_per_row_with_labels() {
        let labels = ["cat".to_owned(), String::new(), "dog".to_owned()];
        let got =
            classify(&tensor(&[1.0, 3.0, 2.0, 0.5, 0.25, 9.0], &[2, 3]), 2, &labels, true).unwrap();
        assert_eq!(got.shape, Shape::new(&[2, 2]));
        assert_eq!(
            texts(&got),
            ["3.000000:1", "2.000000:2:dog", "9.000000:2:dog", "0.500000:0:cat"]
        );
    }

    #[test]
    fn k_is_clamped_and_ties_keep_their_order() {
        let got = classify(&tensor(&[1.0, 1.0], &[2]), 99, &[], false).unwrap();
        assert_eq!(got.shape, Shape::new(&[2]));
        assert_eq!(texts(&got), ["1.000000:0", "1.000000:1"]);
    }
}
