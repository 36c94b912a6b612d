//! Requests as backends see them.

use crate::{
    attributes::BufferAttributes,
    handles::{Handle, Object, c_string, tag},
    in_flight::Ticket,
    instance::ServingModel,
    response::{RequestContext, Wanted},
    trace::TraceObject,
};
use bytes::Bytes;
use hippocamp_backend_abi::{
    REQUEST_FLAG_SEQUENCE_END, REQUEST_FLAG_SEQUENCE_START, TRITONBACKEND_Input,
    TRITONBACKEND_Request, TRITONSERVER_DataType, TRITONSERVER_ParameterType,
};
use hippocamp_types::{
    Account, CorrelationId, DataType, Error, InferRequest, Parameter, Reply, Responder,
    ResponseSink, Shape, Tensor, Timestamp,
};
use std::{
    ffi::{CStr, CString, c_void},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// `TRITONBACKEND_Request`. The object outlives the requests that pass through it.
#[derive(Debug, Default)]
pub(crate) struct RequestObject {
    live: Mutex<Option<LiveRequest>>,
}

/// A request that a backend holds. What getters point at lies in here, and does not move before the
/// request is released.
#[derive(Debug)]
pub(crate) struct LiveRequest {
    pub(crate) id: CString,
    pub(crate) inputs: Vec<Handle<InputObject>>,
    pub(crate) parameters: Vec<(CString, ParameterValue)>,
    pub(crate) correlation: Correlation,
    pub(crate) flags: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) batch_size: usize,
    pub(crate) received: Timestamp,
    pub(crate) queued: Timestamp,
    pub(crate) account: Option<Arc<dyn Account>>,
    pub(crate) context: Arc<RequestContext>,
    /// Dropped with the request, which is its end.
    pub(crate) trace: Option<Handle<TraceObject>>,
}

/// `TRITONBACKEND_Input`.
#[derive(Debug)]
pub(crate) struct InputObject {
    pub(crate) name: Arc<CStr>,
    pub(crate) datatype: TRITONSERVER_DataType,
    pub(crate) shape: Shape,
    pub(crate) data: Bytes,
    pub(crate) attributes: Handle<BufferAttributes>,
}

/// A request parameter in C.
#[derive(Debug)]
pub(crate) enum ParameterValue {
    Bool(bool),
    Int(i64),
    Double(f64),
    String(CString),
}

/// `sequence_id` in C.
#[derive(Debug)]
pub(crate) enum Correlation {
    /// 0 for none.
    Number(u64),
    String(CString),
}

impl Object for RequestObject {
    type Opaque = TRITONBACKEND_Request;
    const TAG: u64 = tag(b"hc reqst");
    const NAME: &'static str = "request";
}

impl Object for InputObject {
    type Opaque = TRITONBACKEND_Input;
    const TAG: u64 = tag(b"hc input");
    const NAME: &'static str = "input";
}

impl RequestObject {
    /// Whether a backend holds a request here.
    pub(crate) fn is_live(&self) -> bool {
        self.lock().is_some()
    }

    /// Begins a request; the object must not be live.
    pub(crate) fn begin(&self, request: LiveRequest) {
        *self.lock() = Some(request);
    }

    /// Takes the request back; `None` if it was released before.
    pub(crate) fn end(&self) -> Option<LiveRequest> {
        self.lock().take()
    }

    /// Answers the request, if it is live and unanswered, without taking it from the backend.
    pub(crate) fn answer(&self, error: &Error) {
        if let Some(request) = &*self.lock() {
            request.fail(error);
        }
    }

