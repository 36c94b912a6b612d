//! Input tensors of a request.

use crate::{
    DataType, Element, Error, abi,
    abi::{TRITONBACKEND_Input, TRITONSERVER_DataType, TRITONSERVER_MemoryType},
    element::cast,
    raw::{check, text},
};
use hippocamp_types::BytesElements;
use std::{borrow::Cow, ptr, slice};

/// One input tensor. Names, shapes and bytes are the request's own: nothing is copied, unless the
/// server holds the tensor in several pieces.
#[derive(Clone, Debug)]
pub struct Input<'r> {
    name: &'r str,
    datatype: DataType,
    shape: &'r [i64],
    data: Cow<'r, [u8]>,
}

impl<'r> Input<'r> {
    /// Reads an input of a live request.
    ///
    /// # Safety
    /// `input` belongs to a request that is not released during `'r`.
    pub(crate) unsafe fn read(input: *mut TRITONBACKEND_Input) -> Result<Self, Error> {
        let mut name = ptr::null();
        let mut datatype = TRITONSERVER_DataType::INVALID;
        let mut dims = ptr::null();
        let mut rank = 0;
        let mut byte_size = 0;
        let mut buffers = 0;
        // SAFETY: the handle is live by contract, every result is a place to write to.
        check(unsafe {
            abi::TRITONBACKEND_InputProperties(
                input,
                &raw mut name,
                &raw mut datatype,
                &raw mut dims,
                &raw mut rank,
                &raw mut byte_size,
                &raw mut buffers,
            )
        })?;
        // SAFETY: the host wrote a string that lives as long as the request.
        let name = unsafe { text(name) }?;
        let datatype = datatype_from_abi(datatype).ok_or_else(|| {
            Error::unsupported(format!(
                "input '{name}' has a datatype that this backend does not know"
            ))
        })?;
        // SAFETY: the host wrote start and number of the dimensions, which live as long as the request.
        let shape = unsafe { slice_of(dims, rank as usize) };
        let data = match buffers {
            0 => Cow::Borrowed(&[] as &[u8]),
            // SAFETY: the handle is live by contract.
            1 => Cow::Borrowed(unsafe { buffer(input, 0, name) }?),
            several => {
                let mut whole = Vec::with_capacity(usize::try_from(byte_size).unwrap_or(0));
                for index in 0..several {
                    // SAFETY: the handle is live by contract.
                    whole.extend_from_slice(unsafe { buffer(input, index, name) }?);
                }
                Cow::Owned(whole)
            }
        };
        Ok(Self { name, datatype, shape, data })
    }

    /// The input's name.
    pub fn name(&self) -> &'r str {
        self.name
    }

    /// Datatype of the elements.
    pub fn datatype(&self) -> DataType {
        self.datatype
    }

    /// The whole shape, the batch dimension first where the model has one.
    pub fn shape(&self) -> &'r [i64] {
        self.shape
    }

    /// The bytes: row-major, little-endian, at any alignment; BYTES elements each behind a 4-byte length.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, borrowed from the request where they are in one piece.
    pub fn into_data(self) -> Cow<'r, [u8]> {
        self.data
    }

    /// The elements as numbers: borrowed where the bytes are aligned for `T`, else copied.
    ///
    /// # Errors
    /// If the input's datatype is not read as `T`.
    pub fn values<T: Element>(&self) -> Result<Cow<'_, [T]>, Error> {
        values(self.name, self.datatype, &self.data)
    }

    /// The elements of a BYTES input.
    ///
    /// # Errors
    /// If the input is not BYTES; each element is an error if its length does not fit.
    pub fn elements(&self) -> Result<impl Iterator<Item = Result<&[u8], Error>>, Error> {
        elements(self.name, self.datatype, &self.data)
    }
}

/// Numbers of a tensor named `name`.
pub(crate) fn values<'d, T: Element>(
    name: &str,
    datatype: DataType,
    data: &'d [u8],
) -> Result<Cow<'d, [T]>, Error> {
    if !T::DATATYPES.contains(&datatype) {
        return Err(Error::invalid(format!(
            "input '{name}' expects datatype {}, got {datatype}",
            T::DATATYPES[0]
        )));
    }
    cast(data).ok_or_else(|| {
        Error::invalid(format!(
            "input '{name}' has {} bytes, which is no multiple of the size of {datatype}",
            data.len()
        ))
    })
}

