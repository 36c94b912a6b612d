//! From a path to a checked ONNX graph: reads the file, says what it takes and gives, and refuses
//! what tract cannot run by name. Builds nothing; `plan` does.

use crate::datatype::{from_onnx, onnx_name};
use crate::error::{LoadError, UnsupportedOperator, detail};
use hippocamp_backend::DataType;
use std::collections::HashSet;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tract_core::{framework::Framework, internal::DatumType};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, ValueInfoProto, tensor_proto::DataLocation,
    tensor_shape_proto::dimension, type_proto::Value,
};

/// Domains whose operators tract knows; it goes by the operator's name alone, so that another
/// domain's operator of the same name would be taken for ONNX's.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Unsupported operators listed in one error.
const MAX_LISTED_OPERATORS: usize = 8;

/// Longer names of dimensions are expressions nobody writes; tract parses them recursively.
const MAX_DIM_PARAM_BYTES: usize = 256;

/// An input or an output as the ONNX file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Datatype of its elements.
    pub datatype: DataType,
    /// The same, in tract's words.
    pub datum_type: DatumType,
    /// Sizes, the batch dimension first where there is one; -1 where requests choose. An output
    /// may come without: `None`.
    pub dims: Option<Vec<i64>>,
}

/// A decoded ONNX file that tract has the operators and datatypes for.
#[derive(Debug)]
pub(crate) struct OnnxFile {
    pub(crate) path: PathBuf,
    pub(crate) proto: ModelProto,
    pub(crate) inputs: Vec<TensorInfo>,
    pub(crate) outputs: Vec<TensorInfo>,
    /// What the file says of the vectors that it makes, under `hippocamp.embedding_space`.
    pub(crate) embedding_space: Option<String>,
}

/// The key of [`OnnxFile::embedding_space`] in the file's `metadata_props`.
const EMBEDDING_SPACE: &str = "hippocamp.embedding_space";

impl OnnxFile {
    /// Reads `path`, a file or a directory that holds `model.onnx` (the form with external data).
    ///
    /// # Errors
    /// If there is no readable ONNX model, or one that tract cannot run.
    pub(crate) fn open(path: &Path, framework: &tract_onnx::Onnx) -> Result<Self, LoadError> {
        let path = file_at(path);
        let proto = read(&path, framework)?;
        let graph = graph_of(&proto, &path)?;
        check_operators(graph, framework)?;
        check_dim_params(graph, &path)?;
        check_outputs(graph, &path)?;
        let inputs = inputs(graph).collect::<Result<_, _>>()?;
        let outputs = outputs(graph).collect::<Result<_, _>>()?;
        let embedding_space = embedding_space(&proto);
        Ok(Self { path, inputs, outputs, embedding_space, proto })
    }

    /// What outlives the graph: the path and the declarations.
    pub(crate) fn without_graph(&self) -> Self {
        Self {
            path: self.path.clone(),
            proto: ModelProto::default(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            embedding_space: self.embedding_space.clone(),
        }
    }
}

/// The file itself: `path`, or `model.onnx` in that directory.
pub(crate) fn file_at(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.onnx") } else { path.to_owned() }
}

pub(crate) fn graph_of<'p>(
    proto: &'p ModelProto,
    path: &Path,
) -> Result<&'p GraphProto, LoadError> {
    let graph = proto.graph.as_ref();
    graph.filter(|graph| !graph.node.is_empty() || !graph.output.is_empty()).ok_or_else(|| {
        LoadError::Decode { path: path.to_owned(), detail: "it holds no graph".to_owned() }
    })
}

/// The inputs that a request gives: initialisers are none.
pub(crate) fn inputs(graph: &GraphProto) -> impl Iterator<Item = Result<TensorInfo, LoadError>> {
    let initialised: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let given = move |input: &&ValueInfoProto| !initialised.contains(input.name.as_str());
    graph.input.iter().filter(given).map(|input| {
        let info = tensor_info(input)?;
        match info.dims {
            Some(_) => Ok(info),
            None => Err(LoadError::Rank { input: info.name }),
        }
    })
}

pub(crate) fn outputs(graph: &GraphProto) -> impl Iterator<Item = Result<TensorInfo, LoadError>> {
    graph.output.iter().map(tensor_info)
}

pub(crate) fn embedding_space(proto: &ModelProto) -> Option<String> {
    let found = proto.metadata_props.iter().find(|property| property.key == EMBEDDING_SPACE);
    found.map(|property| property.value.clone())
}

/// A tensor whose data lie in a file beside the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its name.
    pub tensor: String,
    /// The file, relative to the model's directory.
    pub location: String,
    /// Bytes that the file has at least, where the model says so.
    pub byte_size: Option<u64>,
}

