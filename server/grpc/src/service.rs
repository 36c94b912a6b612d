//! `inference.GRPCInferenceService`: each call is decode, one call of the server, encode.

use crate::{
    access,
    access_log::Journal,
    describe,
    infer::{Origin, infer, refuse, start},
    infer_stream::{Answer, InferStream},
    model_control::{load_overrides, roll_back, the_repository, unload_dependents},
    settings, status,
    traced::{self, Began, Sending},
    version,
};
use futures_util::stream::BoxStream;
use hippocamp_core::{ForwardedHeaders, InferenceServer, REQUEST_ID};
use hippocamp_proto::inference::{
    self as proto, ModelInferRequest, ModelInferResponse,
    grpc_inference_service_server::GrpcInferenceService,
};
use hippocamp_shm::Regions;
use hippocamp_telemetry::log::LogControl;
use hippocamp_types::Error;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};

/// Metadata by which a client asks for errors on streams as statuses.
const ERRORS_AS_STATUS: &str = "triton_grpc_error";

/// The inference service.
#[derive(Debug)]
pub(crate) struct InferenceService {
    pub(crate) server: Arc<InferenceServer>,
    pub(crate) log: LogControl,
    pub(crate) regions: Arc<Regions>,
    /// Cancelled when the front-end shuts down: streams read no further.
    pub(crate) draining: CancellationToken,
    pub(crate) forwarded: ForwardedHeaders,
}

type Answered<T> = Result<Response<T>, Status>;

