//! What an ONNX file says of itself, and everything in it that would keep it from loading: for
//! tools that look at a model without serving it. Builds no plan, so that a file without faults
//! here may still be refused when it loads.

use crate::config;
use crate::error::{LoadError, detail, guarded};
use crate::onnx::{self, External, TensorInfo};
use hippocamp_backend::Error;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// An ONNX file, looked at.
#[derive(Debug)]
pub struct Inspection {
    /// The file itself, also where a directory was named.
    pub path: PathBuf,
    /// Inputs that the file declares and that tract can take.
    pub inputs: Vec<TensorInfo>,
    /// Outputs that the file declares and that tract can give.
    pub outputs: Vec<TensorInfo>,
    /// Version of ONNX's own operators.
    pub opset: Option<i64>,
    /// Which encoder the file says it is.
    pub embedding_space: Option<String>,
    /// Tensors whose data lie in files beside this one.
    pub external: Vec<External>,
    /// What tract would refuse, all of it: operators, datatypes, ranks, outputs that no node gives.
    pub faults: Vec<LoadError>,
}

/// Looks at the ONNX model at `path`: a file, or a directory that holds `model.onnx`.
///
/// # Errors
/// If there is no readable ONNX model; never panics, whatever the file holds.
pub fn inspect(path: &Path) -> Result<Inspection, LoadError> {
    let looked = guarded(|| Ok(look(path)));
    looked.unwrap_or_else(|error| {
        Err(LoadError::Build { path: path.to_owned(), detail: detail(error) })
    })
}

impl Inspection {
    /// The configuration with what the backend completes from the file; `None` if nothing is left
    /// out. `config` is in Triton's JSON form; the backend's settings have their defaults.
    ///
    /// # Errors
    /// If the configuration asks for batches that the file cannot take.
    pub fn complete(&self, model: &str, config: &Value) -> Result<Option<Value>, Error> {
        let default = crate::backend::DEFAULT_MAX_BATCH_SIZE;
        let completed = config::complete(model, config, &self.inputs, &self.outputs, default)?;
        let named = config::with_embedding_space(
            completed.as_ref().unwrap_or(config),
            self.embedding_space.as_deref(),
        );
        Ok(named.or(completed))
    }

    /// Checks a completed configuration as the backend does when it loads the model.
    ///
    /// # Errors
    /// The first disagreement, in the backend's words.
    pub fn validate(&self, model: &str, config: &Value) -> Result<(), Error> {
        config::check_embedding_space(model, config, self.embedding_space.as_deref(), true)?;
        config::validate(model, config, &self.inputs, &self.outputs)
    }
}

fn look(path: &Path) -> Result<Inspection, LoadError> {
    let framework = tract_onnx::onnx();
    let path = onnx::file_at(path);
    let proto = onnx::read(&path, &framework)?;
    let graph = onnx::graph_of(&proto, &path)?;
    let mut faults = Vec::new();
    faults.extend(onnx::check_operators(graph, &framework).err());
    faults.extend(onnx::check_dim_params(graph, &path).err());
    faults.extend(onnx::check_outputs(graph, &path).err());
    let mut known = |infos: Vec<Result<TensorInfo, LoadError>>| {
        let mut good = Vec::new();
        for info in infos {
            match info {
                Ok(info) => good.push(info),
                Err(fault) => faults.push(fault),
            }
        }
        good
    };
    let inputs = known(onnx::inputs(graph).collect());
    let outputs = known(onnx::outputs(graph).collect());
    let own = |domain: &str| matches!(domain, "" | "ai.onnx");
    let opset = proto.opset_import.iter().find(|set| own(&set.domain)).map(|set| set.version);
    Ok(Inspection {
        inputs,
        outputs,
        opset,
        embedding_space: onnx::embedding_space(&proto),
        external: onnx::external(graph),
        faults,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Onnx;
    use serde_json::json;
    use tract_onnx::pb::tensor_proto::DataType;

    #[test]
    fn every_fault_is_told_and_what_is_good_is_shown() {
        let model = Onnx::new("m")
            .input("x", DataType::Float, &["b", "4"])
            .input("odd", DataType::Bfloat16, &["b"])
            .node("NoSuchOperator", &["x"], &["y"])
            .output("y", DataType::Float, &["b", "4"])
            .output("gone", DataType::Float, &["b"]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.onnx");
        std::fs::write(&path, model.encode()).unwrap();
        let found = inspect(directory.path()).unwrap();
        assert_eq!((found.path.as_path(), found.opset), (path.as_path(), Some(17)));
        assert_eq!(found.inputs.len(), 1);
        let faults: Vec<_> = found.faults.iter().map(LoadError::to_string).collect();
        let faults = faults.join("\n");
        for expected in ["NoSuchOperator", "'gone' is given by no node", "BFLOAT16"] {
            assert!(faults.contains(expected), "{expected} is missing in {faults}");
        }
    }

    #[test]
    fn a_configuration_is_completed_as_at_load() {
        let model = crate::fixtures::identity(DataType::Float, &["b", "4"]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.onnx");
        std::fs::write(&path, model.encode()).unwrap();
        let found = inspect(&path).unwrap();
        assert!(found.faults.is_empty() && found.external.is_empty(), "{found:?}");
        let completed = found.complete("m", &json!({"parameters": {}})).unwrap().unwrap();
        assert_eq!(completed["input"][0]["dims"], json!([4]));
        found.validate("m", &completed).unwrap();

        std::fs::write(&path, "no model").unwrap();
        assert!(matches!(inspect(&path), Err(LoadError::Decode { .. })));
    }
}
