//! The outputs a request asks for, and the parameters that inputs and outputs have in common.

use super::{
    MAX_TENSORS, RequestedOutput, array,
    error::{DecodeError, field},
    set,
};
use crate::codec::json::{Kind, Reader};
use hippocamp_shm::SharedTensor;
use std::borrow::Cow;

/// The parameters of an input or output that have a meaning.
#[derive(Default)]
pub(super) struct TensorParameters<'a> {
    seen: bool,
    pub(super) binary_data_size: Option<u64>,
    pub(super) binary_data: Option<bool>,
    pub(super) classification: Option<u32>,
    pub(super) region: Option<Cow<'a, str>>,
    pub(super) offset: Option<u64>,
    pub(super) byte_size: Option<u64>,
}

impl TensorParameters<'_> {
    /// Where in shared memory the tensor lies, if it does; sizes left out are 0, as in Triton.
    pub(super) fn shared(&self) -> Option<SharedTensor> {
        Some(SharedTensor {
            region: self.region.as_deref()?.to_owned(),
            offset: self.offset.unwrap_or(0),
            byte_size: self.byte_size.unwrap_or(0),
        })
    }
}

/// Reads `outputs`.
pub(super) fn read_outputs(reader: &mut Reader<'_>) -> Result<Vec<RequestedOutput>, DecodeError> {
    let mut outputs = Vec::new();
    array(reader, "outputs", |reader| {
        if outputs.len() == MAX_TENSORS {
            return Err(DecodeError::TooMany { what: "outputs", limit: MAX_TENSORS });
        }
        outputs.push(read_output(reader)?);
        Ok(())
    })?;
    Ok(outputs)
}

fn read_output(reader: &mut Reader<'_>) -> Result<RequestedOutput, DecodeError> {
    let mut name = None;
    let mut parameters = TensorParameters::default();
    if reader.kind()? != Kind::Object {
        return Err(field("outputs")(reader.wrong("object")));
    }
    reader.object(|reader, key| -> Result<(), DecodeError> {
        match &*key {
            "name" => set(&mut name, &key, reader.string().map_err(field("name"))?.into_owned()),
            "parameters" => read_tensor_parameters(reader, &mut parameters),
            _ => Ok(reader.skip()?),
        }
    })?;
    let shared = parameters.shared();
    if shared.is_some() && parameters.classification.is_some() {
        return Err(DecodeError::SharedMemoryOutput("classification"));
    }
    if shared.is_some() && parameters.binary_data == Some(true) {
        return Err(DecodeError::SharedMemoryOutput("binary_data"));
    }
    Ok(RequestedOutput {
        name: name.ok_or(DecodeError::Missing { field: "name" })?,
        binary: parameters.binary_data,
        classes: parameters.classification.unwrap_or(0),
        shared,
    })
}

/// Reads the `parameters` of an input or output.
pub(super) fn read_tensor_parameters<'a>(
    reader: &mut Reader<'a>,
    parameters: &mut TensorParameters<'a>,
) -> Result<(), DecodeError> {
    if std::mem::replace(&mut parameters.seen, true) {
        return Err(DecodeError::Duplicate("parameters".to_owned()));
    }
    if reader.kind()? != Kind::Object {
        return Err(field("parameters")(reader.wrong("object")));
    }
    reader.object(|reader, key| match &*key {
        "binary_data_size" => {
            let size = reader.unsigned().map_err(field("binary_data_size"))?;
            set(&mut parameters.binary_data_size, &key, size)
        }
        "binary_data" => {
            set(&mut parameters.binary_data, &key, reader.boolean().map_err(field("binary_data"))?)
        }
        "classification" => {
            // More classes than there can be are all of them.
            let classes = reader.unsigned().map_err(field("classification"))?;
            set(&mut parameters.classification, &key, u32::try_from(classes).unwrap_or(u32::MAX))
        }
        "shared_memory_region" => set(
            &mut parameters.region,
            &key,
            reader.string().map_err(field("shared_memory_region"))?,
        ),
        "shared_memory_offset" => {
            let offset = reader.unsigned().map_err(field("shared_memory_offset"))?;
            set(&mut parameters.offset, &key, offset)
        }
        "shared_memory_byte_size" => {
            let byte_size = reader.unsigned().map_err(field("shared_memory_byte_size"))?;
            set(&mut parameters.byte_size, &key, byte_size)
        }
        _ => Ok(reader.skip()?),
    })
}
