//! Inputs and outputs: names, datatypes, dims, reshapes.

use super::stays_inside;
use crate::{ConfigError, Direction, InputConfig, OutputConfig, TensorFault};
use hippocamp_proto::inference::{self as proto, ModelTensorReshape, model_input::Format};
use hippocamp_types::{DataType, Shape};
use std::collections::HashSet;

/// A dimension of any size.
const ANY: i64 = -1;

/// What inputs and outputs have in common.
struct Tensor<'a> {
    direction: Direction,
    name: &'a str,
    data_type: i32,
    dims: &'a [i64],
    reshape: Option<&'a ModelTensorReshape>,
    is_shape_tensor: bool,
    is_non_linear_format_io: bool,
}

pub(super) fn validate(
    config: &proto::ModelConfig,
) -> Result<(Vec<InputConfig>, Vec<OutputConfig>), ConfigError> {
    let mut names = HashSet::new();
    let inputs = config
        .input
        .iter()
        .map(|input| {
            let direction = Direction::Input;
            let tensor = Tensor {
                direction,
                name: &input.name,
                data_type: input.data_type,
                dims: &input.dims,
                reshape: input.reshape.as_ref(),
                is_shape_tensor: input.is_shape_tensor,
                is_non_linear_format_io: input.is_non_linear_format_io,
            };
            let datatype = tensor.validate(config)?;
            unique(config, &mut names, direction, &input.name)?;
            format(config, input)?;
            Ok(InputConfig {
                name: input.name.clone(),
                datatype,
                dims: Shape::new(&input.dims),
                reshape: input.reshape.as_ref().map(|reshape| Shape::new(&reshape.shape)),
                optional: input.optional,
                allow_ragged_batch: input.allow_ragged_batch,
            })
        })
        .collect::<Result<_, ConfigError>>()?;
    names.clear();
    let outputs = config
        .output
        .iter()
        .map(|output| {
            let direction = Direction::Output;
            let tensor = Tensor {
                direction,
                name: &output.name,
                data_type: output.data_type,
                dims: &output.dims,
                reshape: output.reshape.as_ref(),
                is_shape_tensor: output.is_shape_tensor,
                is_non_linear_format_io: output.is_non_linear_format_io,
            };
            let datatype = tensor.validate(config)?;
            unique(config, &mut names, direction, &output.name)?;
            Ok(OutputConfig {
                name: output.name.clone(),
                datatype,
                dims: Shape::new(&output.dims),
                reshape: output.reshape.as_ref().map(|reshape| Shape::new(&reshape.shape)),
                label_filename: label_filename(config, output)?,
            })
        })
        .collect::<Result<_, ConfigError>>()?;
    Ok((inputs, outputs))
}

impl Tensor<'_> {
    fn validate(&self, config: &proto::ModelConfig) -> Result<DataType, ConfigError> {
        let check = || {
            let datatype = self.datatype()?;
            self.shapes(config.max_batch_size > 0)?;
            let tensor = self.name.to_owned();
            if self.is_shape_tensor {
                return Err(TensorFault::ShapeTensor { tensor });
            }
            if self.is_non_linear_format_io {
                return Err(TensorFault::NonLinear { tensor });
            }
            Ok(datatype)
        };
        check().map_err(|fault| wrong(config, self.direction, fault))
    }

    fn datatype(&self) -> Result<DataType, TensorFault> {
        let tensor = self.name.to_owned();
        match proto::DataType::try_from(self.data_type) {
            _ if tensor.is_empty() => Err(TensorFault::NoName),
            Err(_) => Err(TensorFault::UnknownDataType { tensor, value: self.data_type }),
            Ok(named) => datatype(named).ok_or(TensorFault::NoDataType { tensor }),
        }
    }

    fn shapes(&self, batched: bool) -> Result<(), TensorFault> {
        let tensor = self.name.to_owned();
        let no_size = |dim: &i64| *dim < 1 && *dim != ANY;
        if self.dims.is_empty() {
            return Err(TensorFault::NoDims { tensor });
        }
        if self.dims.iter().any(no_size) {
            return Err(TensorFault::Dimension { tensor });
        }
        let dims =
            runs(self.dims).ok_or(TensorFault::TooManyElements { tensor: tensor.clone() })?;
        let Some(reshape) = self.reshape else { return Ok(()) };
        if reshape.shape.is_empty() && !batched {
            return Err(TensorFault::EmptyReshape { tensor });
        }
        if reshape.shape.iter().any(no_size) {
            return Err(TensorFault::ReshapeDimension { tensor });
        }
        let reshaped =
            runs(&reshape.shape).ok_or(TensorFault::TooManyElements { tensor: tensor.clone() })?;
        match (dims.len(), reshaped.len()) {
            (a, b) if a != b && a > 1 && b > 1 => Err(TensorFault::ReshapeVariable { tensor }),
            _ if dims != reshaped => Err(TensorFault::ReshapeSize { tensor }),
            _ => Ok(()),
        }
    }
}

