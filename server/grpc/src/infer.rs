//! Requests of inference on their way to the server and back: decode, sample, pass on, encode. One
//! that is answered once, and those of a stream.

use crate::{
    access, access_log,
    convert::{self, Asked, Labels},
    infer_stream::{Answer, AskedOnStream, Single},
    traced, version,
};
use hippocamp_access::Refusal;
use hippocamp_core::{ForwardedHeaders, InferenceServer, ModelVersion, stream_reply, unary_reply};
use hippocamp_proto::inference::{ModelInferRequest, ModelInferResponse};
use hippocamp_shm::Regions;
use hippocamp_telemetry::access::AccessRecord;
use hippocamp_types::{
    Activity, Error, InferRequest, RequestTrace, Responder, Timestamp, Trace, TraceContext,
};
use std::sync::Arc;
use tonic::metadata::{KeyAndValueRef, MetadataMap};

/// A request that can be passed to the server.
struct Decoded {
    model_name: String,
    version: Option<u64>,
    request: InferRequest,
    asked: Asked,
}

/// The model that `message` is for, with the version as the request names it.
fn model_of(
    server: &InferenceServer,
    message: &ModelInferRequest,
) -> Result<(Arc<ModelVersion>, Option<u64>), Error> {
    let version = version::parse(&message.model_version)?;
    Ok((server.model(&message.model_name, version)?, version))
}

fn decode(
    message: ModelInferRequest,
    (model, version): (&Arc<ModelVersion>, Option<u64>),
    regions: &Regions,
    received: Timestamp,
    responder: Responder,
) -> Result<Decoded, Error> {
    let model_name = message.model_name.clone();
    let (request, mut asked) =
        convert::infer_request(message, &model.config, regions, received, responder)?;
    if !asked.classes.is_empty() {
        let batched = model.config.max_batch_size > 0;
        asked.labels = Some(Labels { labels: Arc::clone(&model.labels), batched });
    }
    Ok(Decoded { model_name, version, request, asked })
}

/// What a request gets from the front-end and from its call, beside its message.
pub(crate) struct Origin<'a> {
    pub(crate) regions: &'a Regions,
    pub(crate) forwarded: &'a ForwardedHeaders,
    pub(crate) metadata: &'a MetadataMap,
    /// What the access log is told.
    pub(crate) record: Option<Arc<AccessRecord>>,
    /// The caller's place in a trace.
    pub(crate) caller: Option<&'a TraceContext>,
    /// When the call began to arrive, if it is known.
    pub(crate) began: Option<Timestamp>,
}

impl Origin<'_> {
    /// Metadata that are forwarded, and the account of the access log.
    fn equip(&self, request: &mut InferRequest, model: &str) -> Result<(), Error> {
        if let Some(record) = &self.record {
            record.request(&request.id, model);
            request.account = Some(Arc::clone(record) as _);
        }
        let text = self.metadata.iter().filter_map(|pair| match pair {
            KeyAndValueRef::Ascii(name, value) => Some((name.as_str(), value.as_bytes())),
            KeyAndValueRef::Binary(..) => None,
        });
        self.forwarded.add(&mut request.parameters, text)
    }
}

/// One request, one response; `trace` is set if the request is traced.
///
/// # Errors
/// What is wrong with the request, or why it has no response.
pub(crate) async fn infer(
    server: &InferenceServer,
    origin: &Origin<'_>,
    message: ModelInferRequest,
    trace: &mut Option<Trace>,
) -> Result<ModelInferResponse, Error> {
    let received = server.now();
    let (model, version) = model_of(server, &message)?;
    if model.config.decoupled {
        return Err(Error::unsupported(
            "ModelInfer RPC doesn't support models with decoupled transaction policy",
        ));
    }
    *trace = traced::sample(server, &message.model_name, origin.caller, origin.began, received);
    let (responder, reply) = unary_reply();
    let Decoded { model_name, version, mut request, asked } =
        decode(message, (&model, version), origin.regions, received, responder)?;
    drop(model);
    origin.equip(&mut request, &model_name)?;
    request.trace = trace.clone().map(RequestTrace::new);
    server.infer(&model_name, version, request);
    let response = reply.await?;
    if let Some(trace) = trace {
        trace.record_now(Activity::InferResponseComplete);
    }
    convert::infer_response(response, &asked)
}

/// Starts a request of a stream.
pub(crate) fn start(
    server: &InferenceServer,
    origin: &Origin<'_>,
    message: ModelInferRequest,
) -> Answer {
    if let Some(record) = &origin.record {
        record.request(&message.id, &message.model_name);
    }
    let refused = AskedOnStream {
        id: message.id.clone(),
        record: origin.record.clone(),
        ..Default::default()
    };
    try_start(server, origin, message)
        .unwrap_or_else(|error| Answer::One(Single::refused(refused, error)))
}

/// Answers a request of a stream that its caller may not make; the others go on.
pub(crate) fn refuse(origin: &Origin<'_>, message: ModelInferRequest, refusal: &Refusal) -> Answer {
    if let Some(record) = &origin.record {
        record.request(&message.id, &message.model_name);
        access_log::answered(record, access::status(refusal).code());
    }
    let refused = AskedOnStream { id: message.id, ..AskedOnStream::default() };
    Answer::One(Single::refused(refused, Error::invalid(refusal.to_string())))
}

fn try_start(
    server: &InferenceServer,
    origin: &Origin<'_>,
    message: ModelInferRequest,
) -> Result<Answer, Error> {
    let received = server.now();
    let (model, version) = model_of(server, &message)?;
    let (id, model_version) = (message.id.clone(), message.model_version.clone());
    let trace = traced::sample(server, &message.model_name, origin.caller, origin.began, received);
    let refused = trace.clone();
    let infer = |responder| {
        let Decoded { model_name, version, mut request, asked } =
            decode(message, (&model, version), origin.regions, received, responder)?;
        origin.equip(&mut request, &model_name)?;
        request.trace = trace.clone().map(RequestTrace::new);
        server.infer(&model_name, version, request);
        let record = origin.record.clone();
        Ok::<_, Error>(AskedOnStream { id, model_name, model_version, asked, record, trace })
    };
    let refuse = |error: &Error| {
        if let Some(trace) = &refused {
            trace.refused(error.message());
        }
    };
    Ok(if model.config.decoupled {
        let (responder, replies) = stream_reply();
        let asked = infer(responder).inspect_err(refuse)?;
        Answer::Many { replies, asked }
    } else {
        let (responder, reply) = unary_reply();
        let asked = infer(responder).inspect_err(refuse)?;
        Answer::One(Single::awaited(reply, asked))
    })
}
