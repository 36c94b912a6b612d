//! What a backend is told when it is initialised, when a model is loaded and when an instance is
//! made. Values are read from the host once, so that the getters cannot fail.

use crate::{
    Error,
    abi::{
        self, TRITONBACKEND_Backend, TRITONBACKEND_Model, TRITONBACKEND_ModelInstance,
        TRITONSERVER_InstanceGroupKind, TRITONSERVER_Message,
    },
    raw::{check, text},
};
use serde_json::Value;
use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    ptr,
};

/// The backend's own name, place and settings.
#[derive(Debug)]
pub struct BackendContext<'a> {
    name: String,
    directory: PathBuf,
    config: Value,
    /// The host's object is alive for as long as the call that this is an argument of.
    _call: PhantomData<&'a ()>,
}

/// The model that is being loaded.
#[derive(Debug)]
pub struct ModelContext<'a> {
    model: *mut TRITONBACKEND_Model,
    name: String,
    version: u64,
    directory: PathBuf,
    config: Value,
    auto_complete: bool,
    _call: PhantomData<&'a mut ()>,
}

/// The instance that is being made.
#[derive(Debug)]
pub struct InstanceContext<'a> {
    name: String,
    kind: InstanceKind,
    device_id: i32,
    _call: PhantomData<&'a ()>,
}

/// Where an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum InstanceKind {
    Auto,
    Cpu,
    Gpu,
    Model,
}

impl BackendContext<'_> {
    /// Reads the backend's properties.
    ///
    /// # Safety
    /// `backend` is a live handle, as given to an entry point of a backend.
    pub(crate) unsafe fn read(backend: *mut TRITONBACKEND_Backend) -> Result<Self, Error> {
        let mut name = ptr::null();
        // SAFETY: the handle is live by contract, `name` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_BackendName(backend, &raw mut name) })?;
        let mut kind = abi::TRITONBACKEND_ArtifactType::FILESYSTEM;
        let mut location = ptr::null();
        // SAFETY: the handle is live by contract, both results are places to write to.
        check(unsafe {
            abi::TRITONBACKEND_BackendArtifacts(backend, &raw mut kind, &raw mut location)
        })?;
        let mut message = ptr::null_mut();
        // SAFETY: the handle is live by contract, `message` is a place to write to. The message stays the server's.
        check(unsafe { abi::TRITONBACKEND_BackendConfig(backend, &raw mut message) })?;
        Ok(Self {
            // SAFETY: the host wrote a string that lives as long as the backend.
            name: unsafe { text(name) }?.to_owned(),
            // SAFETY: as above.
            directory: PathBuf::from(unsafe { text(location) }?),
            // SAFETY: the message is live: it belongs to the backend.
            config: unsafe { json_of(message) }?,
            _call: PhantomData,
        })
    }

    /// The backend's name, such as `identity`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of the backend's files; empty where it is linked into the server.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The value of `--backend-config <name>,<key>=<value>`, or of the server-wide setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config.get("cmdline")?.get(key)?.as_str()
    }
}

