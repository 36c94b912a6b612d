//! Small ONNX models made in code: for this crate's tests, and for `examples/make_models.rs`, which
//! writes those that the model repository serves.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto::Dimension, tensor_shape_proto::dimension,
    type_proto,
};

/// A graph, to be encoded.
#[derive(Debug, Default)]
pub(crate) struct Onnx {
    graph: GraphProto,
}

impl Onnx {
    pub(crate) fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.to_owned(), ..GraphProto::default() } }
    }

    /// Dimensions are numbers, names, or "?" for neither.
    pub(crate) fn input(mut self, name: &str, datatype: DataType, dims: &[&str]) -> Self {
        self.graph.input.push(value_info(name, datatype as i32, Some(dims)));
        self
    }

    pub(crate) fn output(mut self, name: &str, datatype: DataType, dims: &[&str]) -> Self {
        self.graph.output.push(value_info(name, datatype as i32, Some(dims)));
        self
    }

    pub(crate) fn node(self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.node_with(operator, inputs, outputs, |_node| {})
    }

    pub(crate) fn node_with(
        mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        change: impl FnOnce(&mut NodeProto),
    ) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut node = NodeProto {
            op_type: operator.to_owned(),
            input: owned(inputs),
            output: owned(outputs),
            ..NodeProto::default()
        };
        change(&mut node);
        self.graph.node.push(node);
        self
    }

    pub(crate) fn initializer(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        self.graph.initializer.push(TensorProto {
            name: name.to_owned(),
            data_type: DataType::Float as i32,
            dims: dims.to_vec(),
            float_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// The graph, for what the builder has no words for.
    #[cfg(test)]
    pub(crate) fn graph_mut(&mut self) -> &mut GraphProto {
        &mut self.graph
    }

    /// The bytes of the file; the same graph always gives the same bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        let operators = OperatorSetIdProto { domain: String::new(), version: 17 };
        ModelProto {
            ir_version: 8,
            graph: Some(self.graph),
            opset_import: vec![operators],
            ..ModelProto::default()
        }
        .encode_to_vec()
    }
}

/// A tensor's declaration; `None` dims leave its shape out.
pub(crate) fn value_info(name: &str, elem_type: i32, dims: Option<&[&str]>) -> ValueInfoProto {
    let dimension = |dim: &&str| Dimension {
        value: match dim.parse() {
            Ok(size) => Some(dimension::Value::DimValue(size)),
            Err(_name) if *dim == "?" => None,
            Err(_name) => Some(dimension::Value::DimParam((*dim).to_owned())),
        },
        ..Dimension::default()
    };
    let shape = dims.map(|dims| TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor = type_proto::Tensor { elem_type, shape };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

/// An integer attribute of a node.
pub(crate) fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

/// OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1.
pub(crate) fn add_sub(name: &str, datatype: DataType, dims: &[&str]) -> Onnx {
    Onnx::new(name)
        .input("INPUT0", datatype, dims)
        .input("INPUT1", datatype, dims)
        .node("Add", &["INPUT0", "INPUT1"], &["OUTPUT0"])
        .node("Sub", &["INPUT0", "INPUT1"], &["OUTPUT1"])
        .output("OUTPUT0", datatype, dims)
        .output("OUTPUT1", datatype, dims)
}

/// OUTPUT0 = INPUT0.
#[cfg(test)]
pub(crate) fn identity(datatype: DataType, dims: &[&str]) -> Onnx {
    Onnx::new("identity")
        .input("INPUT0", datatype, dims)
        .node("Identity", &["INPUT0"], &["OUTPUT0"])
        .output("OUTPUT0", datatype, dims)
}
