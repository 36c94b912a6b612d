//! A loaded model: its object for the backend, and what `core` does with it.

use crate::{
    HostError,
    backend::Backend,
    handles::{Handle, Object, c_string, tag},
    instance::{Instance, InstanceCore, InstanceSetting, ServingModel},
    server::ServerObject,
    strategy::{self, Strategy},
    turns,
};
use hippocamp_backend_abi::TRITONBACKEND_Model;
use hippocamp_config::{
    InstanceGroup, InstanceKind, ModelConfig, from_json, merge_auto_completed, to_json,
};
use hippocamp_proto::inference as proto;
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{BatchStrategy, Clock, Error, ModelInstance};
use std::{
    ffi::{CString, c_void},
    path::PathBuf,
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
    thread,
    time::Duration,
};

/// One version of a model that is to be loaded.
#[derive(Clone, Debug)]
pub struct ModelSpec {
    /// The model's name.
    pub name: String,
    /// The version.
    pub version: u64,
    /// The model's directory, which holds the directories of its versions.
    pub repository_dir: PathBuf,
    /// The configuration as far as it is known.
    pub config: proto::ModelConfig,
    /// The backend may complete the configuration.
    pub auto_complete: bool,
    /// Where the backend's figures go.
    pub statistics: Arc<ModelStatistics>,
}

/// `TRITONBACKEND_Model`.
#[derive(Debug)]
pub(crate) struct ModelObject {
    pub(crate) name: CString,
    pub(crate) version: u64,
    pub(crate) directory: CString,
    pub(crate) auto_complete: bool,
    pub(crate) state: AtomicPtr<c_void>,
    /// The handle of the backend, which lives longer.
    pub(crate) backend: AtomicPtr<hippocamp_backend_abi::TRITONBACKEND_Backend>,
    pub(crate) server: Arc<Handle<ServerObject>>,
    pub(crate) statistics: Arc<ModelStatistics>,
    config: Mutex<proto::ModelConfig>,
    /// True during `TRITONBACKEND_ModelInitialize`.
    initializing: AtomicBool,
}

impl Object for ModelObject {
    type Opaque = TRITONBACKEND_Model;
    const TAG: u64 = tag(b"hc model");
    const NAME: &'static str = "model";
}

impl ModelObject {
    /// The configuration in Triton's JSON form.
    pub(crate) fn config_json(&self) -> String {
        to_json(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A text among the parameters of the configuration.
    pub(crate) fn parameter(&self, key: &str) -> Option<String> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.parameters.get(key).map(|parameter| parameter.string_value.clone())
    }

    /// Takes over what a backend may complete. Only during `TRITONBACKEND_ModelInitialize`:
    /// afterwards the server has validated the configuration and serves by it.
    pub(crate) fn complete_config(&self, json: &str) -> Result<(), Error> {
        if !self.initializing.load(Ordering::Acquire) {
            return Err(Error::unsupported(
                "the model configuration can be set during TRITONBACKEND_ModelInitialize only",
            ));
        }
        let completed = from_json(json).map_err(|error| Error::invalid(error.to_string()))?;
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = merge_auto_completed(config.clone(), completed)
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(())
    }
}

/// A model in use. Dropping it finalises its passive instances, then itself, then lets its backend go.
#[derive(Debug)]
pub(crate) struct Model {
    passive: Mutex<Vec<InstanceCore>>,
    pub(crate) object: Arc<Handle<ModelObject>>,
    name: Arc<str>,
    config: proto::ModelConfig,
    statistics: Arc<ModelStatistics>,
    clock: Arc<dyn Clock>,
    pub(crate) patience: Duration,
    pub(crate) backend: Arc<Backend>,
}

impl Model {
    /// Lets the backend initialise the model. As in Triton, one that fails to initialise is
    /// finalised, too.
    pub(crate) fn load(
        spec: ModelSpec,
        backend: Arc<Backend>,
        server: Arc<Handle<ServerObject>>,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, HostError> {
        let object = Arc::new(Handle::new(ModelObject {
            name: c_string(&spec.name),
            version: spec.version,
            directory: CString::new(spec.repository_dir.to_string_lossy().into_owned())
                .map_err(|_nul| HostError::Nul { what: "the model's directory" })?,
            auto_complete: spec.auto_complete,
            state: AtomicPtr::new(ptr::null_mut()),
            backend: AtomicPtr::new(backend.object.as_raw()),
            server,
            statistics: Arc::clone(&spec.statistics),
            config: Mutex::new(spec.config),
            initializing: AtomicBool::new(true),
        }));
        let mut model = Self {
            passive: Mutex::default(),
            object,
            name: spec.name.into(),
            config: proto::ModelConfig::default(),
            statistics: spec.statistics,
            clock,
            patience,
            backend,
        };
        let initialized = model.backend.entry.model_initialize(model.object.as_raw());
        model.object.initializing.store(false, Ordering::Release);
        initialized.map_err(HostError::Backend)?;
        model
            .config
            .clone_from(&model.object.config.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(model)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Backends may read the configuration at any time: from here on the validated one.
    fn serve(&self, config: &Arc<ModelConfig>) -> Arc<ServingModel> {
        self.object.config.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&config.raw);
        Arc::new(ServingModel::new(
            Arc::clone(&self.name),
            self.object.version,
            Arc::clone(config),
            Arc::clone(&self.statistics),
            Arc::clone(&self.clock),
        ))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.passive.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        if let Err(error) = self.backend.entry.model_finalize(self.object.as_raw()) {
            tracing::error!(model = %self.name, version = self.object.version, %error, "failed finalizing model");
        }
    }
}

/// A model that its backend has initialised. It stays loaded until this value and its instances are
/// dropped.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    model: Arc<Model>,
    /// Where its libraries are looked for: directories of the version, the model and the backend.
    places: [PathBuf; 3],
}

impl LoadedModel {
    pub(crate) fn new(model: Model, places: [PathBuf; 3]) -> Self {
        Self { model: Arc::new(model), places }
    }

