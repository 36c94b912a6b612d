//! Responses as backends build them, and what is left of a request for those who answer it.

use crate::{
    attributes::BufferAttributes,
    buffer::OutputBuffer,
    handles::{Handle, Object, tag},
    in_flight::Ticket,
    instance::ServingModel,
};
use bytes::Bytes;
use hippocamp_backend_abi::{
    TRITONBACKEND_Output, TRITONBACKEND_Response, TRITONBACKEND_ResponseFactory,
};
use hippocamp_config::OutputConfig;
use hippocamp_types::{
    AlreadyFinished, DataType, Error, ErrorCode, InferResponse, Parameter, Parameters, Responder,
    Shape, Tensor, TensorActivity, Trace,
};
use std::{
    ffi::{CStr, c_void},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What answering a request takes. Shared by the request, its responses and its factories: when the
/// last of them is gone without an answer, the [`Responder`] answers INTERNAL.
#[derive(Debug)]
pub(crate) struct RequestContext {
    model: Arc<ServingModel>,
    id: String,
    wanted: Wanted,
    /// Gone with the last answer, so that nothing waits for a backend to forget its factories.
    responder: Mutex<Option<Responder>>,
    /// Of a request whose outputs are traced.
    trace: Option<Trace>,
    /// Responses of which the backend has reported statistics.
    reported: AtomicU64,
    ticket: Ticket,
}

/// Which outputs of the configuration a request wants, as indexes in the configuration's order.
#[derive(Debug)]
pub(crate) struct Wanted(Vec<usize>);

/// `TRITONBACKEND_ResponseFactory`.
#[derive(Debug)]
pub(crate) struct FactoryObject {
    pub(crate) context: Arc<RequestContext>,
}

/// `TRITONBACKEND_Response`.
#[derive(Debug)]
pub(crate) struct ResponseObject {
    context: Arc<RequestContext>,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    parameters: Parameters,
    /// Each at an address of its own: backends hold handles while more are added.
    outputs: Vec<Arc<Handle<OutputObject>>>,
}

/// `TRITONBACKEND_Output`.
#[derive(Debug)]
pub(crate) struct OutputObject {
    /// Index in the configuration.
    index: usize,
    name: Arc<CStr>,
    datatype: DataType,
    /// As clients see it.
    shape: Shape,
    buffer: Mutex<Option<OutputBuffer>>,
    pub(crate) attributes: Handle<BufferAttributes>,
}

impl Object for FactoryObject {
    type Opaque = TRITONBACKEND_ResponseFactory;
    const TAG: u64 = tag(b"hc fctry");
    const NAME: &'static str = "factory";
}

impl Object for ResponseObject {
    type Opaque = TRITONBACKEND_Response;
    const TAG: u64 = tag(b"hc respn");
    const NAME: &'static str = "response";
}

impl Object for OutputObject {
    type Opaque = TRITONBACKEND_Output;
    const TAG: u64 = tag(b"hc outpt");
    const NAME: &'static str = "output";
}

impl Wanted {
    /// The outputs named in `requested`, or all of them.
    pub(crate) fn new(requested: &[String], model: &ServingModel) -> Self {
        let outputs = model.config.outputs.iter().enumerate();
        Self(
            outputs
                .filter(|(_, output)| requested.is_empty() || requested.contains(&output.name))
                .map(|(index, _)| index)
                .collect(),
        )
    }
}

impl RequestContext {
    pub(crate) fn new(
        model: Arc<ServingModel>,
        id: String,
        wanted: Wanted,
        responder: Responder,
        trace: Option<&Trace>,
        ticket: Ticket,
    ) -> Self {
        let responder = Mutex::new(Some(responder));
        let trace = trace.filter(|trace| trace.level().tensors).cloned();
        Self { model, id, wanted, responder, trace, reported: AtomicU64::new(0), ticket }
    }

    /// The model that the request is for.
    pub(crate) fn model(&self) -> &ServingModel {
        &self.model
    }

    /// Indexes of the wanted outputs in the configuration.
    pub(crate) fn wanted(&self) -> &[usize] {
        &self.wanted.0
    }

    /// The place of the next response among those that are reported: 0, 1, 2, ...
    pub(crate) fn next_place(&self) -> u64 {
        self.reported.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.responder().is_some_and(|responder| responder.is_cancelled())
    }

    /// Answers with an error, if there is no last answer yet.
    pub(crate) fn fail(&self, error: Error) {
        if self.reply(|responder| responder.send(Err(error), true)).is_ok() {
            self.end();
        }
    }

    /// Lets `send` answer, if the last answer has not left.
    fn reply(
        &self,
        send: impl FnOnce(&Responder) -> Result<(), AlreadyFinished>,
    ) -> Result<(), AlreadyFinished> {
        send(&self.responder().ok_or(AlreadyFinished)?)
    }

    /// The last answer has left.
    fn end(&self) {
        let responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not under the lock: it may call a backend that made the request.
        drop(responder);
        self.ticket.step();
    }

    /// A handle of its own: no lock is held while an answer leaves.
    fn responder(&self) -> Option<Responder> {
        self.responder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The backend has released the request.
    pub(crate) fn released(self: &Arc<Self>) {
        // Besides the request itself, a response or a factory holds this.
        if Arc::strong_count(self) > 1 && self.responder().is_some() {
            self.ticket.outlives(Arc::downgrade(self));
        }
        self.ticket.step();
    }

    /// Ends the request without a further response.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if !self.model.config.decoupled {
            return Err(self.one_response());
        }
        self.reply(Responder::finish).map_err(|_finished| self.finished())?;
        self.end();
        Ok(())
    }

    /// Sends one response; a model that is not decoupled sends exactly one, its last.
    fn send(&self, response: Result<InferResponse, Error>, last: bool) -> Result<(), Error> {
        if !last && !self.model.config.decoupled {
            return Err(self.one_response());
        }
        if let (Some(trace), Ok(response)) = (&self.trace, &response) {
            trace.tensors(TensorActivity::BackendOutput, &response.outputs);
        }
        self.reply(|responder| responder.send(response, last))
            .map_err(|_finished| self.finished())?;
        if last {
            self.end();
        }
        Ok(())
    }

    fn one_response(&self) -> Error {
        Error::invalid(format!(
            "model '{}' is not decoupled: it sends exactly one response, with TRITONSERVER_RESPONSE_COMPLETE_FINAL",
            self.model.name
        ))
    }

    fn finished(&self) -> Error {
        Error::invalid(format!(
            "model '{}' has sent the last response of this request already",
            self.model.name
        ))
    }
}

