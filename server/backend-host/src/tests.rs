//! Backends that misbehave, made here: whatever they do, each request is answered exactly once.

mod calls;
mod client;
mod fake;
mod getters;
mod hostile;
mod inference;
mod life_cycle;
mod metrics;
mod reports;
mod server;
mod traces;
mod turns;

use crate::{BackendHost, BackendTable, HostError, HostOptions, LoadedModel, ModelSpec};
use hippocamp_config::{ModelConfig, finish, parse_pbtxt};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{
    Clock, DataType, Error, InferRequest, InferResponse, ModelInstance, MonotonicClock, Reply,
    Responder, ResponseSink, Shape, Tensor,
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// One input and one output of 4-byte integers.
const CONFIG: &str = r#"
    name: "m" backend: "test" max_batch_size: 8
    input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
    output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "MORE" data_type: TYPE_INT32 dims: [ 1 ] } ]
"#;

/// Held by tests that attach a registry of metrics: a process has one.
static REGISTRY: Mutex<()> = Mutex::new(());

/// Records what a client would get.
#[derive(Clone, Debug, Default)]
struct Replies(Arc<Mutex<Vec<Reply>>>);

impl ResponseSink for Replies {
    fn accept(&self, reply: Reply) {
        self.0.lock().unwrap().push(reply);
    }
}

impl Replies {
    /// The one reply there may be.
    fn only(&self) -> Result<InferResponse, Error> {
        let mut replies = self.0.lock().unwrap();
        assert_eq!(replies.len(), 1, "{replies:?}");
        let reply = replies.remove(0);
        assert!(reply.last);
        reply.response.expect("a response or an error")
    }
}

/// A host with `table` as its backend `test`; instances wait for nothing.
fn host(table: BackendTable) -> BackendHost {
    let options = HostOptions {
        backend_directory: "/nowhere".into(),
        backend_config: Vec::new(),
        builtin: vec![("test", table)],
        aliases: vec![("other".to_owned(), "test".to_owned())],
        clock: Arc::new(MonotonicClock),
    };
    BackendHost::with_patience(options, Duration::ZERO)
}

fn spec(config: &str) -> ModelSpec {
    let config = parse_pbtxt(config, "config.pbtxt").unwrap();
    ModelSpec {
        name: "m".to_owned(),
        version: 1,
        repository_dir: Path::new("/nowhere/m").to_owned(),
        statistics: Arc::new(ModelStatistics::new("m", 1, 8, false)),
        config,
        auto_complete: true,
    }
}

fn validated(loaded: &LoadedModel) -> Arc<ModelConfig> {
    let config = finish(loaded.config().clone(), loaded.preferred_instance_groups());
    Arc::new(ModelConfig::new(config).unwrap())
}

/// Loads a model and gives its first instance, with the model's statistics.
fn instance(table: BackendTable, config: &str) -> (Box<dyn ModelInstance>, Arc<ModelStatistics>) {
    let spec = spec(config);
    let statistics = Arc::clone(&spec.statistics);
    let loaded = host(table).load_model(spec).unwrap();
    let config = validated(&loaded);
    (loaded.instances(&config).unwrap().remove(0), statistics)
}

fn load_error(host: &BackendHost, spec: ModelSpec) -> HostError {
    host.load_model(spec).unwrap_err()
}

/// A request of one row.
fn request(value: i32) -> (InferRequest, Replies) {
    let replies = Replies::default();
    let mut request = InferRequest::new(MonotonicClock.now(), Responder::new(replies.clone()));
    request.id = format!("request {value}");
    request.inputs.push(Tensor {
        name: "IN".to_owned(),
        datatype: DataType::Int32,
        shape: Shape::new(&[1, 1]),
        data: value.to_le_bytes().to_vec().into(),
    });
    (request, replies)
}

fn requests(count: i32) -> (Vec<InferRequest>, Vec<Replies>) {
    (0..count).map(request).unzip()
}