impl ModelContext<'_> {
    /// Reads the model's properties.
    ///
    /// # Safety
    /// `model` is a live handle, as given to `TRITONBACKEND_ModelInitialize`.
    pub(crate) unsafe fn read(model: *mut TRITONBACKEND_Model) -> Result<Self, Error> {
        let mut name = ptr::null();
        // SAFETY: the handle is live by contract, `name` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_ModelName(model, &raw mut name) })?;
        let mut version = 0;
        // SAFETY: as above.
        check(unsafe { abi::TRITONBACKEND_ModelVersion(model, &raw mut version) })?;
        let mut kind = abi::TRITONBACKEND_ArtifactType::FILESYSTEM;
        let mut location = ptr::null();
        // SAFETY: as above.
        check(unsafe {
            abi::TRITONBACKEND_ModelRepository(model, &raw mut kind, &raw mut location)
        })?;
        let mut auto_complete = false;
        // SAFETY: as above.
        check(unsafe {
            abi::TRITONBACKEND_ModelAutoCompleteConfig(model, &raw mut auto_complete)
        })?;
        Ok(Self {
            model,
            // SAFETY: the host wrote a string that lives as long as the model.
            name: unsafe { text(name) }?.to_owned(),
            version,
            // SAFETY: as above.
            directory: PathBuf::from(unsafe { text(location) }?),
            // SAFETY: the handle is live by contract.
            config: unsafe { model_config(model) }?,
            auto_complete,
            _call: PhantomData,
        })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that is being loaded.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The model's directory, which holds the directories of its versions.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory of this version.
    pub fn version_directory(&self) -> PathBuf {
        self.directory.join(self.version.to_string())
    }

    /// The file to load: `default_model_filename` of the configuration, or `default`, in the
    /// directory of this version.
    pub fn model_file(&self, default: &str) -> PathBuf {
        let name = self.config["default_model_filename"].as_str().filter(|name| !name.is_empty());
        self.version_directory().join(name.unwrap_or(default))
    }

    /// The configuration in Triton's JSON form: the names of config.pbtxt, every field present.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// `max_batch_size` of the configuration; 0 for a model without a batch dimension.
    pub fn max_batch_size(&self) -> usize {
        max_batch_size(&self.config)
    }

    /// The `string_value` of one of the configuration's `parameters`.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.config.get("parameters")?.get(key)?.get("string_value")?.as_str()
    }

    /// Whether [`Self::set_config`] may be called: the server completes configurations.
    pub fn auto_complete(&self) -> bool {
        self.auto_complete
    }

    /// Completes the configuration. The server takes over inputs, outputs, `max_batch_size`, and
    /// a scheduler if there is none yet; the rest of `config` is ignored. Afterwards
    /// [`Self::config`] is what the server made of it.
    ///
    /// # Errors
    /// If the server refuses the configuration.
    pub fn set_config(&mut self, config: &Value) -> Result<(), Error> {
        let json = config.to_string();
        let mut message = ptr::null_mut();
        // SAFETY: the text is live for the call, which copies it; `message` is a place to write to.
        check(unsafe {
            abi::TRITONSERVER_MessageNewFromSerializedJson(
                &raw mut message,
                json.as_ptr().cast(),
                json.len(),
            )
        })?;
        let message = OwnedMessage(message);
        // SAFETY: the model is live during the call that this context is an argument of, the message by ownership.
        check(unsafe { abi::TRITONBACKEND_ModelSetConfig(self.model, 1, message.0) })?;
        // SAFETY: as above.
        self.config = unsafe { model_config(self.model) }?;
        Ok(())
    }
}

impl ModelContext<'_> {
    /// Bytes of all files of this version: what a backend reads whole, or maps, it holds in memory.
    ///
    /// # Errors
    /// If a file is gone meanwhile.
    pub fn version_bytes(&self) -> Result<u64, Error> {
        fn below(directory: &Path) -> std::io::Result<u64> {
            let mut bytes = 0;
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                bytes += if path.is_dir() { below(&path)? } else { path.metadata()?.len() };
            }
            Ok(bytes)
        }
        let directory = self.version_directory();
        below(&directory).map_err(|error| {
            Error::internal(format!("cannot read '{}': {error}", directory.display()))
        })
    }

    /// Tells the server how much memory the model needs, without what its instances need for
    /// themselves: it stands in the model's statistics and metrics. The last report counts.
    ///
    /// # Errors
    /// If the server refuses it.
    pub fn report_memory(&self, bytes: u64) -> Result<(), Error> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut attributes = ptr::null_mut();
        // SAFETY: `attributes` is a place to write to.
        check(unsafe { abi::TRITONSERVER_BufferAttributesNew(&raw mut attributes) })?;
        let attributes = OwnedAttributes(attributes);
        let kind = abi::TRITONSERVER_MemoryType::CPU;
        // SAFETY: the attributes are live by ownership.
        check(unsafe { abi::TRITONSERVER_BufferAttributesSetMemoryType(attributes.0, kind) })?;
        // SAFETY: as above.
        check(unsafe { abi::TRITONSERVER_BufferAttributesSetMemoryTypeId(attributes.0, 0) })?;
        // SAFETY: as above.
        check(unsafe { abi::TRITONSERVER_BufferAttributesSetByteSize(attributes.0, bytes) })?;
        let mut usage = [attributes.0];
        // SAFETY: the model is live during the call that this context is an argument of; the array has one
        // element, which the server does not keep.
        check(unsafe {
            abi::TRITONBACKEND_ModelReportMemoryUsage(self.model, usage.as_mut_ptr(), 1)
        })
    }
}

/// Attributes of a buffer that are ours to delete.
struct OwnedAttributes(*mut abi::TRITONSERVER_BufferAttributes);

impl Drop for OwnedAttributes {
    fn drop(&mut self) {
        // SAFETY: the attributes are live and nobody else deletes them.
        let deleted = unsafe { abi::TRITONSERVER_BufferAttributesDelete(self.0) };
        // Attributes that cannot be deleted are leaked; there is nobody to tell.
        drop(check(deleted));
    }
}

