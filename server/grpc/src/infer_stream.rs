//! One `ModelStreamInfer` call: requests in, responses out, several requests in flight.
//!
//! Responses of models that answer once leave in the order of their requests; those of decoupled
//! models leave as they come. The stream is driven by whoever writes the call's responses: dropping
//! it drops every reply it waits for, which cancels their requests.

use crate::{
    access_log,
    convert::{Asked, FINAL_RESPONSE, bool_parameter, infer_response},
    status,
};
use futures_core::Stream;
use futures_util::{
    FutureExt,
    future::{Either, Ready, ready},
};
use hippocamp_core::{ReplyStream, UnaryReply};
use hippocamp_proto::inference::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use hippocamp_telemetry::access::AccessRecord;
use hippocamp_types::{Activity, Error, InferResponse, Reply, Trace};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status};

/// Requests of one stream in flight at once; past it the stream reads no further, so that the
/// client's writes wait.
const MAX_IN_FLIGHT: usize = 256;

/// How a request that was read from the stream is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With one response.
    One(Single),
    /// With any number of responses.
    Many {
        /// They.
        replies: ReplyStream,
        /// What they must tell of the request.
        asked: AskedOnStream,
    },
    /// Not at all: the caller may not make it, and the stream ends with this.
    Refused(Status),
}

/// The one response to a request.
#[derive(Debug)]
pub(crate) struct Single {
    reply: Either<Ready<Result<InferResponse, Error>>, UnaryReply>,
    asked: AskedOnStream,
    /// The request was not taken: the answer names nothing but its id, as Triton's does.
    refused: bool,
}

impl Single {
    /// The request was not taken; of `asked` only its id is told.
    pub(crate) fn refused(asked: AskedOnStream, error: Error) -> Self {
        Self { reply: Either::Left(ready(Err(error))), asked, refused: true }
    }

    /// The response is `reply`, once it is there.
    pub(crate) fn awaited(mut reply: UnaryReply, asked: AskedOnStream) -> Self {
        match (&mut reply).now_or_never() {
            // An error that is there at once is the server's own.
            Some(Err(error)) => Self::refused(asked, error),
            Some(Ok(response)) => {
                Self { reply: Either::Left(ready(Ok(response))), asked, refused: false }
            }
            None => Self { reply: Either::Right(reply), asked, refused: false },
        }
    }
}

/// What a response must tell of its request.
#[derive(Debug, Default)]
pub(crate) struct AskedOnStream {
    pub(crate) id: String,
    pub(crate) model_name: String,
    /// As the request has it, often empty.
    pub(crate) model_version: String,
    pub(crate) asked: Asked,
    /// What the access log is told.
    pub(crate) record: Option<Arc<AccessRecord>>,
    /// Of a request that is traced.
    pub(crate) trace: Option<Trace>,
}

/// The responses of one call. `R` reads the requests, `F` starts them.
#[derive(Debug)]
pub(crate) struct InferStream<R, F> {
    /// `None`: no more are read.
    requests: Option<R>,
    start: F,
    /// Of models that answer once.
    ordered: VecDeque<Single>,
    /// Of decoupled models; whose turn it is comes first.
    decoupled: VecDeque<(ReplyStream, AskedOnStream)>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The server shut down while the client might still have sent requests.
    cut: bool,
    /// Errors end the call as its status (`triton_grpc_error: true`).
    errors_end: bool,
    ended: bool,
    /// Whose response is being sent.
    sending: Option<Trace>,
}

type Item = Result<ModelStreamInferResponse, Status>;

