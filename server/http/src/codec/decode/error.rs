//! Why an infer request is refused, in Triton's words.

use crate::codec::{data::DataError, json::JsonError};
use hippocamp_types::{DataType, Error};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(
        "{source}; if binary tensor data follows the JSON, the header Inference-Header-Content-Length must give the length of the JSON"
    )]
    PerhapsBinary { source: JsonError },
    #[error("Unable to parse '{field}': {source}")]
    Field { field: &'static str, source: JsonError },
    #[error("Unable to parse '{field}': attempt to access non-existing object member '{field}'")]
    Missing { field: &'static str },
    #[error("duplicate key '{0}': each key may be given once")]
    Duplicate(String),
    #[error("too many {what}: at most {limit} are accepted in one request")]
    TooMany { what: &'static str, limit: usize },
    #[error(
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But {}", .0.describe()
    )]
    Exclusive(Sources),
    #[error("invalid datatype for input {input}")]
    DataType { input: String },
    #[error("invalid shape for input '{input}': {source}")]
    Shape { input: String, source: DataError },
    #[error("{source} for input {input}")]
    Half { input: String, source: DataError },
    #[error("JSON input '{input}' {source}")]
    TooLarge { input: String, source: DataError },
    #[error("Unable to parse JSON bytes array: {source}, input '{input}'")]
    BytesData { input: String, source: JsonError },
    #[error("Unable to parse 'data': {source}, input '{input}'")]
    Data { input: String, source: DataError },
    #[error(
        "unexpected size for input '{input}', expecting {missing} additional bytes for model '{model}'"
    )]
    BinarySize { input: String, missing: u64, model: String },
    #[error("unexpected additional input data for model '{model}'")]
    TrailingData { model: String },
    #[error("Output can't set both 'shared_memory_region' and '{0}'")]
    SharedMemoryOutput(&'static str),
    #[error(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
    )]
    Reserved,
    #[error("parameter '{0}' has invalid type. It should be either 'int', 'bool', or 'string'.")]
    ParameterType(String),
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Where the data of an input is said to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) data: bool,
    pub(super) binary: bool,
    pub(super) shared_memory: bool,
}

impl Sources {
    pub(super) fn count(self) -> usize {
        usize::from(self.data) + usize::from(self.binary) + usize::from(self.shared_memory)
    }

    fn describe(self) -> String {
        if self.count() == 0 {
            return "no field is set".to_owned();
        }
        let names = [
            (self.data, " 'data'"),
            (self.binary, " 'binary_data_size'"),
            (self.shared_memory, " 'shared_memory_region'"),
        ];
        names
            .into_iter()
            .filter(|(set, _)| *set)
            .fold("set".to_owned(), |text, (_, name)| text + name)
    }
}

/// Names the field whose value has another type.
pub(super) fn field(field: &'static str) -> impl Fn(JsonError) -> DecodeError {
    move |source| match source {
        JsonError::Type { .. } => DecodeError::Field { field, source },
        other => DecodeError::Json(other),
    }
}

/// What was wrong with the `data` of input `name`.
pub(super) fn data_error(source: DataError, name: &str, datatype: DataType) -> DecodeError {
    let input = name.to_owned();
    match source {
        DataError::Json(source @ JsonError::Type { expected: "string", .. })
            if datatype == DataType::Bytes =>
        {
            DecodeError::BytesData { input, source }
        }
        DataError::Json(source) if !matches!(source, JsonError::Type { .. }) => {
            DecodeError::Json(source)
        }
        DataError::Dimensions(_) | DataError::Overflow(_) => DecodeError::Shape { input, source },
        DataError::Half(_) => DecodeError::Half { input, source },
        DataError::TooLarge { .. } => DecodeError::TooLarge { input, source },
        source => DecodeError::Data { input, source },
    }
}
