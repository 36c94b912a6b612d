//! ONNX models: the file by itself, and against the configuration.

pub(super) mod file;
mod shape;
pub(super) mod tensors;