impl<R, F> InferStream<R, F>
where
    R: Stream<Item = Result<ModelInferRequest, Status>> + Unpin,
    F: FnMut(ModelInferRequest) -> Answer + Unpin,
{
    /// Answers `requests`, each as `start` says.
    pub(crate) fn new(
        requests: R,
        start: F,
        draining: WaitForCancellationFutureOwned,
        errors_end: bool,
    ) -> Self {
        Self {
            requests: Some(requests),
            start,
            ordered: VecDeque::new(),
            decoupled: VecDeque::new(),
            draining: Box::pin(draining),
            cut: false,
            errors_end,
            ended: false,
            sending: None,
        }
    }

    /// Reads and starts one request; whether there was one.
    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let Some(requests) = &mut self.requests else { return Poll::Pending };
        if self.draining.as_mut().poll(context).is_ready() {
            self.requests = None;
            self.cut = true;
            return Poll::Pending;
        }
        if self.ordered.len() + self.decoupled.len() >= MAX_IN_FLIGHT {
            return Poll::Pending;
        }
        match task::ready!(Pin::new(requests).poll_next(context)) {
            Some(Ok(request)) => match (self.start)(request) {
                Answer::Many { replies, asked } => self.decoupled.push_back((replies, asked)),
                Answer::One(single) => self.ordered.push_back(single),
                Answer::Refused(status) => return Poll::Ready(Err(status)),
            },
            Some(Err(status)) => return Poll::Ready(Err(status)),
            None => {
                self.requests = None;
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The response whose turn it is among those that leave in order.
    fn poll_ordered(&mut self, context: &mut Context<'_>) -> Poll<Item> {
        let Some(first) = self.ordered.front_mut() else { return Poll::Pending };
        let response = task::ready!(Pin::new(&mut first.reply).poll(context));
        let Single { asked, refused, .. } =
            self.ordered.pop_front().expect("its reply was polled above");
        Poll::Ready(match response {
            Err(error) if refused => {
                asked.tell(Some(&error));
                let about = ModelInferResponse { id: asked.id, ..ModelInferResponse::default() };
                self.failure(&error, about)
            }
            response => {
                self.sends(&asked);
                self.response(response, &asked, true)
            }
        })
    }

    /// The next response of a decoupled model; they take turns.
    fn poll_decoupled(&mut self, context: &mut Context<'_>) -> Poll<Item> {
        for _ in 0..self.decoupled.len() {
            let (mut replies, asked) = self.decoupled.pop_front().expect("counted above");
            loop {
                let reply = match replies.poll_next(context) {
                    Poll::Pending => {
                        self.decoupled.push_back((replies, asked));
                        break;
                    }
                    Poll::Ready(Some(reply)) => reply,
                    Poll::Ready(None) => Reply { response: Some(Err(overrun())), last: true },
                };
                let Reply { response, last } = reply;
                let item = match response {
                    Some(response) => {
                        self.sends(&asked);
                        self.response(response, &asked, last)
                    }
                    None if last && asked.asked.empty_final_response => {
                        Ok(wrap(asked.message(true)))
                    }
                    None if last => break,
                    None => continue,
                };
                if !last {
                    self.decoupled.push_back((replies, asked));
                }
                return Poll::Ready(item);
            }
        }
        Poll::Pending
    }

    /// A response to a request is there, and about to be sent.
    fn sends(&mut self, asked: &AskedOnStream) {
        if let Some(trace) = &asked.trace {
            trace.record_now(Activity::InferResponseComplete);
            trace.record_now(Activity::GrpcSendStart);
            self.sending = Some(trace.clone());
        }
    }

    /// Whoever writes the responses has taken the last one.
    fn sent(&mut self) {
        if let Some(trace) = self.sending.take() {
            trace.record_now(Activity::GrpcSendEnd);
        }
    }

    fn response(
        &self,
        response: Result<InferResponse, Error>,
        asked: &AskedOnStream,
        last: bool,
    ) -> Item {
        match response.and_then(|response| infer_response(response, &asked.asked)) {
            Ok(mut message) => {
                asked.tell(None);
                message.parameters.insert(FINAL_RESPONSE.to_owned(), bool_parameter(last));
                Ok(wrap(message))
            }
            Err(error) => {
                asked.tell(Some(&error));
                self.failure(&error, asked.message(last))
            }
        }
    }

    fn failure(&self, error: &Error, about: ModelInferResponse) -> Item {
        if self.errors_end {
            return Err(status::from_error(error));
        }
        Ok(ModelStreamInferResponse {
            error_message: error.message().to_owned(),
            infer_response: Some(about),
        })
    }
}

impl<R, F> Stream for InferStream<R, F>
where
    R: Stream<Item = Result<ModelInferRequest, Status>> + Unpin,
    F: FnMut(ModelInferRequest) -> Answer + Unpin,
{
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        this.sent();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = loop {
            // One request for each response that leaves: neither side can hold up the other.
            let request = this.poll_request(context);
            if let Poll::Ready(Err(status)) = request {
                break Err(status);
            }
            if let Poll::Ready(item) = this.poll_ordered(context) {
                break item;
            }
            if let Poll::Ready(item) = this.poll_decoupled(context) {
                break item;
            }
            if this.requests.is_none() && this.ordered.is_empty() && this.decoupled.is_empty() {
                this.ended = true;
                return Poll::Ready(this.cut.then(|| {
                    Err(Status::unavailable(
                        "GRPC server is shutting down and has stopped accepting new requests.",
                    ))
                }));
            }
            if request.is_pending() {
                return Poll::Pending;
            }
        };
        if item.is_err() {
            this.ended = true;
            // What is still in flight has no one to answer to.
            this.requests = None;
            this.ordered.clear();
            this.decoupled.clear();
        }
        Poll::Ready(Some(item))
    }
}

impl AskedOnStream {
    /// A response leaves, or an error.
    fn tell(&self, error: Option<&Error>) {
        if let (Some(trace), Some(error)) = (&self.trace, error) {
            trace.refused(error.message());
        }
        if let Some(record) = &self.record {
            let code = error.map_or(Code::Ok, |error| status::from_error(error).code());
            access_log::answered(record, code);
        }
    }

    /// A response without outputs.
    fn message(&self, last: bool) -> ModelInferResponse {
        ModelInferResponse {
            id: self.id.clone(),
            model_name: self.model_name.clone(),
            model_version: self.model_version.clone(),
            parameters: [(FINAL_RESPONSE.to_owned(), bool_parameter(last))].into(),
            ..ModelInferResponse::default()
        }
    }
}

fn wrap(message: ModelInferResponse) -> ModelStreamInferResponse {
    ModelStreamInferResponse { error_message: String::new(), infer_response: Some(message) }
}

fn overrun() -> Error {
    Error::unavailable("the request was cancelled: responses came faster than the client read them")
}

#[cfg(test)]
mod tests;