/// Every tensor of the graph and of those inside it that has its data elsewhere.
pub(crate) fn external(graph: &GraphProto) -> Vec<External> {
    let mut found = Vec::new();
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        let constants = graph.node.iter().flat_map(|node| &node.attribute);
        let tensors = graph.initializer.iter().chain(constants.filter_map(|a| a.t.as_ref()));
        for tensor in tensors {
            if tensor.data_location != Some(DataLocation::External as i32) {
                continue;
            }
            let entry = |key: &str| {
                tensor.external_data.iter().find(|pair| pair.key == key).map(|pair| &pair.value)
            };
            let number = |key: &str| entry(key).and_then(|text| text.parse::<u64>().ok());
            found.push(External {
                tensor: tensor.name.clone(),
                location: entry("location").cloned().unwrap_or_default(),
                byte_size: number("length")
                    .and_then(|length| length.checked_add(number("offset").unwrap_or(0))),
            });
        }
        for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
            graphs.extend(attribute.g.as_ref());
            graphs.extend(&attribute.graphs);
        }
    }
    found
}

pub(crate) fn read(path: &Path, framework: &tract_onnx::Onnx) -> Result<ModelProto, LoadError> {
    // Read, not mapped: a file that is cut short while it is mapped would kill the process.
    let mut file = fs::File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LoadError::Absent { path: path.to_owned() },
        _ => LoadError::Read { path: path.to_owned(), source },
    })?;
    let metadata = file.metadata();
    match metadata {
        Ok(metadata) if metadata.len() == 0 => Err(LoadError::Empty { path: path.to_owned() }),
        Ok(_) => framework
            .proto_model_for_read(&mut file)
            .map_err(|error| LoadError::Decode { path: path.to_owned(), detail: detail(error) }),
        Err(source) => Err(LoadError::Read { path: path.to_owned(), source }),
    }
}

fn tensor_info(value: &ValueInfoProto) -> Result<TensorInfo, LoadError> {
    let Some(Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|ty| ty.value.as_ref())
    else {
        return Err(LoadError::NotTensor { tensor: value.name.clone() });
    };
    let types = from_onnx(tensor.elem_type);
    let (datatype, datum_type) = types.ok_or_else(|| LoadError::Datatype {
        tensor: value.name.clone(),
        datatype: onnx_name(tensor.elem_type),
    })?;
    let dims = tensor.shape.as_ref().map(|shape| {
        let fixed = |value: &Option<dimension::Value>| match value {
            Some(dimension::Value::DimValue(size)) if *size >= 0 => *size,
            _ => -1,
        };
        shape.dim.iter().map(|dim| fixed(&dim.value)).collect()
    });
    Ok(TensorInfo { name: value.name.clone(), datatype, datum_type, dims })
}

pub(crate) fn check_operators(
    graph: &GraphProto,
    framework: &tract_onnx::Onnx,
) -> Result<(), LoadError> {
    let mut unsupported: Vec<UnsupportedOperator> = Vec::new();
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.node {
            let known = DOMAINS.contains(&node.domain.as_str())
                && framework.op_register.0.contains_key(&node.op_type);
            let operator = operator_name(node);
            if !known
                && unsupported.len() < MAX_LISTED_OPERATORS
                && !unsupported.iter().any(|seen| seen.operator == operator)
            {
                unsupported.push(UnsupportedOperator { operator, node: node_name(node) });
            }
            for attribute in &node.attribute {
                graphs.extend(attribute.g.as_ref());
                graphs.extend(&attribute.graphs);
            }
        }
    }
    if unsupported.is_empty() { Ok(()) } else { Err(LoadError::Operators(unsupported)) }
}

pub(crate) fn check_dim_params(graph: &GraphProto, path: &Path) -> Result<(), LoadError> {
    let too_long = graph.input.iter().chain(&graph.output).chain(&graph.value_info).find(|value| {
        let Some(Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|ty| ty.value.as_ref())
        else {
            return false;
        };
        tensor.shape.iter().flat_map(|shape| &shape.dim).any(|dim| {
            matches!(&dim.value, Some(dimension::Value::DimParam(name)) if name.len() > MAX_DIM_PARAM_BYTES)
        })
    });
    match too_long {
        None => Ok(()),
        Some(value) => Err(LoadError::Decode {
            path: path.to_owned(),
            detail: format!(
                "tensor '{}' has a dimension whose name is longer than {MAX_DIM_PARAM_BYTES} bytes",
                value.name
            ),
        }),
    }
}

pub(crate) fn check_outputs(graph: &GraphProto, path: &Path) -> Result<(), LoadError> {
    let given: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|node| &node.output)
        .chain(graph.input.iter().map(|input| &input.name))
        .chain(graph.initializer.iter().map(|tensor| &tensor.name))
        .map(String::as_str)
        .collect();
    match graph.output.iter().find(|output| !given.contains(output.name.as_str())) {
        None => Ok(()),
        Some(output) => Err(LoadError::Decode {
            path: path.to_owned(),
            detail: format!("output '{}' is given by no node", output.name),
        }),
    }
}

fn operator_name(node: &NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// A node without a name goes by its first output, as in tract.
fn node_name(node: &NodeProto) -> String {
    if node.name.is_empty() {
        node.output.first().cloned().unwrap_or_default()
    } else {
        node.name.clone()
    }
}
