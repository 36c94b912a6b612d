//! What the benches share: an inference server in this process, over a repository of small models
//! of the identity backend, and the requests they send it.
#![forbid(unsafe_code)]

use bytes::Bytes;
use hippocamp_backend::backend;
use hippocamp_backend_host::{BackendHost, HostOptions};
use hippocamp_core::{
    InferenceServer, ModelControl, RepositoryOptions, Root, ServerOptions, unary_reply,
};
use hippocamp_telemetry::{Metrics, MetricsOptions, Tracer};
use hippocamp_types::{
    DataType, Error, InferRequest, InferResponse, MonotonicClock, Shape, Tensor,
};
use std::{fs, path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// A server with `identity` (16 INT32 in, the same out) and the ensembles `chain_1` to `chain_4` of
/// that many steps of it.
#[derive(Debug)]
pub struct Bench {
    /// The server; everything is loaded.
    pub server: Arc<InferenceServer>,
    /// Kept for as long as the models are.
    _root: TempDir,
}

impl Bench {
    /// Writes the repository and loads it.
    ///
    /// # Panics
    /// If that fails.
    pub fn new() -> Self {
        let root = TempDir::new().expect("a temporary directory");
        let write = |name: &str, config: String| {
            let directory = root.path().join(name);
            fs::create_dir_all(directory.join("1")).expect("a model directory");
            fs::write(directory.join("config.pbtxt"), config).expect("a configuration");
        };
        write("identity", tensors("backend: \"identity\""));
        for steps in 1..=4 {
            write(&format!("chain_{steps}"), tensors(&chain(steps)));
        }
        let clock = Arc::new(MonotonicClock);
        let host = BackendHost::new(HostOptions {
            backend_directory: PathBuf::from("."),
            backend_config: Vec::new(),
            builtin: vec![("identity", backend!(hippocamp_identity::Identity))],
            aliases: Vec::new(),
            clock: clock.clone(),
        });
        let options = ServerOptions {
            id: "bench".to_owned(),
            control: ModelControl::None,
            repository: RepositoryOptions {
                roots: vec![Root::Directory(root.path().to_owned())],
                external_links: false,
                namespaces: false,
                load_retries: 0,
                kept_files: 0,
                config_name: None,
                load_threads: 1,
            },
            strict_readiness: true,
            auto_complete: true,
            default_max_queue_size: 1000,
        };
        let tracer = Arc::new(Tracer::off(clock.clone()));
        let metrics = Arc::new(Metrics::new(MetricsOptions::default()));
        let server = Arc::new(InferenceServer::new(options, host, metrics, clock, tracer));
        let failed = server.start().expect("a readable repository");
        assert!(failed.is_empty(), "{failed:?}");
        Self { server, _root: root }
    }

    /// Sends one request of a row and waits for its response.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn infer(&self, model: &str) -> Result<InferResponse, Error> {
        let (responder, reply) = unary_reply();
        let mut request = InferRequest::new(self.server.now(), responder);
        request.inputs.push(input());
        self.server.infer(model, None, request);
        reply.await
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// One row of 16 INT32.
pub fn input() -> Tensor {
    Tensor {
        name: "INPUT0".to_owned(),
        datatype: DataType::Int32,
        shape: Shape::new(&[1, 16]),
        data: Bytes::from_static(&[7; 64]),
    }
}

fn tensors(rest: &str) -> String {
    format!(
        "max_batch_size: 8\n\
         input {{ name: \"INPUT0\" data_type: TYPE_INT32 dims: 16 }}\n\
         output {{ name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 16 }}\n{rest}"
    )
}

fn chain(steps: usize) -> String {
    let name = |tensor: usize| match tensor {
        0 => "INPUT0".to_owned(),
        last if last == steps => "OUTPUT0".to_owned(),
        middle => format!("t{middle}"),
    };
    let step = |index: usize| {
        format!(
            "step {{ model_name: \"identity\" model_version: -1 \
             input_map {{ key: \"INPUT0\" value: \"{}\" }} \
             output_map {{ key: \"OUTPUT0\" value: \"{}\" }} }}\n",
            name(index),
            name(index + 1)
        )
    };
    let steps: String = (0..steps).map(step).collect();
    format!("platform: \"ensemble\"\nensemble_scheduling {{\n{steps}}}")
}
