//! Why a model does not load or a batch does not run. The backend puts the model's name and version
//! in front and chooses the error code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{io, path::PathBuf};
use tract_core::internal::{TractResult, format_err};

/// Detail from tract can quote whole graphs; a client needs its beginning.
const MAX_DETAIL_CHARS: usize = 1000;

/// Why a file does not become a plan.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing stands where the model should be.
    #[error("expected an ONNX model at '{}', found nothing there", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the ONNX model '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("'{}' is empty, expected an ONNX model", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are no ONNX model.
    #[error("'{}' is not an ONNX model or is damaged: {detail}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Where decoding ended.
        detail: String,
    },
    /// tract does not know these operators.
    #[error("{} by the tract backend", list_operators(.0))]
    Operators(Vec<UnsupportedOperator>),
    /// tract has no such elements, or the protocol has none.
    #[error(
        "tensor '{tensor}' has the ONNX datatype {datatype}, which is not supported by the tract \
         backend, expected one of {}",
        crate::datatype::supported_names()
    )]
    Datatype {
        /// The input or output.
        tensor: String,
        /// ONNX's name of the datatype.
        datatype: String,
    },
    /// Sequences, maps and optional values, or no type at all.
    #[error(
        "'{tensor}' is not a tensor of known datatype, which is not supported by the tract backend"
    )]
    NotTensor {
        /// The input or output.
        tensor: String,
    },
    /// The number of dimensions is unknown.
    #[error(
        "input '{input}' has no shape in the ONNX model; the tract backend needs its number of dimensions"
    )]
    Rank {
        /// The input.
        input: String,
    },
    /// The graph names something it does not hold, or contradicts itself.
    #[error("'{}' cannot be run by the tract backend: {detail}", path.display())]
    Build {
        /// The file.
        path: PathBuf,
        /// What tract says.
        detail: String,
    },
}

/// A node that tract cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedOperator {
    /// The operator, behind its domain if that is not ONNX's own.
    pub operator: String,
    /// The first node that uses it.
    pub node: String,
}

/// Why a batch has no outputs.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Two dimensions that the model ties together differ.
    #[error(
        "input '{input}' has {actual} elements in dimension {axis}, but input '{other}' has \
         {expected} in dimension {other_axis} and the model expects both to be equal ('{symbol}')"
    )]
    Clash {
        /// The later input.
        input: String,
        /// Its dimension.
        axis: usize,
        /// Its size there.
        actual: usize,
        /// The earlier input.
        other: String,
        /// Its dimension.
        other_axis: usize,
        /// Its size there.
        expected: usize,
        /// The model's name for both.
        symbol: String,
    },
    /// A dimension that the model fixes.
    #[error(
        "input '{input}' has {actual} elements in dimension {axis}, but the model expects {expected}"
    )]
    Dimension {
        /// The input.
        input: String,
        /// Its dimension.
        axis: usize,
        /// By the model.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// Two dimensions that an operator contracts with each other.
    #[error(
        "operator '{node}' needs dimensions '{left}' and '{right}' to be equal, but the inputs make \
         them {left_size} and {right_size}"
    )]
    Contraction {
        /// The operator's node.
        node: String,
        /// One dimension, in the model's names.
        left: String,
        /// Its size.
        left_size: i64,
        /// The other dimension.
        right: String,
        /// Its size.
        right_size: i64,
    },
    /// A shape and its bytes disagree.
    #[error("input '{input}' has {actual} bytes where its shape asks for {expected}")]
    ByteSize {
        /// The input.
        input: String,
        /// By the shape.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// BYTES elements do not match the shape.
    #[error("input '{input}' has {actual} BYTES elements where its shape asks for {expected}")]
    ElementCount {
        /// The input.
        input: String,
        /// By the shape.
        expected: usize,
        /// What came; counting ends behind the expected ones.
        actual: usize,
    },
    /// tract's strings are text.
    #[error("input '{input}' has a BYTES element that is not UTF-8, which ONNX strings are")]
    Utf8 {
        /// The input.
        input: String,
    },
    /// A shape that no memory holds.
    #[error("input '{input}' is larger than can be addressed")]
    TooLarge {
        /// The input.
        input: String,
    },
    /// The plan failed.
    #[error("tract: {detail}")]
    Engine {
        /// What tract says.
        detail: String,
    },
}

impl RunError {
    /// Whether the request is at fault, and not the model or the engine.
    pub fn is_invalid_request(&self) -> bool {
        !matches!(self, Self::Engine { .. })
    }
}

/// tract's chain of causes on one line, shortened.
pub(crate) fn detail(error: impl std::fmt::Display) -> String {
    let line = format!("{error:#}").replace(['\n', '\r'], " ");
    match line.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Runs `work`, which is tract's and may panic on graphs that it did not expect.
pub(crate) fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> TractResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no text");
        Err(format_err!("the engine panicked: {text}"))
    })
}

fn list_operators(operators: &[UnsupportedOperator]) -> String {
    let names: Vec<_> = operators
        .iter()
        .map(|UnsupportedOperator { operator, node }| format!("'{operator}' (node '{node}')"))
        .collect();
    match names.as_slice() {
        [one] => format!("operator {one} is not supported"),
        many => format!("operators {} are not supported", many.join(", ")),
    }
}