/// Answers `result`, as a status if it is an error.
fn answer<T>(result: Result<T, Error>) -> Answered<T> {
    match result {
        Ok(message) => Ok(Response::new(message)),
        Err(error) => Err(status::from_error(&error)),
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for InferenceService {
    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Answered<ModelInferResponse> {
        access::model(&request, &request.get_ref().model_name)?;
        let (metadata, extensions, message) = request.into_parts();
        let id = message.id.clone();
        let caller = traced::caller(&metadata);
        let origin = Origin {
            regions: &self.regions,
            forwarded: &self.forwarded,
            metadata: &metadata,
            record: extensions.get().cloned(),
            caller: caller.as_ref(),
            began: extensions.get().map(|&Began(began)| began),
        };
        let mut trace = None;
        let mut answer = answer(infer(&self.server, &origin, message, &mut trace).await);
        let metadata = match &mut answer {
            Ok(response) => response.metadata_mut(),
            Err(status) => {
                // An id may be empty, or hold what metadata cannot.
                if let Some(id) = MetadataValue::try_from(&id).ok().filter(|id| !id.is_empty()) {
                    status.metadata_mut().insert(REQUEST_ID, id);
                }
                status.metadata_mut()
            }
        };
        traced::tell(metadata, trace.as_ref(), caller.as_ref());
        match (&mut answer, trace) {
            (_, None) => {}
            (Ok(response), Some(trace)) => drop(response.extensions_mut().insert(Sending(trace))),
            // A status is sent with its headers.
            (Err(status), Some(trace)) => traced::refuse(&trace, status.message()),
        }
        answer
    }

    type ModelStreamInferStream =
        BoxStream<'static, Result<proto::ModelStreamInferResponse, Status>>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Answered<Self::ModelStreamInferStream> {
        let errors_end =
            request.metadata().get(ERRORS_AS_STATUS).is_some_and(|value| value == "true");
        let (server, forwarded) = (Arc::clone(&self.server), self.forwarded.clone());
        let regions = Arc::clone(&self.regions);
        let grant = access::grant(&request);
        let (metadata, extensions, messages) = request.into_parts();
        let journal = extensions.get::<Journal>().cloned();
        let caller = traced::caller(&metadata);
        let told = caller.clone();
        let start = move |message: ModelInferRequest| {
            let origin = Origin {
                regions: &regions,
                forwarded: &forwarded,
                metadata: &metadata,
                record: journal.as_ref().map(Journal::begin),
                caller: caller.as_ref(),
                began: None,
            };
            match grant.model(&message.model_name) {
                Ok(()) => start(&server, &origin, message),
                Err(refusal) => {
                    let refused = refuse(&origin, message, &refusal);
                    if errors_end { Answer::Refused(access::status(&refusal)) } else { refused }
                }
            }
        };
        let draining = self.draining.clone().cancelled_owned();
        let stream = InferStream::new(messages, start, draining, errors_end);
        let mut response: Response<Self::ModelStreamInferStream> = Response::new(Box::pin(stream));
        traced::tell(response.metadata_mut(), None, told.as_ref());
        Ok(response)
    }

    async fn server_live(
        &self,
        _: Request<proto::ServerLiveRequest>,
    ) -> Answered<proto::ServerLiveResponse> {
        Ok(Response::new(proto::ServerLiveResponse { live: self.server.is_live() }))
    }

    async fn server_ready(
        &self,
        _: Request<proto::ServerReadyRequest>,
    ) -> Answered<proto::ServerReadyResponse> {
        Ok(Response::new(proto::ServerReadyResponse { ready: self.server.is_ready() }))
    }

    async fn model_ready(
        &self,
        request: Request<proto::ModelReadyRequest>,
    ) -> Answered<proto::ModelReadyResponse> {
        access::model(&request, &request.get_ref().name)?;
        let proto::ModelReadyRequest { name, version } = request.get_ref();
        answer(version::parse(version).map(|version| proto::ModelReadyResponse {
            ready: self.server.is_model_ready(name, version),
        }))
    }

    async fn server_metadata(
        &self,
        _: Request<proto::ServerMetadataRequest>,
    ) -> Answered<proto::ServerMetadataResponse> {
        Ok(Response::new(describe::server(self.server.metadata())))
    }

    async fn model_metadata(
        &self,
        request: Request<proto::ModelMetadataRequest>,
    ) -> Answered<proto::ModelMetadataResponse> {
        access::model(&request, &request.get_ref().name)?;
        let proto::ModelMetadataRequest { name, version } = request.get_ref();
        let metadata =
            version::parse(version).and_then(|version| self.server.model_metadata(name, version));
        answer(metadata.map(describe::model))
    }

    async fn model_config(
        &self,
        request: Request<proto::ModelConfigRequest>,
    ) -> Answered<proto::ModelConfigResponse> {
        access::model(&request, &request.get_ref().name)?;
        let proto::ModelConfigRequest { name, version } = request.get_ref();
        let model = version::parse(version).and_then(|version| self.server.model(name, version));
        answer(model.map(|model| proto::ModelConfigResponse {
            config: Some(model.config.raw.as_ref().clone()),
        }))
    }

    async fn model_statistics(
        &self,
        request: Request<proto::ModelStatisticsRequest>,
    ) -> Answered<proto::ModelStatisticsResponse> {
        access::model(&request, &request.get_ref().name)?;
        let proto::ModelStatisticsRequest { name, version } = request.get_ref();
        let name = (!name.is_empty()).then_some(name.as_str());
        let reports =
            version::parse(version).and_then(|version| self.server.statistics(name, version));
        answer(reports.map(|reports| describe::statistics(&reports)))
    }

    async fn repository_index(
        &self,
        request: Request<proto::RepositoryIndexRequest>,
    ) -> Answered<proto::RepositoryIndexResponse> {
        access::model(&request, "")?;
        let request = request.get_ref();
        let index = match the_repository(&request.repository_name) {
            Ok(()) => self.server.index(request.ready).await,
            Err(error) => Err(error),
        };
        answer(index.map(describe::index))
    }

    async fn repository_model_load(
        &self,
        request: Request<proto::RepositoryModelLoadRequest>,
    ) -> Answered<proto::RepositoryModelLoadResponse> {
        access::model(&request, &request.get_ref().model_name)?;
        let rolls_back = roll_back(&request.get_ref().parameters);
        let rolls_back = match rolls_back {
            Ok(rolls_back) => rolls_back,
            Err(error) => return answer(Err(error)),
        };
        if rolls_back {
            let rolled_back = match the_repository(&request.get_ref().repository_name) {
                Ok(()) => self.server.roll_back(&request.get_ref().model_name).await,
                Err(error) => Err(error),
            };
            return answer(rolled_back.map(|_names| proto::RepositoryModelLoadResponse {}));
        }
        if !request.get_ref().parameters.is_empty() {
            let refused = access::grant(&request).overrides();
            refused.map_err(|refusal| access::status(&refusal))?;
        }
        let request = request.into_inner();
        let overrides = the_repository(&request.repository_name)
            .and_then(|()| load_overrides(request.parameters));
        let loaded = match overrides {
            Ok(overrides) => self.server.load(&request.model_name, overrides).await,
            Err(error) => Err(error),
        };
        answer(loaded.map(|()| proto::RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<proto::RepositoryModelUnloadRequest>,
    ) -> Answered<proto::RepositoryModelUnloadResponse> {
        access::model(&request, &request.get_ref().model_name)?;
        let request = request.get_ref();
        let dependents = the_repository(&request.repository_name)
            .and_then(|()| unload_dependents(&request.parameters));
        let unloaded = match dependents {
            Ok(dependents) => self.server.unload(&request.model_name, dependents).await,
            Err(error) => Err(error),
        };
        answer(unloaded.map(|()| proto::RepositoryModelUnloadResponse {}))
    }

    async fn system_shared_memory_status(
        &self,
        request: Request<proto::SystemSharedMemoryStatusRequest>,
    ) -> Answered<proto::SystemSharedMemoryStatusResponse> {
        access::model(&request, "")?;
        answer(
            self.regions
                .status(&request.get_ref().name)
                .map_err(Error::from)
                .map(describe::regions),
        )
    }

    async fn system_shared_memory_register(
        &self,
        request: Request<proto::SystemSharedMemoryRegisterRequest>,
    ) -> Answered<proto::SystemSharedMemoryRegisterResponse> {
        access::model(&request, "")?;
        let proto::SystemSharedMemoryRegisterRequest { name, key, offset, byte_size } =
            request.get_ref();
        let registered = self.regions.register(name, key, *offset, *byte_size);
        answer(
            registered.map_err(Error::from).map(|()| proto::SystemSharedMemoryRegisterResponse {}),
        )
    }

    async fn system_shared_memory_unregister(
        &self,
        request: Request<proto::SystemSharedMemoryUnregisterRequest>,
    ) -> Answered<proto::SystemSharedMemoryUnregisterResponse> {
        access::model(&request, "")?;
        let unregistered = self.regions.unregister(&request.get_ref().name);
        let done = |()| proto::SystemSharedMemoryUnregisterResponse {};
        answer(unregistered.map_err(Error::from).map(done))
    }

    async fn cuda_shared_memory_status(
        &self,
        request: Request<proto::CudaSharedMemoryStatusRequest>,
    ) -> Answered<proto::CudaSharedMemoryStatusResponse> {
        access::model(&request, "")?;
        let status = self.regions.cuda_status(&request.get_ref().name);
        let none = |()| proto::CudaSharedMemoryStatusResponse::default();
        answer(status.map_err(Error::from).map(none))
    }

    async fn cuda_shared_memory_register(
        &self,
        request: Request<proto::CudaSharedMemoryRegisterRequest>,
    ) -> Answered<proto::CudaSharedMemoryRegisterResponse> {
        access::model(&request, "")?;
        let refused = self.regions.register_cuda(&request.get_ref().name);
        let done = |()| proto::CudaSharedMemoryRegisterResponse {};
        answer(refused.map_err(Error::from).map(done))
    }

    async fn cuda_shared_memory_unregister(
        &self,
        request: Request<proto::CudaSharedMemoryUnregisterRequest>,
    ) -> Answered<proto::CudaSharedMemoryUnregisterResponse> {
        access::model(&request, "")?;
        let unregistered = self.regions.unregister_cuda();
        let done = |()| proto::CudaSharedMemoryUnregisterResponse {};
        answer(unregistered.map_err(Error::from).map(done))
    }

    async fn trace_setting(
        &self,
        request: Request<proto::TraceSettingRequest>,
    ) -> Answered<proto::TraceSettingResponse> {
        access::model(&request, &request.get_ref().model_name)?;
        let request = request.get_ref();
        let model = Some(request.model_name.as_str()).filter(|model| !model.is_empty());
        let mut settings = self.server.trace_settings(model);
        if settings.is_ok() && !request.settings.is_empty() {
            settings = settings::trace_update(&request.settings)
                .and_then(|update| self.server.update_trace_settings(model, &update));
        }
        answer(settings.map(|settings| settings::trace_shown(&settings)))
    }

    async fn log_settings(
        &self,
        request: Request<proto::LogSettingsRequest>,
    ) -> Answered<proto::LogSettingsResponse> {
        access::model(&request, "")?;
        answer(settings::log(&request.get_ref().settings, &self.log))
    }
}