impl InstanceContext<'_> {
    /// Reads the instance's properties.
    ///
    /// # Safety
    /// `instance` is a live handle, as given to `TRITONBACKEND_ModelInstanceInitialize`.
    pub(crate) unsafe fn read(instance: *mut TRITONBACKEND_ModelInstance) -> Result<Self, Error> {
        let mut name = ptr::null();
        // SAFETY: the handle is live by contract, `name` is a place to write to.
        check(unsafe { abi::TRITONBACKEND_ModelInstanceName(instance, &raw mut name) })?;
        let mut kind = TRITONSERVER_InstanceGroupKind::AUTO;
        // SAFETY: as above.
        check(unsafe { abi::TRITONBACKEND_ModelInstanceKind(instance, &raw mut kind) })?;
        let mut device_id = 0;
        // SAFETY: as above.
        check(unsafe { abi::TRITONBACKEND_ModelInstanceDeviceId(instance, &raw mut device_id) })?;
        Ok(Self {
            // SAFETY: the host wrote a string that lives as long as the instance.
            name: unsafe { text(name) }?.to_owned(),
            kind: InstanceKind::from_abi(kind),
            device_id,
            _call: PhantomData,
        })
    }

    /// The instance's name, such as `simple_0_1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the instance is to run.
    pub fn kind(&self) -> InstanceKind {
        self.kind
    }

    /// The device of a GPU instance; 0 otherwise.
    pub fn device_id(&self) -> i32 {
        self.device_id
    }
}

impl InstanceKind {
    fn from_abi(kind: TRITONSERVER_InstanceGroupKind) -> Self {
        match kind {
            TRITONSERVER_InstanceGroupKind::CPU => Self::Cpu,
            TRITONSERVER_InstanceGroupKind::GPU => Self::Gpu,
            TRITONSERVER_InstanceGroupKind::MODEL => Self::Model,
            // A kind that is newer than this SDK leaves the choice to the backend.
            _ => Self::Auto,
        }
    }

    pub(crate) fn to_abi(self) -> TRITONSERVER_InstanceGroupKind {
        match self {
            Self::Auto => TRITONSERVER_InstanceGroupKind::AUTO,
            Self::Cpu => TRITONSERVER_InstanceGroupKind::CPU,
            Self::Gpu => TRITONSERVER_InstanceGroupKind::GPU,
            Self::Model => TRITONSERVER_InstanceGroupKind::MODEL,
        }
    }
}

/// `max_batch_size` of a configuration in JSON.
pub(crate) fn max_batch_size(config: &Value) -> usize {
    config["max_batch_size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

/// A message that is ours to delete.
struct OwnedMessage(*mut TRITONSERVER_Message);

impl Drop for OwnedMessage {
    fn drop(&mut self) {
        // SAFETY: the message is live and nobody else deletes it.
        let deleted = unsafe { abi::TRITONSERVER_MessageDelete(self.0) };
        // A message that cannot be deleted is leaked; there is nobody to tell.
        drop(check(deleted));
    }
}

/// The model's configuration as it is now.
///
/// # Safety
/// `model` is a live handle.
pub(crate) unsafe fn model_config(model: *mut TRITONBACKEND_Model) -> Result<Value, Error> {
    let mut message = ptr::null_mut();
    // SAFETY: the handle is live by contract, `message` is a place to write to.
    check(unsafe { abi::TRITONBACKEND_ModelConfig(model, 1, &raw mut message) })?;
    let message = OwnedMessage(message);
    // SAFETY: the message is live by ownership.
    unsafe { json_of(message.0) }
}

/// The JSON of a message.
///
/// # Safety
/// `message` is a live handle.
unsafe fn json_of(message: *mut TRITONSERVER_Message) -> Result<Value, Error> {
    let mut base = ptr::null();
    let mut length = 0;
    // SAFETY: the handle is live by contract, both results are places to write to.
    check(unsafe {
        abi::TRITONSERVER_MessageSerializeToJson(message, &raw mut base, &raw mut length)
    })?;
    if base.is_null() {
        return Err(Error::internal("the server gave a message without text"));
    }
    // SAFETY: the host wrote the start and length of a text that lives as long as the message.
    let json = unsafe { std::slice::from_raw_parts(base.cast::<u8>(), length) };
    serde_json::from_slice(json).map_err(|error| {
        Error::internal(format!("the server gave a message that is not JSON: {error}"))
    })
}
