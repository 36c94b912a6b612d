//! A loaded backend: one object per library, shared by the models that use it. The last one that
//! goes finalises it and closes the library.

use crate::{
    HostError,
    entry::Entry,
    handles::{Handle, Object, c_string, tag},
    host::Registration,
    library::OpenLibrary,
    message::MessageObject,
};
use hippocamp_backend_abi::{
    TRITONBACKEND_Backend, TRITONBACKEND_BackendAttribute, TRITONBACKEND_ExecutionPolicy,
};
use hippocamp_proto::inference as proto;
use std::{
    ffi::{CString, c_void},
    path::Path,
    ptr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
    },
};

/// `TRITONBACKEND_Backend`.
#[derive(Debug)]
pub(crate) struct BackendObject {
    pub(crate) name: CString,
    /// Where its files lie; empty for a built-in backend.
    pub(crate) directory: CString,
    pub(crate) config: Handle<MessageObject>,
    pub(crate) state: AtomicPtr<c_void>,
    execution_policy: AtomicU32,
}

/// `TRITONBACKEND_BackendAttribute`.
#[derive(Debug, Default)]
pub(crate) struct AttributeObject {
    pub(crate) preferred_groups: Mutex<Vec<proto::ModelInstanceGroup>>,
    pub(crate) parallel_instances: AtomicBool,
}

impl Object for BackendObject {
    type Opaque = TRITONBACKEND_Backend;
    const TAG: u64 = tag(b"hc bcknd");
    const NAME: &'static str = "backend";
}

impl Object for AttributeObject {
    type Opaque = TRITONBACKEND_BackendAttribute;
    const TAG: u64 = tag(b"hc battb");
    const NAME: &'static str = "backend_attributes";
}

impl BackendObject {
    pub(crate) fn execution_policy(&self) -> TRITONBACKEND_ExecutionPolicy {
        TRITONBACKEND_ExecutionPolicy(self.execution_policy.load(Ordering::Relaxed))
    }

    /// For the instances of models that are loaded from now on.
    pub(crate) fn set_execution_policy(&self, policy: TRITONBACKEND_ExecutionPolicy) {
        self.execution_policy.store(policy.0, Ordering::Relaxed);
    }
}

/// A backend in use.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) object: Arc<Handle<BackendObject>>,
    pub(crate) entry: Entry,
    pub(crate) preferred_groups: Vec<proto::ModelInstanceGroup>,
    /// Instances of a model may be initialised at the same time.
    pub(crate) parallel_instances: bool,
    /// Told when the backend is gone; set once it is in the registry.
    pub(crate) registration: OnceLock<Registration>,
    /// Closed after `Finalize`; `None` for a built-in backend.
    library: Option<OpenLibrary>,
}

impl Backend {
    /// Initialises a backend whose functions are loaded. As in Triton, a backend that fails to
    /// initialise is finalised, too: so it can clean up in one place. `directory` holds what the
    /// backend needs besides its library at `path`.
    pub(crate) fn start(
        name: &str,
        directory: &Path,
        path: Option<&Path>,
        config: String,
        entry: Entry,
        library: Option<OpenLibrary>,
    ) -> Result<Self, HostError> {
        let object = Arc::new(Handle::new(BackendObject {
            name: c_string(name),
            directory: c_string(&directory.to_string_lossy()),
            config: Handle::new(MessageObject { json: config }),
            state: AtomicPtr::new(ptr::null_mut()),
            execution_policy: AtomicU32::new(TRITONBACKEND_ExecutionPolicy::BLOCKING.0),
        }));
        let mut backend = Self {
            object,
            entry,
            preferred_groups: Vec::new(),
            parallel_instances: false,
            registration: OnceLock::new(),
            library,
        };
        entry.initialize(backend.object.as_raw()).map_err(HostError::Backend)?;
        let attributes = Handle::new(AttributeObject::default());
        entry
            .attributes(backend.object.as_raw(), attributes.as_raw())
            .map_err(HostError::Backend)?;
        backend.parallel_instances = attributes.parallel_instances.load(Ordering::Relaxed);
        backend.preferred_groups = std::mem::take(
            &mut *attributes.preferred_groups.lock().unwrap_or_else(PoisonError::into_inner),
        );
        tracing::info!(
            backend = name,
            library = %path.map_or_else(|| "built in".to_owned(), |path| path.display().to_string()),
            "backend loaded"
        );
        Ok(backend)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let name = self.object.name.to_string_lossy().into_owned();
        if let Err(error) = self.entry.finalize(self.object.as_raw()) {
            tracing::error!(backend = name, %error, "failed finalizing backend");
        }
        if let Some(library) = self.library.take()
            && let Err(error) = library.close()
        {
            tracing::error!(backend = name, %error, "failed to close the backend's library");
        }
        tracing::info!(backend = name, "backend unloaded");
        if let Some(registration) = self.registration.take() {
            registration.remove();
        }
    }
}
