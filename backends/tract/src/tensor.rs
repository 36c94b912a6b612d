//! Between the protocol's bytes and tract's tensors: one copy in, one copy out.

use crate::error::RunError;
use crate::onnx::TensorInfo;
use hippocamp_backend::DataType;
use std::borrow::Cow;
use tract_core::internal::*;

/// The tensor of `shape` (whole, of the batch) whose bytes are `parts` one behind the other.
///
/// # Errors
/// If the parts are not what the shape asks for, or BYTES elements are not UTF-8.
pub fn from_parts<'a>(
    info: &TensorInfo,
    shape: &[usize],
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<Tensor, RunError> {
    let too_large = || RunError::TooLarge { input: info.name.clone() };
    let count = shape.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
    let count = count.ok_or_else(too_large)?;
    if info.datatype == DataType::Bytes {
        return strings(info, shape, count, parts);
    }
    let expected = count.checked_mul(info.datum_type.size_of()).ok_or_else(too_large)?;
    // Before anything of this size is allocated.
    let parts: SmallParts<'a> = parts.collect();
    let actual = parts.iter().map(|part| part.len()).sum();
    if actual != expected {
        return Err(RunError::ByteSize { input: info.name.clone(), expected, actual });
    }
    let mut tensor = Tensor::zero_dt(info.datum_type, shape)
        .map_err(|error| RunError::Engine { detail: crate::error::detail(error) })?;
    let mut rest = tensor.as_bytes_mut();
    for part in parts {
        let (here, behind) = rest.split_at_mut(part.len());
        if info.datatype == DataType::Bool {
            // Any byte may come; a Rust bool is 0 or 1.
            here.iter_mut().zip(part).for_each(|(to, from)| *to = u8::from(*from != 0));
        } else {
            here.copy_from_slice(part);
        }
        rest = behind;
    }
    Ok(tensor)
}

type SmallParts<'a> = TVec<&'a [u8]>;

fn strings<'a>(
    info: &TensorInfo,
    shape: &[usize],
    expected: usize,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<Tensor, RunError> {
    let mut elements: Vec<String> = Vec::new();
    for mut part in parts {
        while let Some((length, rest)) = part.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            let Some((element, behind)) = rest.split_at_checked(length) else {
                return Err(RunError::ByteSize {
                    input: info.name.clone(),
                    expected: length,
                    actual: rest.len(),
                });
            };
            let text = std::str::from_utf8(element)
                .map_err(|_invalid| RunError::Utf8 { input: info.name.clone() })?;
            elements.push(text.to_owned());
            part = behind;
        }
        if !part.is_empty() {
            return Err(RunError::ByteSize {
                input: info.name.clone(),
                expected: 4,
                actual: part.len(),
            });
        }
    }
    let actual = elements.len();
    if actual != expected {
        return Err(RunError::ElementCount { input: info.name.clone(), expected, actual });
    }
    let array = tract_ndarray::ArrayD::from_shape_vec(shape, elements)
        .map_err(|error| RunError::Engine { detail: crate::error::detail(error) })?;
    Ok(array.into())
}

/// The protocol's bytes of an output; plain elements are borrowed.
///
/// # Errors
/// If the output is not in plain memory, which outputs are.
pub fn bytes_of(value: &Tensor) -> Result<Cow<'_, [u8]>, RunError> {
    let engine = |detail: String| RunError::Engine { detail };
    let view = value.try_as_plain_ram().map_err(|error| engine(crate::error::detail(error)))?;
    if value.datum_type() != DatumType::String {
        return Ok(Cow::Borrowed(view.as_bytes()));
    }
    let strings = view.as_slice::<String>().map_err(|error| engine(crate::error::detail(error)))?;
    let mut bytes = Vec::with_capacity(strings.iter().map(|text| text.len() + 4).sum());
    for text in strings {
        let length = u32::try_from(text.len())
            .map_err(|_large| engine("an output string is 4 GiB or longer".to_owned()))?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Ok(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_proto::DataType as OnnxType;

    fn info(onnx: OnnxType) -> TensorInfo {
        let (datatype, datum_type) = crate::datatype::from_onnx(onnx as i32).unwrap();
        TensorInfo { name: "x".to_owned(), datatype, datum_type, dims: None }
    }

    #[test]
    fn parts_are_joined() {
        let parts: [&[u8]; 2] = [&[1, 2], &[3, 4, 5, 6]];
        let tensor = from_parts(&info(OnnxType::Uint8), &[3, 2], parts.into_iter()).unwrap();
        assert_eq!(*bytes_of(&tensor).unwrap(), [1, 2, 3, 4, 5, 6]);

        let parts: [&[u8]; 2] = [b"\x01\0\0\0a\0\0\0\0", b"\x02\0\0\0bc\x01\0\0\0d"];
        let tensor = from_parts(&info(OnnxType::String), &[2, 2], parts.into_iter()).unwrap();
        assert_eq!(*bytes_of(&tensor).unwrap(), *parts.concat());
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused() {
        let check = |onnx, shape: &[usize], bytes: &[u8], expect: &str| {
            let error = from_parts(&info(onnx), shape, std::iter::once(bytes)).unwrap_err();
            assert!(error.is_invalid_request());
            assert!(error.to_string().contains(expect), "{error}");
        };
        check(OnnxType::Int32, &[2], &[0; 4], "has 4 bytes where its shape asks for 8");
        check(OnnxType::Int32, &[usize::MAX, 2], &[0; 4], "larger than can be addressed");
        check(OnnxType::Int64, &[usize::MAX / 4], &[0; 4], "larger than can be addressed");
        check(OnnxType::Uint8, &[usize::MAX / 2], &[0; 4], "has 4 bytes where its shape asks for");
        check(OnnxType::String, &[1], &[1, 0], "has 2 bytes where its shape asks for 4");
        check(
            OnnxType::String,
            &[1],
            &[255, 0, 0, 0, 1],
            "has 1 bytes where its shape asks for 255",
        );
        check(
            OnnxType::String,
            &[2],
            &[0, 0, 0, 0],
            "has 1 BYTES elements where its shape asks for 2",
        );
        check(OnnxType::String, &[1], &[1, 0, 0, 0, 255], "not UTF-8");
    }
}
