//! Tiny ONNX files from a line: `x FP32 [-1,4], m INT64 [-1] -> y FP32 [-1,8]; op Foo; space enc:1;
//! external w.bin 8`. Each output comes from a node over all inputs, `Identity` if `op` names no
//! other; the graph is not one that could run.

use prost::Message as _;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_proto::{DataLocation, DataType},
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

pub(crate) fn encode(spec: &str) -> Vec<u8> {
    let mut parts = spec.split("; ");
    let (inputs, outputs) =
        parts.next().and_then(|tensors| tensors.split_once(" -> ")).expect("inputs -> outputs");
    let mut graph = GraphProto {
        name: "fixture".to_owned(),
        input: tensors(inputs),
        output: tensors(outputs),
        ..GraphProto::default()
    };
    let mut model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..ModelProto::default()
    };
    let mut operator = "Identity".to_owned();
    for part in parts {
        match part.split(' ').collect::<Vec<_>>()[..] {
            ["op", name] => operator = name.to_owned(),
            ["space", space] => {
                model.metadata_props.push(pair("hippocamp.embedding_space", space));
            }
            ["external", file, length] => graph.initializer.push(TensorProto {
                name: "w".to_owned(),
                data_type: DataType::Float as i32,
                dims: vec![2],
                data_location: Some(DataLocation::External as i32),
                external_data: vec![pair("location", file), pair("length", length)],
                ..TensorProto::default()
            }),
            _ => panic!("'{part}' is no part of a graph"),
        }
    }
    let names: Vec<String> = graph.input.iter().map(|input| input.name.clone()).collect();
    graph.node = graph
        .output
        .iter()
        .map(|output| NodeProto {
            op_type: operator.clone(),
            input: names.clone(),
            output: vec![output.name.clone()],
            ..NodeProto::default()
        })
        .collect();
    model.graph = Some(graph);
    model.encode_to_vec()
}

fn pair(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value: value.to_owned() }
}

fn tensors(text: &str) -> Vec<ValueInfoProto> {
    text.split(", ")
        .map(|tensor| match tensor.split(' ').collect::<Vec<_>>()[..] {
            [name, datatype, dims] => value_info(name, datatype, dims),
            _ => panic!("'{tensor}' is not name, datatype and dims"),
        })
        .collect()
}

fn value_info(name: &str, datatype: &str, dims: &str) -> ValueInfoProto {
    let elem_type = match datatype {
        "FP32" => DataType::Float,
        "INT64" => DataType::Int64,
        "BF16" => DataType::Bfloat16,
        "BYTES" => DataType::String,
        _ => panic!("'{datatype}' is no datatype of the fixtures"),
    };
    let dims = dims.trim_matches(['[', ']']);
    let dim = |text: &str| Dimension {
        value: match text.parse().expect("a size") {
            -1 => Some(dimension::Value::DimParam("batch".to_owned())),
            size => Some(dimension::Value::DimValue(size)),
        },
        ..Dimension::default()
    };
    let dim = dims.split(',').filter(|text| !text.is_empty()).map(dim).collect();
    let tensor =
        type_proto::Tensor { elem_type: elem_type as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
