//! A small builder of ONNX graphs: constants and nodes by name, each value defined before it is
//! used. `bert` builds its model with it.

use std::collections::HashSet;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

use super::weights::Tensor;

/// The operators of this set are used; the first one with `LayerNormalization`.
const OPSET: i64 = 17;

/// The file format that came with that operator set.
const IR_VERSION: i64 = 8;

/// A value of a graph, by its name. Only a [`Graph`] makes them, so each is defined.
#[derive(Clone, Debug)]
pub(super) struct Value(String);

/// One dimension of an input or output.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dim {
    /// Any size, equal wherever this name stands.
    Symbol(&'static str),
    Fixed(usize),
}

/// A graph under construction.
#[derive(Debug)]
pub(super) struct Graph {
    graph: pb::GraphProto,
    names: HashSet<String>,
}

impl Graph {
    pub(super) fn new(name: &str) -> Self {
        let graph = pb::GraphProto { name: name.to_owned(), ..Default::default() };
        Self { graph, names: HashSet::new() }
    }

    /// Adds an input of the graph.
    pub(super) fn input(&mut self, name: &str, datatype: DataType, shape: &[Dim]) -> Value {
        let value = self.define(name);
        self.graph.input.push(value_info(name, datatype, shape));
        value
    }

    /// Makes a value an output of the graph.
    pub(super) fn output(&mut self, value: &Value, datatype: DataType, shape: &[Dim]) {
        self.graph.output.push(value_info(&value.0, datatype, shape));
    }

    /// Adds a constant tensor.
    pub(super) fn tensor(&mut self, name: &str, tensor: Tensor) -> Value {
        self.constant(name, DataType::Float, &tensor.shape, tensor.bytes)
    }

    /// Adds a constant number.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> Value {
        self.constant(name, DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    /// Adds a constant list of integers: axes, shapes, bounds.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes)
    }

    /// Adds a node with one output; both bear `name`.
    pub(super) fn node(&mut self, name: &str, op: &str, inputs: &[&Value]) -> Value {
        self.node_with(name, op, inputs, Vec::new())
    }

    /// Adds a node with one output; both bear `name`.
    pub(super) fn node_with(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&Value],
        attribute: Vec<pb::AttributeProto>,
    ) -> Value {
        let value = self.define(name);
        self.graph.node.push(pb::NodeProto {
            name: name.to_owned(),
            op_type: op.to_owned(),
            input: inputs.iter().map(|input| input.0.clone()).collect(),
            output: vec![name.to_owned()],
            attribute,
            ..Default::default()
        });
        value
    }

    /// The model around the graph.
    pub(super) fn finish(self, metadata: &[(&str, &str)]) -> pb::ModelProto {
        let entry = |&(key, value): &(&str, &str)| pb::StringStringEntryProto {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        pb::ModelProto {
            ir_version: IR_VERSION,
            producer_name: "hippocamp".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props: metadata.iter().map(entry).collect(),
            graph: Some(self.graph),
            ..Default::default()
        }
    }

    fn constant(
        &mut self,
        name: &str,
        datatype: DataType,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> Value {
        let value = self.define(name);
        self.graph.initializer.push(pb::TensorProto {
            name: name.to_owned(),
            data_type: datatype as i32,
            dims: shape.iter().map(|&size| dimension_size(size)).collect(),
            raw_data,
            ..Default::default()
        });
        value
    }

    fn define(&mut self, name: &str) -> Value {
        assert!(self.names.insert(name.to_owned()), "two values are called '{name}'");
        Value(name.to_owned())
    }
}

/// The bytes of a model file. Takes the model, as both are as large as its weights.
pub(super) fn encode(model: pb::ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// An attribute of a node.
pub(super) fn integer(name: &str, value: i64) -> pb::AttributeProto {
    attribute(name, AttributeType::Int, |attribute| attribute.i = value)
}

/// An attribute of a node.
pub(super) fn integers(name: &str, values: &[i64]) -> pb::AttributeProto {
    attribute(name, AttributeType::Ints, |attribute| attribute.ints = values.to_vec())
}

/// An attribute of a node.
pub(super) fn float(name: &str, value: f32) -> pb::AttributeProto {
    attribute(name, AttributeType::Float, |attribute| attribute.f = value)
}

fn attribute(
    name: &str,
    r#type: AttributeType,
    set: impl FnOnce(&mut pb::AttributeProto),
) -> pb::AttributeProto {
    let mut attribute =
        pb::AttributeProto { name: name.to_owned(), r#type: r#type as i32, ..Default::default() };
    set(&mut attribute);
    attribute
}

fn value_info(name: &str, datatype: DataType, shape: &[Dim]) -> pb::ValueInfoProto {
    let dim = |dim: &Dim| Dimension {
        value: Some(match *dim {
            Dim::Symbol(name) => dimension::Value::DimParam(name.to_owned()),
            Dim::Fixed(size) => dimension::Value::DimValue(dimension_size(size)),
        }),
        ..Default::default()
    };
    let tensor = pb::type_proto::Tensor {
        elem_type: datatype as i32,
        shape: Some(pb::TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    pb::ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// ONNX counts in signed integers.
pub(super) fn dimension_size(size: usize) -> i64 {
    i64::try_from(size).expect("no dimension of a tensor in memory exceeds an i64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_survives_its_bytes() {
        let mut graph = Graph::new("g");
        let x = graph.input("x", DataType::Float, &[Dim::Symbol("batch"), Dim::Fixed(3)]);
        let axes = graph.integers("axes", &[-1, 1]);
        let two = graph.scalar("two", 2.0);
        let y = graph.node("y", "Mul", &[&x, &two]);
        let z = graph.node_with(
            "z",
            "ReduceSum",
            &[&y, &axes],
            vec![integer("keepdims", 0), integers("many", &[1, 2]), float("epsilon", 0.5)],
        );
        graph.output(&z, DataType::Float, &[Dim::Symbol("batch")]);
        let model = graph.finish(&[("key", "value")]);
        let found = pb::ModelProto::decode(encode(model.clone()).as_slice()).unwrap();
        assert_eq!(found, model);
        assert_eq!((found.ir_version, found.opset_import[0].version), (8, 17));
        let graph = found.graph.unwrap();
        assert_eq!(graph.initializer[0].dims, [2]);
        assert_eq!(graph.initializer[1].raw_data, 2f32.to_le_bytes());
        assert_eq!(graph.node[1].input, ["y", "axes"]);
        let types = graph.node[1].attribute.iter().map(|attribute| attribute.r#type);
        assert_eq!(types.collect::<Vec<_>>(), [2, 7, 1]);
    }

    #[test]
    #[should_panic(expected = "two values are called 'x'")]
    fn a_name_is_defined_once() {
        let mut graph = Graph::new("g");
        graph.scalar("x", 1.0);
        graph.scalar("x", 2.0);
    }
}