impl ResponseObject {
    /// An empty response to a request.
    pub(crate) fn new(context: Arc<RequestContext>) -> Self {
        Self { context, content: Mutex::default() }
    }

    pub(crate) fn add_parameter(&self, name: String, value: Parameter) {
        self.content.lock().unwrap_or_else(PoisonError::into_inner).parameters.push((name, value));
    }

    /// Adds an output in the shape that the backend writes; the handle is valid until the response
    /// is sent or deleted.
    pub(crate) fn add_output(
        &self,
        name: &str,
        datatype: DataType,
        shape: &[i64],
    ) -> Result<*mut TRITONBACKEND_Output, Error> {
        let model = &self.context.model;
        let outputs = &model.config.outputs;
        let Some(index) = outputs.iter().position(|output| output.name == name) else {
            return Err(Error::invalid(format!(
                "unexpected inference output '{name}' for model '{}'",
                model.name
            )));
        };
        let shape = match &outputs[index].reshape {
            Some(written) => {
                unreshape(shape, written, &outputs[index], model.config.max_batch_size > 0)?
            }
            None => Shape::new(shape),
        };
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if content.outputs.iter().any(|output| output.index == index) {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("output '{name}' was added to the response already"),
            ));
        }
        let output = Arc::new(Handle::new(OutputObject {
            index,
            name: Arc::clone(&model.output_names[index]),
            datatype,
            shape,
            buffer: Mutex::default(),
            attributes: BufferAttributes::cpu(0),
        }));
        let raw = output.as_raw();
        content.outputs.push(output);
        Ok(raw)
    }

    /// Sends what was built, or `error`. The response is used up.
    pub(crate) fn send(&mut self, error: Option<Error>, last: bool) -> Result<(), Error> {
        if let Some(error) = error {
            return self.context.send(Err(error), last);
        }
        let content =
            std::mem::take(self.content.get_mut().unwrap_or_else(PoisonError::into_inner));
        let response = match self.build(content) {
            Ok(response) => response,
            Err(error) => {
                // The client waits for an answer all the same.
                self.context.send(Err(error.clone()), true)?;
                return Err(error);
            }
        };
        self.context.send(Ok(response), last)
    }

    fn build(&self, content: Content) -> Result<InferResponse, Error> {
        let RequestContext { model, id, wanted, .. } = &*self.context;
        let mut outputs = Vec::with_capacity(content.outputs.len());
        for output in content.outputs {
            if wanted.0.contains(&output.index) {
                let name = &model.config.outputs[output.index].name;
                outputs.push(output.tensor(name)?);
            }
        }
        Ok(InferResponse {
            model_name: Arc::clone(&model.name),
            model_version: model.version,
            id: id.clone(),
            parameters: content.parameters,
            outputs,
        })
    }
}

