//! What every backend must do, asked through the host alone.

use hippocamp_backend_host::{
    BackendHost, BackendTable, HostError, HostOptions, LoadedModel, ModelSpec,
};
use hippocamp_config::{ModelConfig, finish, parse_pbtxt};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{
    Clock, DataType, Error, InferRequest, InferResponse, ModelInstance, MonotonicClock, Reply,
    Responder, ResponseSink, Shape, Tensor,
};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};
use tempfile::TempDir;

/// A backend under test.
pub(crate) struct Subject {
    /// Its name in configurations.
    pub(crate) backend: &'static str,
    pub(crate) table: BackendTable,
    /// File name of the shared library, beside the other build results.
    pub(crate) library: &'static str,
    /// Configuration of a model with `max_batch_size` 8, without name and backend. At least two outputs.
    pub(crate) config: &'static str,
    /// Files of the model, relative to its directory.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    /// What happens to a model with these files and no configuration.
    pub(crate) bare: Bare,
    /// Configuration and files of a model that must not load.
    pub(crate) corrupt: (&'static str, Vec<(&'static str, Vec<u8>)>),
    /// Inputs of a request: seed, rows.
    pub(crate) inputs: fn(i32, i32) -> Vec<Tensor>,
    /// Outputs that belong to these inputs.
    pub(crate) outputs: fn(i32, i32) -> Vec<Tensor>,
}

/// What a backend does without a configuration.
pub(crate) enum Bare {
    /// It learns inputs and outputs from its files: those of [`Subject::config`].
    Completed,
    /// It says what to write.
    Refused { because: &'static str },
}

/// The two ways to load a backend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loading {
    LinkedIn,
    SharedLibrary,
}

/// The backend is shared by its models, gone after the last of them, and may come back.
pub(crate) fn life_cycle(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    for _ in 0..2 {
        assert!(server.host.loaded_backends().is_empty());
        let (first, second) = (server.load().unwrap(), server.load().unwrap());
        assert_eq!(server.host.loaded_backends(), [subject.backend]);
        let mut instances = first.instances();
        drop(first);
        drop(second);
        // Instances keep their model, and that its backend.
        assert_eq!(server.host.loaded_backends(), [subject.backend]);
        let (request, replies) = request(subject, 5, 2);
        instances[0].execute(vec![request]);
        assert_eq!(replies.only().unwrap().outputs, (subject.outputs)(5, 2));
        drop(instances);
    }
    assert!(server.host.loaded_backends().is_empty());
}

/// A model without a configuration is completed, or refused with words on what to write.
pub(crate) fn bare_model(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    let loaded = server.load_with("");
    match subject.bare {
        Bare::Refused { because } => {
            let error = loaded.err().expect("a refusal").to_string();
            assert!(error.contains(because), "{error}");
        }
        Bare::Completed => {
            let loaded = loaded.unwrap();
            let expect = server.load().unwrap();
            let tensors = |model: &Model| {
                let config = model.config();
                (config.inputs.clone(), config.outputs.clone())
            };
            assert_eq!(tensors(&loaded), tensors(&expect));
            let (request, replies) = request(subject, 1, 1);
            loaded.instances()[0].execute(vec![request]);
            assert_eq!(replies.only().unwrap().outputs, (subject.outputs)(1, 1));
        }
    }
}

/// A model that cannot work is an error of the load, and leaves nothing behind.
pub(crate) fn corrupt_model(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    let (config, files) = &subject.corrupt;
    server.write(files);
    let error = server.load_with(config).err().expect("a refusal").to_string();
    assert!(error.len() > 10, "{error}");
    assert!(server.host.loaded_backends().is_empty());
}

/// Requests of so many rows each, as one batch: every one is answered with its own rows; figures
/// are reported once a request and once a batch.
pub(crate) fn batch_of(subject: &Subject, loading: Loading, rows: &[i32]) {
    let server = Server::new(subject, loading);
    let loaded = server.load().unwrap();
    let mut instances = loaded.instances();
    let before = loaded.statistics.report();
    assert_eq!((before.success.count, before.execution_count), (0, 0));
    let (batch, replies): (Vec<_>, Vec<_>) =
        rows.iter().zip(0..).map(|(&rows, seed)| request(subject, seed, rows)).unzip();
    instances[0].execute(batch);
    for ((replies, &rows), seed) in replies.iter().zip(rows).zip(0..) {
        let response = replies.only().unwrap();
        assert_eq!((&*response.model_name, response.model_version), ("m", 1));
        assert_eq!(response.id, format!("seed {seed}"));
        assert_eq!(response.outputs, (subject.outputs)(seed, rows));
    }
    let report = loaded.statistics.report();
    assert_eq!(report.success.count, rows.len() as u64);
    assert_eq!(report.execution_count, 1);
    let total: i32 = rows.iter().sum();
    let sizes: Vec<_> = report.batches.iter().map(|batch| batch.batch_size).collect();
    assert_eq!(sizes, [u64::try_from(total).unwrap()]);
    assert!(report.success.ns >= report.compute_infer.ns);
}

/// Outputs that were not asked for are not sent.
pub(crate) fn wanted_outputs(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    let loaded = server.load().unwrap();
    let mut instances = loaded.instances();
    let wanted = (subject.outputs)(0, 1).pop().expect("an output");
    let (mut some, some_replies) = request(subject, 0, 1);
    some.outputs.push(wanted.name.clone());
    let (all, all_replies) = request(subject, 1, 2);
    instances[0].execute(vec![some, all]);
    assert_eq!(some_replies.only().unwrap().outputs, [wanted]);
    assert_eq!(all_replies.only().unwrap().outputs, (subject.outputs)(1, 2));
}

