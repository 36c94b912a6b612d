//! Which service a call is for. The inference service comes first and without a router: its calls
//! are the ones that count.

use crate::{
    access,
    access_log::{self, Journal},
    announced::Room,
    health::HealthService,
    options::{GrpcOptions, MAX_MESSAGE_BYTES},
    service::InferenceService,
    traced::{self, Began},
};
use futures_util::future::{BoxFuture, ready};
use hippocamp_access::Guard;
use hippocamp_core::{InferenceServer, REQUEST_ID, generated_request_id};
use hippocamp_proto::{
    FILE_DESCRIPTOR_SET, health::health_server::HealthServer,
    inference::grpc_inference_service_server::GrpcInferenceServiceServer,
};
use hippocamp_telemetry::access::{AccessLog, AccessRecord};
use http::{HeaderName, HeaderValue};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, body::Body, codec::CompressionEncoding, service::Routes};
use tower::Service;

pub(crate) const INFERENCE: &str = "/inference.GRPCInferenceService/";
/// In the headers of an answer that is an error and nothing else.
const GRPC_STATUS: &str = "grpc-status";

pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/";

/// All services of the front-end; an unknown one is answered UNIMPLEMENTED.
#[derive(Clone, Debug)]
pub struct Services {
    guard: Arc<Guard>,
    access_log: Option<AccessLog>,
    server: Arc<InferenceServer>,
    inference: GrpcInferenceServiceServer<InferenceService>,
    health: HealthServer<HealthService>,
    reflection: Routes,
    room: Room,
}

impl Services {
    /// The services of `server`. Once `draining` is cancelled, calls that could go on for ever end
    /// by themselves.
    pub fn new(
        server: Arc<InferenceServer>,
        options: &GrpcOptions,
        draining: CancellationToken,
    ) -> Self {
        let health = HealthService { server: Arc::clone(&server), draining: draining.clone() };
        let regions = Arc::clone(&options.regions);
        let (log, forwarded) = (options.log.clone(), options.forwarded.clone());
        let inference =
            InferenceService { server: Arc::clone(&server), log, regions, draining, forwarded };
        let mut inference = GrpcInferenceServiceServer::new(inference)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate);
        if options.compress_responses {
            inference = inference
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Deflate);
        }
        let guard = Arc::new(options.guard.clone());
        let access_log = options.access_log.clone();
        Self {
            guard,
            access_log,
            server,
            inference,
            health: HealthServer::new(health),
            reflection: reflection(),
            room: Room::default(),
        }
    }
}

/// Reflection, in both versions of its protocol that clients speak.
fn reflection() -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
    };
    let fine = "descriptors written by our build script decode";
    Routes::new(builder().build_v1().expect(fine))
        .add_service(builder().build_v1alpha().expect(fine))
        .prepare()
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let given = request.headers().get(REQUEST_ID).cloned();
        let admitted = access::admit(&self.guard, &mut request);
        let journal = self.access_log.as_ref().map(|log| Journal::new(log, &request));
        let path = request.uri().path();
        let is_stream = path.strip_prefix(INFERENCE) == Some("ModelStreamInfer");
        let record =
            journal.as_ref().filter(|_| !is_stream || admitted.is_err()).map(Journal::begin);
        if let Err(refusal) = admitted {
            return Box::pin(ready(Ok(written(marked(refusal.into_http(), given), record))));
        }
        if let Some(record) = &record {
            request.extensions_mut().insert(Arc::clone(record));
        } else if let Some(journal) = journal {
            request.extensions_mut().insert(journal);
        }
        let mut request = request.map(|body| self.room.bound(body));
        let path = request.uri().path();
        let answered = if path.starts_with(INFERENCE) {
            if self.server.is_tracing() {
                request.extensions_mut().insert(Began(self.server.now()));
            }
            self.inference.call(request)
        } else if path.starts_with(HEALTH) {
            self.health.call(request)
        } else {
            Box::pin(self.reflection.call(request))
        };
        Box::pin(async move { Ok(traced::watch(written(marked(answered.await?, given), record))) })
    }
}

/// Every error carries the id of its request, and so does every answer to a client that sent one.
/// What a service has put there, the id in a request's message, stays.
fn marked(mut response: http::Response<Body>, given: Option<HeaderValue>) -> http::Response<Body> {
    const ID: HeaderName = HeaderName::from_static(REQUEST_ID);
    let failed = response.headers().contains_key(GRPC_STATUS);
    if !response.headers().contains_key(ID) && (failed || given.is_some()) {
        let id = given.unwrap_or_else(|| {
            HeaderValue::from_str(&generated_request_id()).expect("letters and digits fit a header")
        });
        response.headers_mut().insert(ID, id);
    }
    response
}

/// Tells the access log what the answer is.
fn written(
    response: http::Response<Body>,
    record: Option<Arc<AccessRecord>>,
) -> http::Response<Body> {
    if let Some(record) = record {
        let code =
            response.headers().get(GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
        access_log::answered(&record, code.unwrap_or(Code::Ok));
        let id = response.headers().get(REQUEST_ID);
        if let Some(id) = id.and_then(|id| id.to_str().ok()) {
            record.identify(id);
        }
    }
    response
}
