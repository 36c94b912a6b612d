//! A server that answers backends: what it does depends on the model's name.

use crate::{handles::Handle, server::ServerObject};
use hippocamp_types::{Error, Host, Infer, InferRequest, InferResponse, Timestamp};
use std::sync::{Arc, Mutex};

/// The server behind the handle: what it does depends on the model's name.
#[derive(Debug, Default)]
pub(super) struct Fake {
    /// Requests that it holds.
    pub(super) held: Mutex<Vec<InferRequest>>,
    /// Calls of model control.
    pub(super) calls: Mutex<Vec<String>>,
}

impl Fake {
    /// A handle behind which `self` answers.
    pub(super) fn server(self: &Arc<Self>) -> Arc<Handle<ServerObject>> {
        let server = Arc::new(Handle::new(ServerObject::default()));
        let host: Arc<dyn Host> = self.clone();
        server.attach(&host);
        server
    }
}

impl Infer for Fake {
    fn infer(&self, model: &str, _version: Option<u64>, request: InferRequest) {
        let answer = |request: &InferRequest| InferResponse {
            model_name: model.into(),
            model_version: 1,
            id: request.id.clone(),
            parameters: request.parameters.clone(),
            outputs: request.inputs.clone(),
        };
        match model {
            "echo" => request.responder.send(Ok(answer(&request)), true).unwrap(),
            "refuses" => request.responder.fail(Error::unavailable("come back later")),
            "streams" => {
                request.responder.send(Ok(answer(&request)), false).unwrap();
                request.responder.send(Err(Error::internal("one was bad")), false).unwrap();
                request.responder.finish().unwrap();
            }
            _ => self.held.lock().unwrap().push(request),
        }
    }
}

impl Host for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(17)
    }

    fn is_model_ready(&self, model: &str, version: Option<u64>) -> bool {
        self.is_decoupled(model, version).is_ok()
    }

    fn is_decoupled(&self, model: &str, version: Option<u64>) -> Result<bool, Error> {
        if model == "none" || version.is_some_and(|version| version > 1) {
            return Err(Error::not_found(format!("no {model}")));
        }
        Ok(model == "streams")
    }

    fn load(
        &self,
        model: &str,
        config: Option<String>,
        files: Vec<(String, bytes::Bytes)>,
    ) -> Result<(), Error> {
        self.calls.lock().unwrap().push(format!("load {model} {config:?} {files:?}"));
        if model == "none" { Err(Error::not_found("nowhere")) } else { Ok(()) }
    }

    fn unload(&self, model: &str, dependents: bool) -> Result<(), Error> {
        self.calls.lock().unwrap().push(format!("unload {model} {dependents}"));
        Ok(())
    }
}
