//! What is wrong with one part of a configuration: a place in the text, a tensor, an instance group,
//! a step.

use std::fmt;

/// What stands at a place in the text format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// The message has no such field.
    #[error("unknown field '{path}': {message} has no field of this name, {hint}")]
    UnknownField {
        /// From the top, such as `input.dimz`.
        path: String,
        /// The message's type.
        message: String,
        /// The nearest name, or all.
        hint: String,
    },
    /// The enum has no such value.
    #[error("field '{path}': {kind} has no value '{value}', {hint}")]
    UnknownValue {
        /// From the top.
        path: String,
        /// The enum's type.
        kind: String,
        /// What came.
        value: String,
        /// The nearest name, or all.
        hint: String,
    },
    /// A wrong type, a wrong token, a number out of range.
    #[error("{}{reason}", at_field(path))]
    Syntax {
        /// From the top; empty at the top.
        path: String,
        /// What was expected and what came.
        reason: String,
    },
    /// Deeper than any configuration.
    #[error("more than {limit} messages and lists inside each other")]
    TooDeep {
        /// The most that are read.
        limit: usize,
    },
}

/// Input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Input,
    Output,
}

/// What is wrong with an input or output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it; `tensor` is the tensor's name")]
pub enum TensorFault {
    #[error("must specify 'name'")]
    NoName,
    #[error("'{tensor}' must specify 'data_type'")]
    NoDataType { tensor: String },
    #[error("'{tensor}' has unknown 'data_type' {value}")]
    UnknownDataType { tensor: String, value: i32 },
    #[error("'{tensor}' must specify 'dims'")]
    NoDims { tensor: String },
    #[error(
        "'{tensor}' dimension must be integer >= 1, or -1 to indicate a variable-size dimension"
    )]
    Dimension { tensor: String },
    #[error(
        "'{tensor}' reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension"
    )]
    ReshapeDimension { tensor: String },
    #[error(
        "'{tensor}' cannot have empty reshape for non-batching model as scalar tensors are not supported"
    )]
    EmptyReshape { tensor: String },
    #[error("'{tensor}' has different size for dims and reshape")]
    ReshapeSize { tensor: String },
    #[error("'{tensor}' has different number of variable-size dimensions for dims and reshape")]
    ReshapeVariable { tensor: String },
    #[error("'{tensor}' has more elements than can be addressed")]
    TooManyElements { tensor: String },
    #[error("'{tensor}' is specified more than once")]
    Duplicate { tensor: String },
    #[error("NHWC/NCHW require 3 dims")]
    Format,
    #[error("'{tensor}' is a shape tensor: shape tensors are only supported for TensorRT platform")]
    ShapeTensor { tensor: String },
    #[error("'{tensor}': Non-linear IO format is only supported for the TensorRT platform")]
    NonLinear { tensor: String },
}

/// What is wrong with an instance group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum GroupFault {
    #[error("has kind {kind} but specifies one or more GPUs")]
    Gpus { kind: &'static str },
    #[error("has kind KIND_GPU but server does not support GPUs")]
    NoGpuSupport,
    #[error("has unexpected kind {kind}")]
    Kind { kind: String },
    #[error("specifies count {count}, expected at least 1")]
    Count { count: i32 },
    #[error("specifies profile field which is only supported for TensorRT models")]
    Profile,
}

/// What is wrong with a step of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StepFault {
    #[error("ensemble tensor '{tensor}' can appear in an output map only once")]
    WrittenTwice { tensor: String },
    #[error("ensemble input '{tensor}' can not appear in an output map")]
    WritesInput { tensor: String },
    #[error("'model_version' must be -1 (the latest) or at least 1, got {version}")]
    Version { version: i64 },
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

fn at_field(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("field '{path}': ") }
}