/// Element counts of the runs of fixed dimensions between those of any size: `[2,4,-1,6]` and
/// `[8,-1,1,6]` both have the runs 8 and 6. `None` if a count overflows.
fn runs(dims: &[i64]) -> Option<Vec<i64>> {
    dims.split(|&dim| dim == ANY)
        .map(|run| run.iter().try_fold(1_i64, |count, &dim| count.checked_mul(dim)))
        .collect()
}

fn datatype(datatype: proto::DataType) -> Option<DataType> {
    Some(match datatype {
        proto::DataType::TypeInvalid => return None,
        proto::DataType::TypeBool => DataType::Bool,
        proto::DataType::TypeUint8 => DataType::Uint8,
        proto::DataType::TypeUint16 => DataType::Uint16,
        proto::DataType::TypeUint32 => DataType::Uint32,
        proto::DataType::TypeUint64 => DataType::Uint64,
        proto::DataType::TypeInt8 => DataType::Int8,
        proto::DataType::TypeInt16 => DataType::Int16,
        proto::DataType::TypeInt32 => DataType::Int32,
        proto::DataType::TypeInt64 => DataType::Int64,
        proto::DataType::TypeFp16 => DataType::Fp16,
        proto::DataType::TypeFp32 => DataType::Fp32,
        proto::DataType::TypeFp64 => DataType::Fp64,
        proto::DataType::TypeString => DataType::Bytes,
        proto::DataType::TypeBf16 => DataType::Bf16,
    })
}

fn unique<'a>(
    config: &proto::ModelConfig,
    names: &mut HashSet<&'a str>,
    direction: Direction,
    name: &'a str,
) -> Result<(), ConfigError> {
    if names.insert(name) {
        return Ok(());
    }
    Err(wrong(config, direction, TensorFault::Duplicate { tensor: name.to_owned() }))
}

fn format(config: &proto::ModelConfig, input: &proto::ModelInput) -> Result<(), ConfigError> {
    match Format::try_from(input.format) {
        Ok(Format::None) => Ok(()),
        Ok(Format::Nhwc | Format::Nchw) if input.dims.len() == 3 => Ok(()),
        Ok(Format::Nhwc | Format::Nchw) => {
            Err(wrong(config, Direction::Input, TensorFault::Format))
        }
        Err(_) => Err(ConfigError::UnknownEnum {
            field: "input.format",
            model: config.name.clone(),
            value: input.format,
        }),
    }
}

fn label_filename(
    config: &proto::ModelConfig,
    output: &proto::ModelOutput,
) -> Result<Option<String>, ConfigError> {
    let path = &output.label_filename;
    if path.is_empty() {
        return Ok(None);
    }
    if !stays_inside(path) {
        return Err(ConfigError::LabelPath {
            path: path.clone(),
            output: output.name.clone(),
            model: config.name.clone(),
        });
    }
    Ok(Some(path.clone()))
}

fn wrong(config: &proto::ModelConfig, direction: Direction, fault: TensorFault) -> ConfigError {
    ConfigError::Tensor { direction, fault, model: config.name.clone() }
}
