//! The protocol over gRPC, on one connection.

mod convert;

use crate::{
    Error, IndexEntry, InferRequest, InferResult, LoadOverrides, ModelMetadata, ModelStatistics,
    ServerMetadata,
};
use futures_core::Stream;
use futures_util::{
    StreamExt,
    future::{AbortHandle, ready as ready_now},
    stream::abortable,
};
use hippocamp_proto::{
    health::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    },
    inference::{
        self as proto, ModelStreamInferResponse,
        grpc_inference_service_client::GrpcInferenceServiceClient,
        model_repository_parameter::ParameterChoice,
    },
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::{
    Request, Streaming,
    codec::CompressionEncoding,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

/// Longest message, as servers have it.
const MAX_MESSAGE_BYTES: usize = i32::MAX as usize;

/// Bytes that the server may send before it waits for this client.
const WINDOW_BYTES: u32 = 8 << 20;

/// A client of one server over gRPC. Cloning it shares its connection.
#[derive(Clone, Debug)]
pub struct GrpcClient {
    service: GrpcInferenceServiceClient<Channel>,
    channel: Channel,
}

impl GrpcClient {
    /// Connects to the server at `url`, such as `http://127.0.0.1:8001` or `127.0.0.1:8001`.
    ///
    /// # Errors
    /// If the URL is none, or nobody listens there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let endpoint = Endpoint::from_shared(full)
            .map_err(|error| Error::Encode(format!("'{url}' is no URL of a server: {error}")))?
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let channel = endpoint.connect().await.map_err(Error::transport)?;
        let service = GrpcInferenceServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self { service, channel })
    }

    /// Compresses requests with gzip, and accepts such responses.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.service = self
            .service
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
        self
    }

    /// The service as it is on the wire, for calls and messages that this client would not make.
    pub fn service(&self) -> GrpcInferenceServiceClient<Channel> {
        self.service.clone()
    }

    /// The connection, for other services of the same server.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Whether the standard health service says that `service` (empty for the whole server) serves.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_serving(&self, service: &str) -> Result<bool, Error> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let response = HealthClient::new(self.channel()).check(request).await?;
        Ok(response.into_inner().status() == ServingStatus::Serving)
    }

    /// Whether the server runs.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_live(&self) -> Result<bool, Error> {
        Ok(self.service().server_live(proto::ServerLiveRequest {}).await?.into_inner().live)
    }

    /// Whether the server takes requests.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_ready(&self) -> Result<bool, Error> {
        Ok(self.service().server_ready(proto::ServerReadyRequest {}).await?.into_inner().ready)
    }

    /// Whether this version of the model, or the latest, serves.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_model_ready(&self, model: &str, version: Option<u64>) -> Result<bool, Error> {
        let request =
            proto::ModelReadyRequest { name: model.to_owned(), version: convert::version(version) };
        Ok(self.service().model_ready(request).await?.into_inner().ready)
    }

    /// Name, version and extensions of the server.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn server_metadata(&self) -> Result<ServerMetadata, Error> {
        let response = self.service().server_metadata(proto::ServerMetadataRequest {}).await?;
        Ok(convert::server_metadata(response.into_inner()))
    }

    /// Inputs, outputs and versions of a model.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn model_metadata(
        &self,
        model: &str,
        version: Option<u64>,
    ) -> Result<ModelMetadata, Error> {
        let request = proto::ModelMetadataRequest {
            name: model.to_owned(),
            version: convert::version(version),
        };
        Ok(convert::model_metadata(self.service().model_metadata(request).await?.into_inner()))
    }

    /// The configuration of a model.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn model_config(
        &self,
        model: &str,
        version: Option<u64>,
    ) -> Result<proto::ModelConfig, Error> {
        let request = proto::ModelConfigRequest {
            name: model.to_owned(),
            version: convert::version(version),
        };
        let response = self.service().model_config(request).await?.into_inner();
        response.config.ok_or_else(|| Error::decode("the response holds no configuration"))
    }

    /// Infers.
    ///
    /// # Errors
    /// If the server refuses the request or the model fails.
    pub async fn infer(&self, request: &InferRequest) -> Result<InferResult, Error> {
        let message = convert::request(request)?;
        convert::result(self.service().model_infer(message).await?.into_inner())
    }

    /// Opens a stream: `requests` are sent as they come, results arrive while they are. Models that
    /// answer once do so in the order of the requests. A request that fails is an
    /// [`Error::Request`], after which the stream goes on; one that cannot be sent as asked (typed
    /// contents of a datatype that has none) ends the requests.
    ///
    /// # Errors
    /// If the stream cannot be opened.
    pub async fn infer_stream(
        &self,
        requests: impl Stream<Item = InferRequest> + Send + 'static,
    ) -> Result<InferStream, Error> {
        self.open_stream(Request::new(requests)).await
    }

    /// Opens a stream that the first request to fail ends, with its status.
    ///
    /// # Errors
    /// If the stream cannot be opened.
    pub async fn infer_stream_until_error(
        &self,
        requests: impl Stream<Item = InferRequest> + Send + 'static,
    ) -> Result<InferStream, Error> {
        let mut request = Request::new(requests);
        request.metadata_mut().insert("triton_grpc_error", MetadataValue::from_static("true"));
        self.open_stream(request).await
    }

    async fn open_stream(
        &self,
        request: Request<impl Stream<Item = InferRequest> + Send + 'static>,
    ) -> Result<InferStream, Error> {
        let mut requests = None;
        let request = request.map(|stream| {
            let (stream, handle) = abortable(messages(stream));
            requests = Some(Requests(handle));
            stream
        });
        let response = self.service().model_stream_infer(request).await?;
        Ok(InferStream { _requests: requests, responses: response.into_inner() })
    }

    /// Every model of the repository, or those that are ready.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn index(&self, ready_only: bool) -> Result<Vec<IndexEntry>, Error> {
        let request =
            proto::RepositoryIndexRequest { repository_name: String::new(), ready: ready_only };
        Ok(convert::index(self.service().repository_index(request).await?.into_inner()))
    }

    /// Loads a model as it stands in the repository.
    ///
    /// # Errors
    /// If the load fails, or the server does not take such calls.
    pub async fn load(&self, model: &str) -> Result<(), Error> {
        self.load_with(model, &LoadOverrides::default()).await
    }

    /// Loads a model as `overrides` say.
    ///
    /// # Errors
    /// If the load fails, or the server does not take such calls.
    pub async fn load_with(&self, model: &str, overrides: &LoadOverrides) -> Result<(), Error> {
        let request = proto::RepositoryModelLoadRequest {
            repository_name: String::new(),
            model_name: model.to_owned(),
            parameters: convert::overrides(overrides),
        };
        self.service().repository_model_load(request).await?;
        Ok(())
    }

    /// Unloads a model; with `unload_dependents`, also the members of the ensemble it is.
    ///
    /// # Errors
    /// If the server does not take such calls.
    pub async fn unload(&self, model: &str, unload_dependents: bool) -> Result<(), Error> {
        let parameter = proto::ModelRepositoryParameter {
            parameter_choice: Some(ParameterChoice::BoolParam(unload_dependents)),
        };
        let request = proto::RepositoryModelUnloadRequest {
            repository_name: String::new(),
            model_name: model.to_owned(),
            parameters: [("unload_dependents".to_owned(), parameter)].into(),
        };
        self.service().repository_model_unload(request).await?;
        Ok(())
    }

    /// Statistics of one model, or of all.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn statistics(
        &self,
        model: Option<&str>,
        version: Option<u64>,
    ) -> Result<Vec<ModelStatistics>, Error> {
        let request = proto::ModelStatisticsRequest {
            name: model.unwrap_or_default().to_owned(),
            version: convert::version(version),
        };
        Ok(convert::statistics(self.service().model_statistics(request).await?.into_inner()))
    }
}

