//! Inputs and outputs of a configuration, as rules compare them.

use hippocamp_proto::inference::{self as proto, ModelTensorReshape};
use hippocamp_types::DataType;

/// An input or output.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// `None` if it is not set.
    pub(crate) datatype: Option<DataType>,
    /// Without the batch dimension.
    pub(crate) dims: Vec<i64>,
    /// `reshape`, or `dims`: what the backend sees.
    pub(crate) shape: Vec<i64>,
    pub(crate) optional: bool,
    /// Its place in the configuration, such as `input[1]`.
    pub(crate) path: String,
}

impl Tensor {
    /// The path of one of its fields.
    pub(crate) fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    pub(crate) fn datatype_name(&self) -> String {
        self.datatype.map_or_else(|| "no data_type".to_owned(), DataType::config_name)
    }
}

pub(crate) fn inputs(config: &proto::ModelConfig) -> Vec<Tensor> {
    let inputs = config.input.iter().enumerate();
    inputs
        .map(|(i, input)| Tensor {
            name: input.name.clone(),
            datatype: datatype(input.data_type),
            dims: input.dims.clone(),
            shape: shape(&input.dims, input.reshape.as_ref()),
            optional: input.optional,
            path: format!("input[{i}]"),
        })
        .collect()
}

pub(crate) fn outputs(config: &proto::ModelConfig) -> Vec<Tensor> {
    let outputs = config.output.iter().enumerate();
    outputs
        .map(|(i, output)| Tensor {
            name: output.name.clone(),
            datatype: datatype(output.data_type),
            dims: output.dims.clone(),
            shape: shape(&output.dims, output.reshape.as_ref()),
            optional: false,
            path: format!("output[{i}]"),
        })
        .collect()
}

/// `[-1,384]`.
pub(crate) fn brackets(dims: &[i64]) -> String {
    let dims: Vec<_> = dims.iter().map(i64::to_string).collect();
    format!("[{}]", dims.join(","))
}

fn shape(dims: &[i64], reshape: Option<&ModelTensorReshape>) -> Vec<i64> {
    reshape.map_or_else(|| dims.to_vec(), |reshape| reshape.shape.clone())
}

/// Triton numbers datatypes from 1.
pub(crate) fn datatype(number: i32) -> Option<DataType> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    DataType::ALL.get(index).copied()
}
