//! The tract backend as a subject: the ONNX model that adds and subtracts its inputs.

use crate::suite::{Bare, Subject, int32};
use hippocamp_tests::golden_models;
use std::fs;

/// Elements of a row.
const WIDTH: i32 = 16;

pub(crate) fn subject() -> Subject {
    let onnx = fs::read(golden_models().join("simple/1/model.onnx")).expect("a fixture");
    let mut corrupt = onnx.clone();
    corrupt.truncate(onnx.len() / 2);
    Subject {
        backend: "tract",
        table: hippocamp_tract::TABLE,
        library: "libtriton_tract.so",
        config: r#"
            max_batch_size: 8
            input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
                    { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
            output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
                     { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]"#,
        files: vec![("1/model.onnx", onnx)],
        bare: Bare::Completed,
        corrupt: ("", vec![("1/model.onnx", corrupt)]),
        inputs: |seed, rows| {
            vec![
                int32("INPUT0", WIDTH, &left(seed, rows)),
                int32("INPUT1", WIDTH, &right(seed, rows)),
            ]
        },
        outputs: |seed, rows| {
            let combine = |with: fn(i32, i32) -> i32| -> Vec<i32> {
                left(seed, rows)
                    .into_iter()
                    .zip(right(seed, rows))
                    .map(|(left, right)| with(left, right))
                    .collect()
            };
            vec![
                int32("OUTPUT0", WIDTH, &combine(|left, right| left + right)),
                int32("OUTPUT1", WIDTH, &combine(|left, right| left - right)),
            ]
        },
    }
}

fn left(seed: i32, rows: i32) -> Vec<i32> {
    (0..rows * WIDTH).map(|index| index * 3 - seed).collect()
}

fn right(seed: i32, rows: i32) -> Vec<i32> {
    (0..rows * WIDTH).map(|index| seed * 100 + index).collect()
}
