//! An instance of a model: its object for the backend, and the execution of batches.

use crate::{
    entry::Entry,
    handles::{Handle, Object, c_string, tag},
    in_flight::{InFlight, Left},
    message::MessageObject,
    model::{Model, ModelObject},
    request::{LiveRequest, RequestObject},
};
use hippocamp_backend_abi::{
    TRITONBACKEND_Model, TRITONBACKEND_ModelInstance, TRITONBACKEND_Request,
    TRITONSERVER_InstanceGroupKind,
};
use hippocamp_config::{InstanceKind, ModelConfig};
use hippocamp_telemetry::{ExecutionTimes, ModelStatistics, RequestTimes};
use hippocamp_types::{Clock, Error, InferRequest, ModelInstance};
use std::{
    ffi::{CStr, CString, c_void},
    mem::ManuallyDrop,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
    time::Duration,
};

/// What one instance is made with.
#[derive(Clone, Debug)]
pub(crate) struct InstanceSetting {
    pub(crate) name: String,
    pub(crate) kind: InstanceKind,
    pub(crate) device_id: i32,
    /// Name of its host policy.
    pub(crate) host_policy: String,
    pub(crate) passive: bool,
    pub(crate) profiles: Vec<String>,
    /// Device ids; their kind is always `KIND_NVDLA`.
    pub(crate) secondary_devices: Vec<i64>,
}

/// The model as requests see it, shared by its instances.
#[derive(Debug)]
pub(crate) struct ServingModel {
    pub(crate) name: Arc<str>,
    pub(crate) version: u64,
    pub(crate) config: Arc<ModelConfig>,
    /// Names of the configuration's inputs, for C.
    pub(crate) input_names: Vec<Arc<CStr>>,
    /// Names of the configuration's outputs, for C.
    pub(crate) output_names: Vec<Arc<CStr>>,
    pub(crate) statistics: Arc<ModelStatistics>,
    clock: Arc<dyn Clock>,
}

/// `TRITONBACKEND_ModelInstance`.
#[derive(Debug)]
pub(crate) struct InstanceObject {
    pub(crate) name: CString,
    pub(crate) setting: InstanceSetting,
    pub(crate) profiles: Vec<CString>,
    /// `{"<policy>":{}}`: there are no settings of host policies.
    pub(crate) host_policy: Handle<MessageObject>,
    pub(crate) state: AtomicPtr<c_void>,
    /// The handle of the model, which lives longer.
    pub(crate) model: AtomicPtr<TRITONBACKEND_Model>,
    serving: Arc<ServingModel>,
}

/// An initialised instance; dropping it finalises it. Its owner keeps its model alive.
#[derive(Debug)]
pub(crate) struct InstanceCore {
    /// Shared, not boxed: a box promises that nobody else holds its address.
    object: Arc<Handle<InstanceObject>>,
    entry: Entry,
}

/// An instance that executes batches.
#[derive(Debug)]
pub(crate) struct Instance {
    name: String,
    core: ManuallyDrop<InstanceCore>,
    /// Memory of request objects. It is reused, and freed with the instance only: so a handle that
    /// was released stays readable, and a second release is told from the first.
    requests: ManuallyDrop<Vec<Arc<Handle<RequestObject>>>>,
    in_flight: Arc<InFlight>,
    model: ManuallyDrop<Arc<Model>>,
    patience: Duration,
}

impl Object for InstanceObject {
    type Opaque = TRITONBACKEND_ModelInstance;
    const TAG: u64 = tag(b"hc insta");
    const NAME: &'static str = "instance";
}

impl ServingModel {
    pub(crate) fn new(
        name: Arc<str>,
        version: u64,
        config: Arc<ModelConfig>,
        statistics: Arc<ModelStatistics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = |name: &String| Arc::from(c_string(name));
        Self {
            name,
            version,
            input_names: config.inputs.iter().map(|input| shared(&input.name)).collect(),
            output_names: config.outputs.iter().map(|output| shared(&output.name)).collect(),
            config,
            statistics,
            clock,
        }
    }
}

impl InstanceObject {
    /// The model that it serves.
    pub(crate) fn serving(&self) -> &Arc<ServingModel> {
        &self.serving
    }

    pub(crate) fn kind(&self) -> TRITONSERVER_InstanceGroupKind {
        match self.setting.kind {
            InstanceKind::Auto => TRITONSERVER_InstanceGroupKind::AUTO,
            InstanceKind::Cpu => TRITONSERVER_InstanceGroupKind::CPU,
            InstanceKind::Gpu => TRITONSERVER_InstanceGroupKind::GPU,
            InstanceKind::Model => TRITONSERVER_InstanceGroupKind::MODEL,
        }
    }