impl OutputObject {
    /// Allocates the output's memory, for the backend to write.
    pub(crate) fn allocate(&self, byte_size: usize) -> Result<*mut c_void, Error> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.is_some() {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!(
                    "allocated buffer for output '{}' already exists",
                    self.name.to_string_lossy()
                ),
            ));
        }
        let start = buffer.insert(OutputBuffer::new(byte_size)?).as_mut_ptr();
        self.attributes.set_byte_size(byte_size);
        Ok(start)
    }

    /// The tensor that is sent; its memory is what the backend wrote. Everything behind this point
    /// relies on the bytes filling the shape.
    fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        let buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let length = buffer.as_ref().map_or(0, OutputBuffer::len);
        let wrong = |reason: &dyn std::fmt::Display| {
            Error::internal(format!(
                "output '{name}' of datatype {} and shape {} does not fit its {length} bytes: {reason}",
                self.datatype, self.shape
            ))
        };
        let elements = self.shape.element_count().map_err(|error| wrong(&error))?;
        if let Some(size) = self.datatype.byte_size() {
            let expected =
                elements.checked_mul(size).ok_or_else(|| wrong(&"its size overflows"))?;
            if expected != length {
                return Err(wrong(&format_args!("{expected} bytes were expected")));
            }
        }
        Ok(Tensor {
            name: name.to_owned(),
            datatype: self.datatype,
            shape: self.shape.clone(),
            data: buffer.map_or_else(Bytes::new, Bytes::from_owner),
        })
    }
}

/// Maps a shape written by the backend (`written` in the configuration's `reshape`) to the shape that
/// clients see: variable sizes carry over, one by one.
fn unreshape(
    shape: &[i64],
    written: &Shape,
    output: &OutputConfig,
    batched: bool,
) -> Result<Shape, Error> {
    let (batch, rest) =
        if batched { shape.split_at(shape.len().min(1)) } else { (&[] as &[i64], shape) };
    if rest.len() != written.rank() {
        return Err(Error::internal(format!(
            "output '{}' should have shape {written} (its reshape, without the batch dimension), got {}",
            output.name,
            Shape::new(rest)
        )));
    }
    let mut variable =
        rest.iter().zip(written.dims()).filter(|(_, dim)| **dim == -1).map(|(size, _)| *size);
    let seen = output
        .dims
        .dims()
        .iter()
        .map(|&dim| if dim == -1 { variable.next().unwrap_or(1) } else { dim });
    Ok(batch.iter().copied().chain(seen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_is_undone() {
        let check =
            |dims: &[i64], written: &[i64], batched, shape: &[i64], expect: Option<&[i64]>| {
                let output = OutputConfig {
                    name: "y".to_owned(),
                    datatype: DataType::Fp32,
                    dims: Shape::new(dims),
                    reshape: Some(Shape::new(written)),
                    label_filename: None,
                };
                let got = unreshape(shape, &Shape::new(written), &output, batched).ok();
                assert_eq!(got, expect.map(Shape::new), "{dims:?} {written:?} {shape:?}");
            };
        check(&[1], &[], true, &[4], Some(&[4, 1]));
        check(&[2, 3], &[6], true, &[4, 6], Some(&[4, 2, 3]));
        check(&[-1, 1, -1], &[-1, -1], false, &[5, 7], Some(&[5, 1, 7]));
        check(&[1], &[], true, &[4, 2], None);
        check(&[1], &[], true, &[], Some(&[1]));
    }
}
