//! What the metadata calls tell.

use hippocamp_config::ModelConfig;
use hippocamp_types::{DataType, Shape};

/// Of the server.
#[derive(Clone, Debug)]
pub struct ServerMetadata {
    /// `--id`.
    pub name: String,
    /// Hippocamp's version.
    pub version: &'static str,
    /// Protocol extensions that work here, under Triton's names.
    pub extensions: &'static [&'static str],
}

/// Of one model.
#[derive(Clone, Debug)]
pub struct ModelMetadata {
    /// The model's name.
    pub name: String,
    /// Versions that serve, ascending.
    pub versions: Vec<u64>,
    /// `platform` of the configuration, or its backend.
    pub platform: String,
    /// Input tensors.
    pub inputs: Vec<TensorMetadata>,
    /// Output tensors.
    pub outputs: Vec<TensorMetadata>,
}

/// Of one input or output.
#[derive(Clone, Debug)]
pub struct TensorMetadata {
    /// The tensor's name.
    pub name: String,
    /// Datatype of its elements.
    pub datatype: DataType,
    /// With the batch dimension (-1) where the model has one; -1 is any size.
    pub shape: Shape,
}

/// The metadata of a model whose `versions` serve with `config`.
pub fn model_metadata(config: &ModelConfig, versions: Vec<u64>) -> ModelMetadata {
    let tensor = |name: &str, datatype, dims: &Shape| TensorMetadata {
        name: name.to_owned(),
        datatype,
        shape: if config.max_batch_size > 0 {
            std::iter::once(-1).chain(dims.dims().iter().copied()).collect()
        } else {
            dims.clone()
        },
    };
    let platform = match config.raw.platform.as_str() {
        "" => config.backend.clone(),
        platform => platform.to_owned(),
    };
    ModelMetadata {
        name: config.name.to_string(),
        versions,
        platform,
        inputs: config.inputs.iter().map(|i| tensor(&i.name, i.datatype, &i.dims)).collect(),
        outputs: config.outputs.iter().map(|o| tensor(&o.name, o.datatype, &o.dims)).collect(),
    }
}
