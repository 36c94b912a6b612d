//! The server as backends know it: a handle behind which `core` answers.

use crate::handles::{Object, tag};
use hippocamp_backend_abi::TRITONSERVER_Server;
use hippocamp_types::{Error, Host};
use std::sync::{Arc, OnceLock, Weak};

/// `TRITONSERVER_Server`. Shared by the models of one host.
#[derive(Debug, Default)]
pub(crate) struct ServerObject {
    host: OnceLock<Weak<dyn Host>>,
}

impl Object for ServerObject {
    type Opaque = TRITONSERVER_Server;
    const TAG: u64 = tag(b"hc servr");
    const NAME: &'static str = "server";
}

impl ServerObject {
    /// `host` answers from now on; the first one stays.
    pub(crate) fn attach(&self, host: &Arc<dyn Host>) {
        self.host.get_or_init(|| Arc::downgrade(host));
    }

    /// Who answers.
    ///
    /// # Errors
    /// If the server is gone, or the host was made without one.
    pub(crate) fn host(&self) -> Result<Arc<dyn Host>, Error> {
        self.host.get().and_then(Weak::upgrade).ok_or_else(|| {
            Error::unavailable("there is no server behind this handle: it has stopped")
        })
    }
}
