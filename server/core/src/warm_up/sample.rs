//! One sample of `model_warmup`: a setting becomes the inputs of a request.

use crate::normalise::reshape;
use bytes::Bytes;
use hippocamp_config::{InputConfig, ModelConfig};
use hippocamp_proto::inference::{self as proto, model_warmup::input::InputDataType};
use hippocamp_types::{BytesElements, DataType, Error, Shape, Tensor};
use std::{fs, path::Path};

/// Bytes of one input of a sample, at most.
const LARGEST_INPUT: usize = 1 << 30;

/// Random elements: what a generator of 64 bits gives from here, so that each load does the same.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Requests that are run together.
#[derive(Debug)]
pub(super) struct Sample {
    /// As errors call it.
    pub(super) name: String,
    /// Requests of one row each that are executed as one batch.
    pub(super) batch_size: usize,
    /// How often; at least 1.
    pub(super) count: u32,
    /// Of each request.
    pub(super) inputs: Vec<Tensor>,
}

impl Sample {
    /// Makes the inputs; reads their files from `directory`.
    ///
    /// # Errors
    /// If an input is unknown, missing, of another datatype or shape, or its file is too short.
    pub(super) fn new(
        config: &ModelConfig,
        setting: &proto::ModelWarmup,
        directory: &Path,
    ) -> Result<Self, Error> {
        let name = setting.name.clone();
        let wrong = |text: String| {
            Error::invalid(format!("warmup sample '{name}' of model '{}': {text}", config.name))
        };
        let most = config.max_batch_size.max(1);
        let batch_size = usize::try_from(setting.batch_size).unwrap_or(usize::MAX);
        if batch_size > most {
            return Err(wrong(format!("its batch_size is {batch_size}, expected at most {most}")));
        }
        for input in setting.inputs.keys() {
            if !config.inputs.iter().any(|known| known.name == *input) {
                let known: Vec<&str> = config.inputs.iter().map(|input| &*input.name).collect();
                let known = known.join(", ");
                return Err(wrong(format!(
                    "the model has no input '{input}', expected one of {known}"
                )));
            }
        }
        let mut inputs = Vec::new();
        for known in &config.inputs {
            let Some(input) = setting.inputs.get(&known.name) else {
                if known.optional {
                    continue;
                }
                return Err(wrong(format!("input '{}' is missing", known.name)));
            };
            if input.data_type() != data_type(known.datatype) {
                return Err(wrong(format!(
                    "input '{}' has data_type {}, expected {}",
                    known.name,
                    input.data_type().as_str_name(),
                    known.datatype.config_name(),
                )));
            }
            let fits = input.dims.len() == known.dims.rank()
                && input
                    .dims
                    .iter()
                    .zip(known.dims.dims())
                    .all(|(&is, &may)| may == -1 || is == -1 || is == may);
            if !fits {
                return Err(wrong(format!(
                    "input '{}' has dims {:?}, expected {:?} (without the batch dimension)",
                    known.name,
                    input.dims,
                    known.dims.dims(),
                )));
            }
            inputs.push(tensor(known, input, config.max_batch_size > 0, directory)?);
        }
        Ok(Self { batch_size, count: setting.count.max(1), inputs, name })
    }
}

