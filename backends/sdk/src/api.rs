//! The three traits of a backend: what is loaded once a process, once a model version, and once
//! an instance. [`entry`](crate::entry) drives them.

use crate::{BackendContext, Batch, Error, InstanceContext, InstanceKind, ModelContext};

/// A backend: one value for as long as a model of it is loaded.
pub trait Backend: Sized + Send + Sync + 'static {
    /// What [`Backend::load`] makes.
    type Model: Model;

    /// Called once, before the first model is loaded.
    ///
    /// # Errors
    /// If the backend cannot work here; no model of it loads.
    fn initialize(context: &BackendContext<'_>) -> Result<Self, Error>;

    /// Loads one version of a model. Where [`ModelContext::auto_complete`] says so, the
    /// configuration may be completed with [`ModelContext::set_config`].
    ///
    /// # Errors
    /// If the model cannot be served; the text is what the user sees in the repository index.
    fn load(&self, context: &mut ModelContext<'_>) -> Result<Self::Model, Error>;

    /// What the server should know before it loads models.
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }
}

/// One version of a model, shared by its instances.
pub trait Model: Sized + Send + Sync + 'static {
    /// What [`Model::instance`] makes.
    type Instance: Instance;

    /// Makes one instance. Instances run at the same time, each on its own thread.
    ///
    /// # Errors
    /// If the instance cannot run; the model does not load.
    fn instance(&self, context: &InstanceContext<'_>) -> Result<Self::Instance, Error>;
}

/// One instance of a model: executes batches one after another.
pub trait Instance: Send + 'static {
    /// Executes one batch: answers each request with [`Request::response`](crate::Request::response),
    /// [`Request::fail`](crate::Request::fail) or [`Batch::scatter`]. Whatever is still unanswered
    /// when this returns (and has no [`ResponseFactory`](crate::ResponseFactory)) is answered by the
    /// SDK: with the error returned or, if there is none, INTERNAL. A panic does the same.
    ///
    /// # Errors
    /// Answers every request of the batch that has no answer yet.
    fn execute(&mut self, batch: &Batch) -> Result<(), Error>;
}

/// Wishes of a backend to its server.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// Instance groups for models whose configuration names none, best first.
    pub preferred_groups: Vec<InstanceGroupHint>,
    /// Instances of a model may be made at the same time.
    pub parallel_instances: bool,
}

/// One preferred instance group.
#[derive(Clone, Debug)]
pub struct InstanceGroupHint {
    /// Where the instances run.
    pub kind: InstanceKind,
    /// Instances; 0 leaves the number to the server.
    pub count: u64,
    /// Devices of a GPU group; empty leaves them to the server.
    pub devices: Vec<u64>,
}
