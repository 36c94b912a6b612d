//! A model repository in a temporary directory, written by the test that needs it.

use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The root of the workspace, where the fixtures are read from.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace")
}

/// The models whose answers were recorded from the real Triton; never written to.
pub fn golden_models() -> PathBuf {
    workspace_root().join("tests/golden/model_repository")
}

/// A model repository of its own; gone when dropped.
#[derive(Debug)]
pub struct Repository {
    directory: TempDir,
}

#[expect(clippy::new_without_default, reason = "it writes to disk")]
impl Repository {
    /// An empty repository.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        Self { directory }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds a file, and the directories above it; `path` is relative to the repository.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// Writes or overwrites a file while a server may be running.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        let directory = path.parent().expect("a file lies in a directory");
        fs::create_dir_all(directory).expect("the temporary directory is writable");
        fs::write(&path, content).expect("the temporary directory is writable");
    }

    /// Adds a model without files: its configuration and the empty version 1.
    #[must_use]
    pub fn model(self, name: &str, config: &str) -> Self {
        let version = self.path().join(name).join("1");
        fs::create_dir_all(version).expect("the temporary directory is writable");
        self.file(&format!("{name}/config.pbtxt"), config)
    }

    /// Adds an ONNX model that answers OUTPUT0 = INPUT0 + INPUT1 and OUTPUT1 = INPUT0 - INPUT1 over
    /// INT32 `[batch, 16]`, batches up to 8; `more` is added to its configuration.
    #[must_use]
    pub fn simple(self, name: &str, more: &str) -> Self {
        let config = format!(
            r#"
name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }},
  {{ name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
]
output [
  {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] }},
  {{ name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
{more}
"#
        );
        self.model(name, &config).simple_onnx(name)
    }

    /// Adds the file of [`Repository::simple`] alone: a model without a configuration.
    #[must_use]
    pub fn simple_onnx(self, name: &str) -> Self {
        let onnx = fs::read(golden_models().join("simple/1/model.onnx")).expect("a fixture");
        self.file(&format!("{name}/1/model.onnx"), onnx)
    }

    /// Adds a model of the identity backend: OUTPUT0 = INPUT0 of `[batch, any]`, batches up to 8;
    /// `data_type` as in configurations, such as `TYPE_FP32`.
    #[must_use]
    pub fn identity(self, name: &str, data_type: &str, more: &str) -> Self {
        let config = format!(
            r#"
name: "{name}"
backend: "identity"
max_batch_size: 8
input [ {{ name: "INPUT0" data_type: {data_type} dims: [ -1 ] }} ]
output [ {{ name: "OUTPUT0" data_type: {data_type} dims: [ -1 ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
{more}
"#
        );
        self.model(name, &config)
    }

    /// Adds an ensemble of two steps: the second adds and subtracts the sum and the difference that
    /// the first made, both by the model `step`.
    #[must_use]
    pub fn ensemble_of_simple(self, name: &str, step: &str) -> Self {
        let config = format!(
            r#"
name: "{name}"
platform: "ensemble"
max_batch_size: 8
input [
  {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }},
  {{ name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
]
output [
  {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] }},
  {{ name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
]
ensemble_scheduling {{
  step [
    {{ model_name: "{step}" model_version: -1
      input_map {{ key: "INPUT0" value: "INPUT0" }} input_map {{ key: "INPUT1" value: "INPUT1" }}
      output_map {{ key: "OUTPUT0" value: "sum" }} output_map {{ key: "OUTPUT1" value: "difference" }} }},
    {{ model_name: "{step}" model_version: -1
      input_map {{ key: "INPUT0" value: "sum" }} input_map {{ key: "INPUT1" value: "difference" }}
      output_map {{ key: "OUTPUT0" value: "OUTPUT0" }} output_map {{ key: "OUTPUT1" value: "OUTPUT1" }} }}
  ]
}}
"#
        );
        self.model(name, &config)
    }
}
