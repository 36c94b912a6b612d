//! The usearch backend as a subject: sixteen items on the axes of a space of sixteen dimensions.

use crate::suite::{Bare, Subject, tensor};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use hippocamp_types::{DataType, Tensor, push_bytes_element};
use hippocamp_usearch::{IndexWriter, Scalar, Vector, WriteOptions};
use std::{fs, sync::Arc};

const DIMENSIONS: usize = 16;

pub(crate) fn subject() -> Subject {
    let directory = tempfile::tempdir().unwrap();
    let options = WriteOptions {
        embedding_space: "axes:1".to_owned(),
        dimensions: DIMENSIONS,
        scalar: Scalar::F32,
        source: String::new(),
    };
    let vectors: Vec<Vector> =
        (0..DIMENSIONS).map(|item| Vector { item, values: axis(item) }).collect();
    IndexWriter::new(directory.path(), options).write(&table(), &vectors, |_| {}).unwrap();
    let read = |name: &str| fs::read(directory.path().join(name)).unwrap();
    let (index, items) = (read("index.usearch"), read("items.parquet"));
    let mut corrupt = index.clone();
    corrupt.truncate(index.len() / 2);
    Subject {
        backend: "usearch",
        table: hippocamp_backend::backend!(hippocamp_usearch::Usearch),
        library: "libtriton_usearch.so",
        config: r#"
            max_batch_size: 8
            input [ { name: "QUERY" data_type: TYPE_FP32 dims: [ 16 ] },
                    { name: "K" data_type: TYPE_INT32 dims: [ 1 ] optional: true },
                    { name: "FILTER" data_type: TYPE_STRING dims: [ 1 ] optional: true } ]
            output [ { name: "key" data_type: TYPE_INT64 dims: [ -1 ] },
                     { name: "score" data_type: TYPE_FP32 dims: [ -1 ] },
                     { name: "title" data_type: TYPE_STRING dims: [ -1 ] },
                     { name: "number" data_type: TYPE_INT32 dims: [ -1 ] } ]"#,
        files: vec![("1/index.usearch", index), ("1/items.parquet", items)],
        bare: Bare::Completed,
        corrupt: ("", vec![("1/index.usearch", corrupt)]),
        inputs: |seed, rows| {
            let queries = (0..rows).flat_map(|row| axis(item(seed, row)));
            let bytes = queries.flat_map(f32::to_le_bytes).collect();
            let rows = i64::from(rows);
            let k: Vec<u8> = (0..rows).flat_map(|_| 1_i32.to_le_bytes()).collect();
            vec![
                tensor("QUERY", DataType::Fp32, &[rows, 16], bytes),
                tensor("K", DataType::Int32, &[rows, 1], k),
            ]
        },
        outputs: |seed, rows| {
            let items: Vec<usize> = (0..rows).map(|row| item(seed, row)).collect();
            let shape = [i64::from(rows), i64::from(rows.min(1))];
            let output = |name, datatype, data| -> Tensor { tensor(name, datatype, &shape, data) };
            let mut titles = Vec::new();
            items.iter().for_each(|item| push_bytes_element(&mut titles, title(*item).as_bytes()));
            let numbers = |item: &usize| i32::try_from(*item).unwrap().to_le_bytes();
            let keys = |item: &usize| i64::try_from(*item).unwrap().to_le_bytes();
            vec![
                output("key", DataType::Int64, items.iter().flat_map(keys).collect()),
                output(
                    "score",
                    DataType::Fp32,
                    items.iter().flat_map(|_| 1_f32.to_le_bytes()).collect(),
                ),
                output("title", DataType::Bytes, titles),
                output("number", DataType::Int32, items.iter().flat_map(numbers).collect()),
            ]
        },
    }
}

fn table() -> RecordBatch {
    let titles: Vec<String> = (0..DIMENSIONS).map(title).collect();
    let numbers = (0..DIMENSIONS).map(|item| i32::try_from(item).unwrap());
    let columns: [(&str, ArrayRef); 2] = [
        ("title", Arc::new(StringArray::from(titles))),
        ("number", Arc::new(Int32Array::from_iter_values(numbers))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn title(item: usize) -> String {
    format!("film {item}")
}

fn axis(item: usize) -> Vec<f32> {
    (0..DIMENSIONS).map(|dimension| if dimension == item { 1.0 } else { 0.0 }).collect()
}

/// The item that a row asks for.
fn item(seed: i32, row: i32) -> usize {
    usize::try_from(seed * 7 + row * 3).unwrap() % DIMENSIONS
}