    /// The configuration, with what the backend completed.
    pub fn config(&self) -> &proto::ModelConfig {
        &self.model.config
    }

    /// Instance groups that the backend prefers where the configuration names none, best first.
    pub fn preferred_instance_groups(&self) -> &[proto::ModelInstanceGroup] {
        &self.model.backend.preferred_groups
    }

    /// The model's own batching strategy, if a library of one is named in its parameters or lies in
    /// its directories or its backend's. It keeps the model loaded.
    ///
    /// # Errors
    /// If the library is not where it should be, lacks a function, or refuses the model.
    pub fn batch_strategy(
        &self,
        config: &Arc<ModelConfig>,
    ) -> Result<Option<Arc<dyn BatchStrategy>>, HostError> {
        let Some(path) = strategy::find(&self.model, &self.places)? else { return Ok(None) };
        let serving = self.model.serve(config);
        let strategy = Strategy::load(&path, Arc::clone(&self.model), serving)?;
        Ok(strategy.map(|strategy| -> Arc<dyn BatchStrategy> { Arc::new(strategy) }))
    }

    /// Makes every instance of every instance group of the validated configuration; passive ones
    /// are kept alive with the model and not returned; those that share a thread are returned as
    /// one. Each instance keeps the model loaded and is
    /// finalised when it is dropped, after the backend has given back what it holds.
    ///
    /// # Errors
    /// If the backend fails to initialise one of them.
    pub fn instances(
        &self,
        config: &Arc<ModelConfig>,
    ) -> Result<Vec<Box<dyn ModelInstance>>, HostError> {
        let model = &self.model;
        let serving = model.serve(config);
        let groups = config.instance_groups.iter().enumerate();
        let wanted: Vec<InstanceSetting> = groups
            .flat_map(|(index, group)| settings(group, config.raw.instance_group.get(index)))
            .collect();
        let policy = model.backend.object.execution_policy();
        let places: Vec<_> = wanted
            .iter()
            .map(|setting| (setting.passive, turns::shared_device(setting, policy)))
            .collect();
        let cores = start_all(model, wanted, &serving).map_err(HostError::Backend)?;
        let mut instances = Vec::new();
        for (core, (passive, device)) in cores.into_iter().zip(places) {
            if passive {
                model.passive.lock().unwrap_or_else(PoisonError::into_inner).push(core);
            } else {
                instances.push((device, Instance::new(core, Arc::clone(model))));
            }
        }
        Ok(turns::by_thread(instances))
    }
}

/// Initialises instances, in their order; as many at a time as there are cores where the backend
/// allows it, else one after the other. With one that fails, those that did not are finalised.
fn start_all(
    model: &Arc<Model>,
    wanted: Vec<InstanceSetting>,
    serving: &Arc<ServingModel>,
) -> Result<Vec<InstanceCore>, Error> {
    let start = |setting| InstanceCore::start(model, setting, Arc::clone(serving));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if !model.backend.parallel_instances || threads == 1 || wanted.len() < 2 {
        return wanted.into_iter().map(start).collect();
    }
    let mut cores = Vec::with_capacity(wanted.len());
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        let some: Vec<_> = wanted.by_ref().take(threads).collect();
        let started: Vec<Result<_, Error>> = thread::scope(|scope| {
            let start = &start;
            let started: Vec<_> =
                some.into_iter().map(|setting| scope.spawn(move || start(setting))).collect();
            let panicked = || Error::internal("an instance panicked while it was initialised");
            started
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_panic| Err(panicked())))
                .collect()
        });
        for core in started {
            cores.push(core?);
        }
    }
    Ok(cores)
}

/// The instances of one group: `count`, or `count` on each device of a GPU group.
fn settings(
    group: &InstanceGroup,
    raw: Option<&proto::ModelInstanceGroup>,
) -> Vec<InstanceSetting> {
    let devices: &[i32] = if group.kind == InstanceKind::Gpu { &group.gpus } else { &[0] };
    let policy = |device: i32| match group.kind {
        _ if !group.host_policy.is_empty() => group.host_policy.clone(),
        InstanceKind::Auto | InstanceKind::Cpu => "cpu".to_owned(),
        InstanceKind::Gpu => format!("gpu_{device}"),
        InstanceKind::Model => "model".to_owned(),
    };
    let mut settings = Vec::new();
    for count in 0..group.count {
        for &device in devices {
            settings.push(InstanceSetting {
                name: format!("{}_{count}", group.name),
                kind: group.kind,
                device_id: device,
                host_policy: policy(device),
                passive: group.passive,
                profiles: raw.map(|raw| raw.profile.clone()).unwrap_or_default(),
                secondary_devices: raw
                    .map(|raw| {
                        raw.secondary_devices.iter().map(|device| device.device_id).collect()
                    })
                    .unwrap_or_default(),
            });
        }
    }
    settings
}