    /// One request of this instance was answered with success. Failures are counted where their
    /// answers leave.
    pub(crate) fn report_success(&self, request: &LiveRequest, execution: ExecutionTimes) {
        if let Some(account) = &request.account {
            let ExecutionTimes { exec_start, exec_end, .. } = execution;
            account.executed(exec_start.since(request.queued), exec_end.since(exec_start));
        }
        let times = RequestTimes { received: request.received, queued: request.queued, execution };
        self.serving.statistics.record_success(
            request.batch_size,
            &times,
            self.serving.clock.now(),
        );
    }

    /// One execution of this instance has ended.
    pub(crate) fn report_batch(&self, batch_size: usize, execution: ExecutionTimes) {
        self.serving.statistics.record_execution(batch_size, &execution);
    }
}

impl InstanceCore {
    /// Lets the backend initialise an instance. As in Triton, one that fails to initialise is
    /// finalised, too.
    pub(crate) fn start(
        model: &Model,
        setting: InstanceSetting,
        serving: Arc<ServingModel>,
    ) -> Result<Self, Error> {
        let policy = serde_json::json!({ setting.host_policy.as_str(): {} }).to_string();
        let object = Arc::new(Handle::new(InstanceObject {
            name: c_string(&setting.name),
            profiles: setting.profiles.iter().map(|profile| c_string(profile)).collect(),
            setting,
            host_policy: Handle::new(MessageObject { json: policy }),
            state: AtomicPtr::new(ptr::null_mut()),
            model: AtomicPtr::new(Handle::<ModelObject>::as_raw(&model.object)),
            serving,
        }));
        let core = Self { object, entry: model.backend.entry };
        core.entry.instance_initialize(core.object.as_raw())?;
        tracing::debug!(instance = ?core.object.name, device = core.object.setting.device_id, "instance initialised");
        Ok(core)
    }
}

impl Drop for InstanceCore {
    fn drop(&mut self) {
        if let Err(error) = self.entry.instance_finalize(self.object.as_raw()) {
            tracing::error!(instance = ?self.object.name, %error, "failed finalizing model instance");
        }
    }
}

impl Instance {
    pub(crate) fn new(core: InstanceCore, model: Arc<Model>) -> Self {
        Self {
            name: core.object.setting.name.clone(),
            core: ManuallyDrop::new(core),
            requests: ManuallyDrop::default(),
            in_flight: Arc::default(),
            patience: model.patience,
            model: ManuallyDrop::new(model),
        }
    }

    /// Puts each request into an object that nobody uses.
    fn admit(&mut self, batch: Vec<InferRequest>) -> Vec<*mut TRITONBACKEND_Request> {
        let mut handles = Vec::with_capacity(batch.len());
        let mut next = 0;
        for request in batch {
            let live =
                LiveRequest::new(request, &self.core.object.serving, self.in_flight.ticket());
            while self.requests.get(next).is_some_and(|object| object.is_live()) {
                next += 1;
            }
            if next == self.requests.len() {
                self.requests.push(Arc::new(Handle::new(RequestObject::default())));
            }
            let object = &self.requests[next];
            object.begin(live);
            handles.push(object.as_raw());
        }
        handles
    }
}

impl ModelInstance for Instance {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        if batch.is_empty() {
            return;
        }
        let mut handles = self.admit(batch);
        let executed = self.core.entry.execute(self.core.object.as_raw(), &mut handles);
        let Err(error) = executed else { return };
        // The batch is still ours: every request of it is answered with the error.
        for object in self.requests.iter().filter(|object| handles.contains(&object.as_raw())) {
            if let Some(request) = object.end() {
                request.fail(&error);
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let left = self.in_flight.wait(self.patience);
        if let Left::Forgotten(requests) = left {
            tracing::warn!(
                instance = self.name,
                requests,
                "the backend did not delete its responses or factories of requests that were answered and released"
            );
        }
        if let Left::Working(requests) = left {
            // Finalising an instance under a backend that works for it would crash the server:
            // it, its model and its library stay loaded.
            tracing::error!(
                instance = self.name,
                requests,
                "the backend did not give back its requests: the instance is not unloaded"
            );
            let error = Error::unavailable("the model was unloaded before the backend answered");
            for object in self.requests.iter() {
                object.answer(&error);
            }
            self.in_flight.fail_outliving(&error);
            return;
        }
        // SAFETY: not used after this; `drop` runs once.
        unsafe { ManuallyDrop::drop(&mut self.core) };
        // SAFETY: as above; every request was released, so no handle of one is used any more.
        unsafe { ManuallyDrop::drop(&mut self.requests) };
        // SAFETY: as above; the instance is finalised.
        unsafe { ManuallyDrop::drop(&mut self.model) };
    }
}

/// The state pointer of an object.
pub(crate) fn load(state: &AtomicPtr<c_void>) -> *mut c_void {
    state.load(Ordering::Acquire)
}

/// Sets the state pointer of an object.
pub(crate) fn store(state: &AtomicPtr<c_void>, value: *mut c_void) {
    state.store(value, Ordering::Release);
}
