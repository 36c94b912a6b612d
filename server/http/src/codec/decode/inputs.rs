//! The inputs of a request: from JSON, or from the binary data behind it.

use super::{
    MAX_TENSORS, Target, array,
    error::{DecodeError, Sources, data_error, field},
    outputs::{TensorParameters, read_tensor_parameters},
    set,
};
use crate::codec::{
    data::read_array,
    json::{Kind, Reader},
};
use bytes::Bytes;
use hippocamp_shm::SharedTensor;
use hippocamp_types::{DataType, Shape, Tensor};
use std::borrow::Cow;

/// Dimensions of one input.
const MAX_RANK: usize = 256;

/// Reads inputs, and hands out the binary data to them.
pub(super) struct Inputs<'b> {
    pub(super) body: &'b Bytes,
    /// Where the binary data not yet taken begins.
    pub(super) tail: usize,
    pub(super) target: Target<'b>,
    /// Inputs, by their place, whose data lie in shared memory.
    pub(super) shared: Vec<(usize, SharedTensor)>,
}

/// One input as far as it is read.
#[derive(Default)]
struct Input<'a> {
    name: Option<Cow<'a, str>>,
    datatype: Option<Cow<'a, str>>,
    shape: Option<Shape>,
    data: JsonData,
    parameters: TensorParameters<'a>,
}

#[derive(Default)]
enum JsonData {
    #[default]
    None,
    /// It came before what is needed to read it: where it starts.
    At(usize),
    Read(Bytes),
}

impl Inputs<'_> {
    /// Reads `inputs`.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Tensor>, DecodeError> {
        let mut inputs = Vec::new();
        array(reader, "inputs", |reader| {
            if inputs.len() == MAX_TENSORS {
                return Err(DecodeError::TooMany { what: "inputs", limit: MAX_TENSORS });
            }
            let (input, shared) = self.input(reader)?;
            self.shared.extend(shared.map(|shared| (inputs.len(), shared)));
            inputs.push(input);
            Ok(())
        })?;
        Ok(inputs)
    }

    fn input(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<(Tensor, Option<SharedTensor>), DecodeError> {
        let mut input = Input::default();
        if reader.kind()? != Kind::Object {
            return Err(field("inputs")(reader.wrong("object")));
        }
        reader.object(|reader, key| -> Result<(), DecodeError> {
            match &*key {
                "name" => set(&mut input.name, &key, reader.string().map_err(field("name"))?),
                "datatype" => {
                    set(&mut input.datatype, &key, reader.string().map_err(field("datatype"))?)
                }
                "shape" => set(&mut input.shape, &key, read_shape(reader)?),
                "parameters" => read_tensor_parameters(reader, &mut input.parameters),
                "data" => {
                    if !matches!(input.data, JsonData::None) {
                        return Err(DecodeError::Duplicate(key.into_owned()));
                    }
                    input.data = self.json_data(reader, &input)?;
                    Ok(())
                }
                _ => Ok(reader.skip()?),
            }
        })?;
        self.tensor(reader, input)
    }

    /// Reads `data` at once if all that it takes is known, and otherwise remembers where it is.
    fn json_data(
        &self,
        reader: &mut Reader<'_>,
        input: &Input<'_>,
    ) -> Result<JsonData, DecodeError> {
        if let (Some(name), Some(datatype), Some(shape)) =
            (&input.name, &input.datatype, &input.shape)
            && let Some(datatype) = DataType::from_name(datatype)
            && input.parameters.binary_data_size.is_none()
            && input.parameters.region.is_none()
        {
            return Ok(JsonData::Read(self.read_data(reader, name, datatype, shape)?));
        }
        let at = reader.position();
        reader.skip()?;
        Ok(JsonData::At(at))
    }

    fn read_data(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        datatype: DataType,
        shape: &Shape,
    ) -> Result<Bytes, DecodeError> {
        read_array(reader, datatype, shape, self.target.max_input_size)
            .map_err(|source| data_error(source, name, datatype))
    }

    fn tensor(
        &mut self,
        reader: &Reader<'_>,
        input: Input<'_>,
    ) -> Result<(Tensor, Option<SharedTensor>), DecodeError> {
        let sources = Sources {
            data: !matches!(input.data, JsonData::None),
            binary: input.parameters.binary_data_size.is_some(),
            shared_memory: input.parameters.region.is_some(),
        };
        if sources.count() != 1 {
            return Err(DecodeError::Exclusive(sources));
        }
        let name = input.name.ok_or(DecodeError::Missing { field: "name" })?.into_owned();
        let datatype = input.datatype.ok_or(DecodeError::Missing { field: "datatype" })?;
        let shape = input.shape.ok_or(DecodeError::Missing { field: "shape" })?;
        let Some(datatype) = DataType::from_name(&datatype) else {
            return Err(DecodeError::DataType { input: name });
        };
        let shared = input.parameters.shared();
        if shared.is_some() {
            return Ok((Tensor { name, datatype, shape, data: Bytes::new() }, shared));
        }
        let data = match (input.data, input.parameters.binary_data_size) {
            (JsonData::Read(data), _) => data,
            (JsonData::At(at), _) => {
                self.read_data(&mut reader.reread(at), &name, datatype, &shape)?
            }
            (JsonData::None, size) => self.binary_data(&name, size.unwrap_or(0))?,
        };
        Ok((Tensor { name, datatype, shape, data }, None))
    }

    fn binary_data(&mut self, name: &str, size: u64) -> Result<Bytes, DecodeError> {
        let available = self.body.len() - self.tail;
        match usize::try_from(size) {
            Ok(size) if size <= available => {
                let data = self.body.slice(self.tail..self.tail + size);
                self.tail += size;
                Ok(data)
            }
            _ => Err(DecodeError::BinarySize {
                input: name.to_owned(),
                missing: size - available as u64,
                model: self.target.model.to_owned(),
            }),
        }
    }
}

fn read_shape(reader: &mut Reader<'_>) -> Result<Shape, DecodeError> {
    let mut shape = Shape::default();
    array(reader, "shape", |reader| {
        if shape.rank() == MAX_RANK {
            return Err(DecodeError::TooMany { what: "dimensions", limit: MAX_RANK });
        }
        let before = reader.position();
        let dim = reader.unsigned().map_err(field("shape"))?;
        let dim = i64::try_from(dim)
            .map_err(|_| field("shape")(reader.reread(before).wrong("signed-integer")))?;
        shape.push(dim);
        Ok(())
    })?;
    Ok(shape)
}
