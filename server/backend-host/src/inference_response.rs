//! Responses to the inference requests that backends make.

use crate::{
    allocator::{AllocatedBuffer, Allocator},
    handles::{Handle, Object, c_string, tag},
    message::ErrorObject,
    request::{ParameterValue, datatype_to_c},
};
use hippocamp_backend_abi::{TRITONSERVER_DataType, TRITONSERVER_InferenceResponse};
use hippocamp_types::{Error, InferResponse, Shape};
use std::ffi::CString;

/// `TRITONSERVER_InferenceResponse`. What its getters give stays its own.
#[derive(Debug)]
pub(crate) struct InferenceResponseObject {
    pub(crate) error: Option<Handle<ErrorObject>>,
    pub(crate) outputs: Vec<ResponseOutput>,
    pub(crate) parameters: Vec<(CString, ParameterValue)>,
}

/// An output, in memory of the caller's allocator.
#[derive(Debug)]
pub(crate) struct ResponseOutput {
    pub(crate) name: CString,
    pub(crate) datatype: TRITONSERVER_DataType,
    pub(crate) shape: Shape,
    pub(crate) buffer: AllocatedBuffer,
}

impl Object for InferenceResponseObject {
    type Opaque = TRITONSERVER_InferenceResponse;
    const TAG: u64 = tag(b"hc irspn");
    const NAME: &'static str = "inference_response";
}

impl InferenceResponseObject {
    /// The response, its outputs copied into memory of `allocator`; a response that carries the
    /// error where there is none, or no memory.
    pub(crate) fn new(response: Result<InferResponse, Error>, allocator: &Allocator) -> Self {
        response.and_then(|response| Self::copy(response, allocator)).unwrap_or_else(|error| Self {
            error: Some(Handle::new(ErrorObject::lent(&error))),
            outputs: Vec::new(),
            parameters: Vec::new(),
        })
    }

    fn copy(response: InferResponse, allocator: &Allocator) -> Result<Self, Error> {
        allocator.begin()?;
        let mut outputs = Vec::with_capacity(response.outputs.len());
        for tensor in response.outputs {
            let name = c_string(&tensor.name);
            outputs.push(ResponseOutput {
                buffer: allocator.copy(&name, &tensor.data)?,
                name,
                datatype: datatype_to_c(tensor.datatype),
                shape: tensor.shape,
            });
        }
        let parameters = response
            .parameters
            .into_iter()
            .map(|(name, value)| (c_string(&name), ParameterValue::new(value)))
            .collect();
        Ok(Self { error: None, outputs, parameters })
    }
}
