//! Writes the ONNX files of a model repository's examples, the same bytes each time:
//! `cargo run --release -p hippocamp-tract --example make_models -- model_repository`.

#[path = "../src/fixtures.rs"]
mod fixtures;

use fixtures::{Onnx, add_sub, int_attribute};
use std::{error::Error, fs, path::Path};
use tract_onnx::pb::tensor_proto::DataType;

fn main() -> Result<(), Box<dyn Error>> {
    let repository = std::env::args().nth(1).ok_or("expected the model repository's path")?;
    for (model, bytes) in models() {
        let version = Path::new(&repository).join(model).join("1");
        fs::create_dir_all(&version)?;
        fs::write(version.join("model.onnx"), bytes)?;
    }
    Ok(())
}

fn models() -> [(&'static str, Vec<u8>); 3] {
    let batch = ["batch", "16"];
    [
        ("simple", add_sub("simple", DataType::Int32, &batch).encode()),
        ("simple_dyn", add_sub("simple_dyn", DataType::Int32, &batch).encode()),
        ("iris", iris()),
    ]
}

/// A tiny classifier: measures of a flower in cm (sepal length and width, petal length and width)
/// to the probabilities of setosa, versicolor and virginica. The weights are ours, drawn by hand
/// from the flowers' usual petal sizes.
fn iris() -> Vec<u8> {
    #[rustfmt::skip]
    let weights = [
         0.4, 0.3, -0.7,
         1.0, -0.4, -0.6,
        -2.2, 0.2, 2.0,
        -1.0, -0.9, 1.9,
    ];
    Onnx::new("iris")
        .input("features", DataType::Float, &["batch", "4"])
        .initializer("weights", &[4, 3], &weights)
        .initializer("bias", &[3], &[4.4, 3.4, -3.3])
        .node("MatMul", &["features", "weights"], &["weighted"])
        .node("Add", &["weighted", "bias"], &["logits"])
        .node_with("Softmax", &["logits"], &["probabilities"], |node| {
            node.attribute.push(int_attribute("axis", 1));
        })
        .output("probabilities", DataType::Float, &["batch", "3"])
        .encode()
}
