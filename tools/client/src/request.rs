//! Inference requests and their results, the same for both protocols.

use crate::{Element, Error, Tensor};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How the data of a tensor travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Its bytes as they are: behind the JSON over HTTP, as raw contents over gRPC.
    #[default]
    Binary,
    /// One by one: as JSON numbers and strings over HTTP, as typed contents over gRPC (which asks
    /// for the same encoding of all inputs: one that is binary makes all of them so).
    Json,
}

/// One inference request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferRequest {
    /// The model.
    pub model: String,
    /// Its version; `None` for the latest.
    pub version: Option<u64>,
    /// Comes back with the result; may be empty.
    pub id: String,
    /// Parameters, such as `priority` or `sequence_id`, and any that the model knows.
    pub parameters: BTreeMap<String, Parameter>,
    /// Input tensors.
    pub inputs: Vec<InferInput>,
    /// The outputs wanted; empty for all, as binary.
    pub outputs: Vec<RequestedOutput>,
}

impl InferRequest {
    /// A request for the latest version of `model`.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Asks for this version.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Gives the request an id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, input: InferInput) -> Self {
        self.inputs.push(input);
        self
    }

    /// Asks for an output.
    #[must_use]
    pub fn output(mut self, output: RequestedOutput) -> Self {
        self.outputs.push(output);
        self
    }
}

/// An input tensor and how it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct InferInput {
    /// The tensor.
    pub tensor: Tensor,
    /// Binary unless told otherwise.
    pub encoding: Encoding,
    /// Parameters of the tensor.
    pub parameters: BTreeMap<String, Parameter>,
}

impl InferInput {
    /// A tensor of `values`, row-major.
    pub fn new<T: Element>(name: impl Into<String>, shape: &[i64], values: &[T]) -> Self {
        Tensor::new(name, shape, values).into()
    }

    /// A BYTES tensor of `values`, row-major: text, or bytes of any kind.
    ///
    /// # Panics
    /// If a value is 4 GiB or longer.
    pub fn bytes<T: AsRef<[u8]>>(name: impl Into<String>, shape: &[i64], values: &[T]) -> Self {
        Tensor::bytes(name, shape, values).into()
    }

    /// See [`Tensor::raw`].
    pub fn raw(
        name: impl Into<String>,
        shape: &[i64],
        datatype: impl Into<String>,
        data: impl Into<Bytes>,
    ) -> Self {
        Tensor::raw(name, shape, datatype, data).into()
    }

    /// Sends the tensor as [`Encoding::Json`].
    #[must_use]
    pub fn json(mut self) -> Self {
        self.encoding = Encoding::Json;
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}

impl From<Tensor> for InferInput {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, encoding: Encoding::Binary, parameters: BTreeMap::new() }
    }
}

/// An output that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedOutput {
    /// Its name.
    pub name: String,
    /// How it shall travel; only over HTTP there is a choice.
    pub encoding: Encoding,
    /// Parameters of the output.
    pub parameters: BTreeMap<String, Parameter>,
}

impl RequestedOutput {
    /// The output `name`, as binary.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), encoding: Encoding::Binary, parameters: BTreeMap::new() }
    }

    /// Wants the output as [`Encoding::Json`].
    #[must_use]
    pub fn json(mut self) -> Self {
        self.encoding = Encoding::Json;
        self
    }

    /// Wants the `count` largest values as `value:index[:label]` instead of the tensor.
    #[must_use]
    pub fn classification(self, count: u32) -> Self {
        self.parameter("classification", i64::from(count))
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum Parameter {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
}

impl From<bool> for Parameter {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Parameter {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Parameter {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<f64> for Parameter {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Parameter {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// The response to a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferResult {
    /// The model that answered.
    pub model_name: String,
    /// Its version.
    pub model_version: String,
    /// The request's id.
    pub id: String,
    /// Parameters of the response.
    pub parameters: BTreeMap<String, Parameter>,
    /// Output tensors.
    pub outputs: Vec<Tensor>,
}

impl InferResult {
    /// The output of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn output(&self, name: &str) -> Result<&Tensor, Error> {
        self.outputs.iter().find(|output| output.name == name).ok_or_else(|| {
            let names: Vec<_> = self.outputs.iter().map(|output| output.name.as_str()).collect();
            Error::Decode(format!("there is no output '{name}', only {names:?}"))
        })
    }

    /// Whether no other response to the same request follows; only streams say no.
    pub fn is_last(&self) -> bool {
        self.parameters.get("triton_final_response") != Some(&Parameter::Bool(false))
    }
}