fn tensor(
    known: &InputConfig,
    input: &proto::model_warmup::Input,
    batched: bool,
    directory: &Path,
) -> Result<Tensor, Error> {
    let (name, datatype) = (known.name.clone(), known.datatype);
    if input.dims.iter().any(|&dim| dim < 1) {
        return Err(Error::invalid(format!(
            "warmup setting expects all variable-size dimensions are specified for input '{name}'"
        )));
    }
    let mut dims: Vec<i64> = if batched { vec![1] } else { Vec::new() };
    dims.extend(&input.dims);
    let mut shape = Shape::new(&dims);
    if let Some(to) = &known.reshape {
        shape = reshape(&shape, &known.dims, to, batched);
    }
    let elements = shape.element_count().map_err(|error| Error::invalid(error.to_string()))?;
    let size = elements.saturating_mul(datatype.byte_size().unwrap_or(4));
    if size > LARGEST_INPUT {
        return Err(Error::invalid(format!(
            "warmup input '{name}' has {size} bytes, expected at most {LARGEST_INPUT}"
        )));
    }
    let data = match &input.input_data_type {
        None => {
            return Err(Error::invalid(format!(
                "warmup setting expects input '{name}' to have input_data_type set"
            )));
        }
        // An empty string is its length, 0.
        Some(InputDataType::ZeroData(_)) => Bytes::from(vec![0; size]),
        Some(InputDataType::RandomData(_)) if datatype == DataType::Bytes => {
            Bytes::from(vec![0; size])
        }
        Some(InputDataType::RandomData(_)) => random(datatype, elements),
        Some(InputDataType::InputDataFile(file)) => {
            from_file(&name, datatype, size, elements, file, directory)?
        }
    };
    Ok(Tensor { name, datatype, shape, data })
}

/// The first bytes of the file; all of them where elements have no fixed size.
fn from_file(
    name: &str,
    datatype: DataType,
    size: usize,
    elements: usize,
    file: &str,
    directory: &Path,
) -> Result<Bytes, Error> {
    let path = inside(directory, file)?;
    let mut data = fs::read(&path).map_err(|error| {
        Error::invalid(format!("warmup input '{name}': cannot read '{}': {error}", path.display()))
    })?;
    if datatype == DataType::Bytes {
        let found = BytesElements::new(&data).collect::<Result<Vec<_>, _>>().map_err(|error| {
            Error::invalid(format!(
                "warmup input '{name}': '{file}' holds no strings, each behind its length in 4 bytes: {error}"
            ))
        })?;
        if found.len() != elements {
            let found = found.len();
            return Err(Error::invalid(format!(
                "warmup setting expects {elements} strings for input '{name}', but the data provided from {file} has {found}"
            )));
        }
    } else if data.len() < size {
        let has = data.len();
        return Err(Error::invalid(format!(
            "warmup setting expects {size} bytes, but the data provided from {file} only has {has} bytes"
        )));
    } else {
        data.truncate(size);
    }
    Ok(data.into())
}

/// A file of a sample, which may not lead out of the directory.
pub(super) fn inside(directory: &Path, file: &str) -> Result<std::path::PathBuf, Error> {
    use std::path::Component;
    let mut parts = Path::new(file).components();
    let below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if file.is_empty() || !parts.all(below) {
        return Err(Error::invalid(format!(
            "warmup file '{file}': expected a path inside the model's directory 'warmup'"
        )));
    }
    Ok(directory.join(file))
}

/// Small numbers: 0 to 99 where they are whole, so that they may stand for tokens, -1 to 1 where not.
fn random(datatype: DataType, elements: usize) -> Bytes {
    let mut state = SEED;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut data = Vec::with_capacity(elements.saturating_mul(datatype.byte_size().unwrap_or(0)));
    for _ in 0..elements {
        let whole = next() % 100;
        #[expect(clippy::cast_precision_loss, reason = "whole numbers below 100")]
        let fraction = whole as f64 / 50.0 - 1.0;
        match datatype {
            DataType::Bool => data.push(u8::from(whole % 2 == 1)),
            DataType::Fp64 => data.extend(fraction.to_le_bytes()),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a random number needs no more digits"
            )]
            DataType::Fp32 => data.extend((fraction as f32).to_le_bytes()),
            // 0.5 to 1 with a random sign, made of their bits.
            DataType::Fp16 => data.extend((0x3800 | u16::from(whole % 2 == 1) << 15).to_le_bytes()),
            DataType::Bf16 => data.extend((0x3F00 | u16::from(whole % 2 == 1) << 15).to_le_bytes()),
            other => data.extend(&whole.to_le_bytes()[..other.byte_size().unwrap_or(0)]),
        }
    }
    data.into()
}

fn data_type(datatype: DataType) -> proto::DataType {
    proto::DataType::from_str_name(&datatype.config_name()).unwrap_or(proto::DataType::TypeInvalid)
}
