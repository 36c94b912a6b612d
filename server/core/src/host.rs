//! What backends ask of their server: inference by other models, and model control.

use crate::{LoadOverrides, ModelControl, dispatch::dispatch};
use bytes::Bytes;
use hippocamp_repository::Repository;
use hippocamp_types::{Clock, Error, Host, Infer, InferRequest, Timestamp};
use std::{fmt, sync::Arc};

/// The server as backends see it. They hold it weakly: it goes with the server.
pub(crate) struct HostCalls {
    pub(crate) repository: Arc<Repository>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) control: ModelControl,
}

impl HostCalls {
    /// Whether a backend may load and unload. It never waits for a load that is under way: that
    /// load may be waiting for this very call, made by a model that is being initialised.
    fn controllable(&self) -> Result<(), Error> {
        self.control.check()?;
        if self.repository.is_busy() {
            return Err(Error::unavailable(
                "the server is loading or unloading models, which a backend cannot wait for; try again, \
                 and not while a model is initialised",
            ));
        }
        Ok(())
    }
}

impl Infer for HostCalls {
    /// Not stopped by draining: the request that this one is made for was admitted, and waits.
    fn infer(&self, model: &str, version: Option<u64>, request: InferRequest) {
        dispatch(&self.repository.snapshot(), &self.clock, model, version, request, None);
    }
}

impl Host for HostCalls {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn is_model_ready(&self, model: &str, version: Option<u64>) -> bool {
        self.repository.snapshot().resolve(model, version).is_ok()
    }

    fn is_decoupled(&self, model: &str, version: Option<u64>) -> Result<bool, Error> {
        self.repository.snapshot().resolve(model, version).map(|model| model.config.decoupled)
    }

    fn load(
        &self,
        model: &str,
        config: Option<String>,
        files: Vec<(String, Bytes)>,
    ) -> Result<(), Error> {
        self.controllable()?;
        self.repository.load(model, &LoadOverrides { config, files })
    }

    fn unload(&self, model: &str, dependents: bool) -> Result<(), Error> {
        self.controllable()?;
        self.repository.unload(model, dependents);
        Ok(())
    }
}

impl fmt::Debug for HostCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCalls").field("control", &self.control).finish_non_exhaustive()
    }
}