/// Elements of a BYTES tensor named `name`.
pub(crate) fn elements<'d>(
    name: &str,
    datatype: DataType,
    data: &'d [u8],
) -> Result<impl Iterator<Item = Result<&'d [u8], Error>> + use<'d>, Error> {
    if datatype != DataType::Bytes {
        return Err(Error::invalid(format!(
            "input '{name}' expects datatype BYTES, got {datatype}"
        )));
    }
    let name = name.to_owned();
    Ok(BytesElements::new(data).map(move |element| {
        element.map_err(|error| Error::invalid(format!("{error} for inference input '{name}'")))
    }))
}

pub(crate) fn datatype_from_abi(datatype: TRITONSERVER_DataType) -> Option<DataType> {
    let index = usize::try_from(datatype.0).ok()?.checked_sub(1)?;
    DataType::ALL.get(index).copied()
}

pub(crate) fn datatype_to_abi(datatype: DataType) -> TRITONSERVER_DataType {
    match datatype {
        DataType::Bool => TRITONSERVER_DataType::BOOL,
        DataType::Uint8 => TRITONSERVER_DataType::UINT8,
        DataType::Uint16 => TRITONSERVER_DataType::UINT16,
        DataType::Uint32 => TRITONSERVER_DataType::UINT32,
        DataType::Uint64 => TRITONSERVER_DataType::UINT64,
        DataType::Int8 => TRITONSERVER_DataType::INT8,
        DataType::Int16 => TRITONSERVER_DataType::INT16,
        DataType::Int32 => TRITONSERVER_DataType::INT32,
        DataType::Int64 => TRITONSERVER_DataType::INT64,
        DataType::Fp16 => TRITONSERVER_DataType::FP16,
        DataType::Fp32 => TRITONSERVER_DataType::FP32,
        DataType::Fp64 => TRITONSERVER_DataType::FP64,
        DataType::Bytes => TRITONSERVER_DataType::BYTES,
        DataType::Bf16 => TRITONSERVER_DataType::BF16,
    }
}

/// One piece of an input.
///
/// # Safety
/// `input` belongs to a request that is not released during `'r`.
unsafe fn buffer<'r>(
    input: *mut TRITONBACKEND_Input,
    index: u32,
    name: &str,
) -> Result<&'r [u8], Error> {
    let mut base = ptr::null();
    let mut length = 0;
    let mut memory = TRITONSERVER_MemoryType::CPU;
    let mut memory_id = 0;
    // SAFETY: the handle is live by contract, every result is a place to write to.
    check(unsafe {
        abi::TRITONBACKEND_InputBuffer(
            input,
            index,
            &raw mut base,
            &raw mut length,
            &raw mut memory,
            &raw mut memory_id,
        )
    })?;
    if memory == TRITONSERVER_MemoryType::GPU {
        return Err(Error::unsupported(format!(
            "input '{name}' lies in GPU memory, which this backend does not read"
        )));
    }
    let length = usize::try_from(length)
        .map_err(|_large| Error::internal("an input is larger than memory"))?;
    // SAFETY: the host wrote start and length of bytes in CPU memory that live as long as the request.
    Ok(unsafe { slice_of(base.cast(), length) })
}

/// A slice of the host's; empty where the host gives no address.
///
/// # Safety
/// `base` is null or points at `length` values that live for `'a`.
unsafe fn slice_of<'a, T>(base: *const T, length: usize) -> &'a [T] {
    if base.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: by contract; the host aligns what it gives.
    unsafe { slice::from_raw_parts(base, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datatypes_have_triton_numbers() {
        for datatype in DataType::ALL {
            assert_eq!(datatype_from_abi(datatype_to_abi(datatype)), Some(datatype));
        }
        assert_eq!(datatype_from_abi(TRITONSERVER_DataType::INVALID), None);
        assert_eq!(datatype_from_abi(TRITONSERVER_DataType(99)), None);
    }

    #[test]
    fn views_check_the_datatype() {
        let check = |datatype, data: &[u8], expect: &str| {
            assert_eq!(values::<f32>("x", datatype, data).unwrap_err().message(), expect);
        };
        check(DataType::Int32, &[0; 4], "input 'x' expects datatype FP32, got INT32");
        check(
            DataType::Fp32,
            &[0; 5],
            "input 'x' has 5 bytes, which is no multiple of the size of FP32",
        );
        assert!(elements("x", DataType::Fp32, &[]).is_err());
        let faults: Vec<_> = elements("x", DataType::Bytes, &[9, 0, 0, 0, 1]).unwrap().collect();
        let fault = faults[0].as_ref().unwrap_err().message();
        assert_eq!(
            fault,
            "incomplete string data, expecting string of length 9 but only 1 bytes available for inference input 'x'"
        );
    }
}