/// A request that lacks an input is an error, is no success in the figures, and harms nothing.
pub(crate) fn bad_request(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    let loaded = server.load().unwrap();
    let mut instances = loaded.instances();
    let (mut bad, bad_replies) = request(subject, 0, 1);
    bad.inputs.clear();
    instances[0].execute(vec![bad]);
    let error = bad_replies.only().unwrap_err();
    assert!(!error.message().is_empty());
    assert_eq!(loaded.statistics.report().success.count, 0);
    let (good, good_replies) = request(subject, 1, 1);
    instances[0].execute(vec![good]);
    assert_eq!(good_replies.only().unwrap().outputs, (subject.outputs)(1, 1));
}

/// Instances are independent: each executes on a thread of its own, which drops it.
pub(crate) fn instances(subject: &Subject, loading: Loading) {
    let server = Server::new(subject, loading);
    let config = format!("{} instance_group [ {{ count: 3 kind: KIND_CPU }} ]", subject.config);
    let loaded = server.load_with(&config).unwrap();
    let instances = loaded.instances();
    assert_eq!(instances.len(), 3);
    thread::scope(|scope| {
        for (mut instance, thread) in instances.into_iter().zip(0..) {
            scope.spawn(move || {
                for seed in thread * 100..thread * 100 + 20 {
                    let (request, replies) = request(subject, seed, 1 + seed % 3);
                    instance.execute(vec![request]);
                    assert_eq!(
                        replies.only().unwrap().outputs,
                        (subject.outputs)(seed, 1 + seed % 3)
                    );
                }
            });
        }
    });
    assert_eq!(loaded.statistics.report().success.count, 60);
}

/// A host with one backend, and the directory of one model.
pub(crate) struct Server {
    host: BackendHost,
    directory: TempDir,
    backend: &'static str,
    config: &'static str,
}

/// A loaded model.
pub(crate) struct Model {
    loaded: LoadedModel,
    pub(crate) statistics: Arc<ModelStatistics>,
}

impl Server {
    fn new(subject: &Subject, loading: Loading) -> Self {
        let server = Self::of(subject.backend, subject.table, subject.library, loading);
        server.write(&subject.files);
        Self { config: subject.config, ..server }
    }

    /// A host with this backend, and an empty directory for a model.
    pub(crate) fn of(
        backend: &'static str,
        table: BackendTable,
        library: &str,
        loading: Loading,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let backends = directory.path().join("backends");
        if loading == Loading::SharedLibrary {
            let place = backends.join(backend);
            fs::create_dir_all(&place).unwrap();
            symlink(build_result(library), place.join(library)).unwrap();
        }
        let host = BackendHost::new(HostOptions {
            backend_directory: backends,
            backend_config: Vec::new(),
            builtin: match loading {
                Loading::LinkedIn => vec![(backend, table)],
                Loading::SharedLibrary => Vec::new(),
            },
            aliases: Vec::new(),
            clock: Arc::new(MonotonicClock),
        });
        Self { host, directory, backend, config: "" }
    }

    pub(crate) fn loaded_backends(&self) -> Vec<String> {
        self.host.loaded_backends()
    }

    fn write(&self, files: &[(&str, Vec<u8>)]) {
        for (path, content) in files {
            let path = self.model_directory().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    fn model_directory(&self) -> PathBuf {
        self.directory.path().join("m")
    }

    fn load(&self) -> Result<Model, HostError> {
        self.load_with(self.config)
    }

    pub(crate) fn load_with(&self, config: &str) -> Result<Model, HostError> {
        let config = format!("name: \"m\" backend: \"{}\" {config}", self.backend);
        let statistics = Arc::new(ModelStatistics::new("m", 1, 8, false));
        let loaded = self.host.load_model(ModelSpec {
            name: "m".to_owned(),
            version: 1,
            repository_dir: self.model_directory(),
            config: parse_pbtxt(&config, "config.pbtxt").unwrap(),
            auto_complete: true,
            statistics: Arc::clone(&statistics),
        })?;
        Ok(Model { loaded, statistics })
    }
}

impl Model {
    pub(crate) fn config(&self) -> ModelConfig {
        let config = finish(self.loaded.config().clone(), self.loaded.preferred_instance_groups());
        ModelConfig::new(config).unwrap()
    }

    pub(crate) fn instances(&self) -> Vec<Box<dyn ModelInstance>> {
        self.loaded.instances(&Arc::new(self.config())).unwrap()
    }
}

/// What the client of one request gets.
#[derive(Clone, Default)]
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

fn request(subject: &Subject, seed: i32, rows: i32) -> (InferRequest, Replies) {
    let replies = Replies::default();
    let mut request = InferRequest::new(MonotonicClock.now(), Responder::new(replies.clone()));
    request.id = format!("seed {seed}");
    request.inputs = (subject.inputs)(seed, rows);
    request.batch_size = usize::try_from(rows).unwrap();
    (request, replies)
}

pub(crate) fn tensor(name: &str, datatype: DataType, shape: &[i64], data: Vec<u8>) -> Tensor {
    Tensor { name: name.to_owned(), datatype, shape: Shape::new(shape), data: data.into() }
}

/// A tensor of `values` in rows of `width`. Its bytes start at an odd address, as they may in a body.
pub(crate) fn int32(name: &str, width: i32, values: &[i32]) -> Tensor {
    let width = i64::from(width);
    let rows = i64::try_from(values.len()).unwrap() / width;
    let mut body = vec![0];
    body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let mut tensor = tensor(name, DataType::Int32, &[rows, width], body);
    drop(tensor.data.split_to(1));
    tensor
}

/// A file beside the test's own binary, `target/<profile>/deps/<test>`.
pub(crate) fn build_result(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).map(|directory| directory.join(name)).unwrap();
    assert!(path.exists(), "{} is missing: run `make build` first", path.display());
    path
}