/// The messages of `requests`, up to the first that cannot be one: there the requests end.
fn messages(
    requests: impl Stream<Item = InferRequest> + Send + 'static,
) -> impl Stream<Item = proto::ModelInferRequest> + Send + 'static {
    requests
        .map(|request| convert::request(&request).ok())
        .take_while(|message| ready_now(message.is_some()))
        .filter_map(ready_now)
}

/// The results of a stream, as they come. Dropping it cancels the requests that are in flight.
#[derive(Debug)]
pub struct InferStream {
    /// Without an end of the requests the connection would keep the call.
    _requests: Option<Requests>,
    responses: Streaming<ModelStreamInferResponse>,
}

/// The requests of a stream; dropping it ends them.
#[derive(Debug)]
struct Requests(AbortHandle);

impl Drop for Requests {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream for InferStream {
    type Item = Result<InferResult, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(
            ready!(self.responses.poll_next_unpin(context)).map(|response| streamed(response?)),
        )
    }
}

fn streamed(response: ModelStreamInferResponse) -> Result<InferResult, Error> {
    let ModelStreamInferResponse { error_message, infer_response } = response;
    if error_message.is_empty() {
        convert::result(infer_response.unwrap_or_default())
    } else {
        Err(Error::Request {
            id: infer_response.map(|response| response.id).unwrap_or_default(),
            message: error_message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InferInput;

    #[test]
    fn failed_requests_of_a_stream_keep_their_id() {
        let about = proto::ModelInferResponse { id: "7".into(), ..Default::default() };
        let response =
            ModelStreamInferResponse { error_message: "no".into(), infer_response: Some(about) };
        let error = streamed(response).unwrap_err();
        assert_eq!(error.to_string(), "request '7' of the stream failed: no");
        assert_eq!(error.message(), Some("no"));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_ends_the_requests() {
        let good = || InferRequest::new("m").input(InferInput::new("A", &[1], &[1i32]).json());
        let bad =
            InferRequest::new("m").input(InferInput::raw("A", &[1], "FP16", vec![0, 0]).json());
        let sent = messages(futures_util::stream::iter([good(), bad, good()]));
        assert_eq!(sent.count().await, 1);
    }
}