    /// Looks into the request.
    pub(crate) fn with<R>(
        &self,
        look: impl FnOnce(&LiveRequest) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let live = self.lock();
        look(live.as_ref().ok_or_else(released)?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<LiveRequest>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveRequest {
    fn drop(&mut self) {
        self.context.released();
    }
}

/// Hears no answer.
struct Nobody;

impl ResponseSink for Nobody {
    fn accept(&self, _reply: Reply) {}
}

/// The error of whoever uses a request after its release.
pub(crate) fn released() -> Error {
    Error::invalid("the request was released already")
}

impl LiveRequest {
    /// A request that is about to be given to a backend.
    pub(crate) fn new(request: InferRequest, model: &Arc<ServingModel>, ticket: Ticket) -> Self {
        let InferRequest {
            id,
            inputs,
            outputs,
            parameters,
            correlation_id,
            sequence,
            timeout,
            batch_size,
            received,
            queued,
            account,
            responder,
            trace,
            ..
        } = request;
        let mut flags = 0;
        if sequence.start {
            flags |= REQUEST_FLAG_SEQUENCE_START;
        }
        if sequence.end {
            flags |= REQUEST_FLAG_SEQUENCE_END;
        }
        Self {
            id: c_string(&id),
            inputs: inputs
                .into_iter()
                .map(|tensor| Handle::new(InputObject::new(tensor, model)))
                .collect(),
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (c_string(&name), ParameterValue::new(value)))
                .collect(),
            correlation: match correlation_id {
                CorrelationId::None => Correlation::Number(0),
                CorrelationId::Number(number) => Correlation::Number(number),
                CorrelationId::String(text) => Correlation::String(c_string(&text)),
            },
            flags,
            timeout,
            batch_size,
            received,
            queued,
            account,
            context: Arc::new(RequestContext::new(
                Arc::clone(model),
                id,
                Wanted::new(&outputs, model),
                responder,
                trace.as_deref(),
                ticket,
            )),
            trace: trace.map(|trace| Handle::new(TraceObject::new(trace))),
        }
    }

    /// A request that stays in its queue, for a batching strategy to look at: what is answered to
    /// it goes nowhere.
    pub(crate) fn to_look_at(
        request: &InferRequest,
        model: &Arc<ServingModel>,
        ticket: Ticket,
    ) -> Self {
        let copy = InferRequest {
            id: request.id.clone(),
            inputs: request.inputs.clone(),
            outputs: request.outputs.clone(),
            parameters: request.parameters.clone(),
            correlation_id: request.correlation_id.clone(),
            sequence: request.sequence,
            priority: request.priority,
            timeout: request.timeout,
            batch_size: request.batch_size,
            queued: request.queued,
            ..InferRequest::new(request.received, Responder::new(Nobody))
        };
        Self::new(copy, model, ticket)
    }

    /// Answers with an error, if there is no answer yet.
    pub(crate) fn fail(&self, error: &Error) {
        self.context.fail(error.clone());
    }

    /// Triton's prefix of an error about this request.
    pub(crate) fn log_id(&self) -> String {
        let id = self.id.to_string_lossy();
        format!("[request id: {}] ", if id.is_empty() { "<id_unknown>" } else { &id })
    }

    /// The input at `index`.
    pub(crate) fn input(&self, index: u32) -> Result<&Handle<InputObject>, Error> {
        self.inputs.get(index as usize).ok_or_else(|| {
            Error::invalid(format!(
                "{}out of bounds index {index}: request has {} inputs",
                self.log_id(),
                self.inputs.len()
            ))
        })
    }
}

impl InputObject {
    fn new(tensor: Tensor, model: &ServingModel) -> Self {
        let Tensor { name, datatype, shape, data } = tensor;
        let known = model.config.inputs.iter().position(|input| input.name == name);
        Self {
            // The names of the configuration are shared: no request allocates them again.
            name: known.map_or_else(
                || Arc::from(c_string(&name)),
                |index| Arc::clone(&model.input_names[index]),
            ),
            datatype: datatype_to_c(datatype),
            shape,
            attributes: BufferAttributes::cpu(data.len()),
            data,
        }
    }
}

impl ParameterValue {
    pub(crate) fn new(value: Parameter) -> Self {
        match value {
            Parameter::Bool(value) => Self::Bool(value),
            Parameter::Int(value) => Self::Int(value),
            // The C API has no unsigned integers.
            Parameter::Uint(value) => i64::try_from(value)
                .map_or_else(|_large| Self::String(c_string(&value.to_string())), Self::Int),
            Parameter::Double(value) => Self::Double(value),
            Parameter::String(value) => Self::String(c_string(&value)),
        }
    }

    /// Kind and address, as `TRITONBACKEND_RequestParameter` gives them.
    pub(crate) fn as_c(&self) -> (TRITONSERVER_ParameterType, *const c_void) {
        match self {
            Self::Bool(value) => {
                (TRITONSERVER_ParameterType::BOOL, std::ptr::from_ref(value).cast())
            }
            Self::Int(value) => (TRITONSERVER_ParameterType::INT, std::ptr::from_ref(value).cast()),
            Self::Double(value) => {
                (TRITONSERVER_ParameterType::DOUBLE, std::ptr::from_ref(value).cast())
            }
            Self::String(value) => (TRITONSERVER_ParameterType::STRING, value.as_ptr().cast()),
        }
    }
}

/// Triton's number of a datatype.
pub(crate) fn datatype_to_c(datatype: DataType) -> TRITONSERVER_DataType {
    let index = DataType::ALL.iter().position(|&known| known == datatype);
    let index = index.and_then(|index| u32::try_from(index).ok()).expect("ALL has every datatype");
    TRITONSERVER_DataType(index + 1)
}

/// The datatype with this number.
pub(crate) fn datatype_from_c(datatype: TRITONSERVER_DataType) -> Option<DataType> {
    DataType::ALL.get((datatype.0 as usize).checked_sub(1)?).copied()
}
