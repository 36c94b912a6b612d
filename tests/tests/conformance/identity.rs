//! The identity backend as a subject: two pairs of different datatypes, one of them BYTES.

use crate::suite::{Bare, Subject, int32, tensor};
use hippocamp_types::{DataType, Tensor, push_bytes_element};

pub(crate) fn subject() -> Subject {
    Subject {
        backend: "identity",
        table: hippocamp_backend::backend!(hippocamp_identity::Identity),
        library: "libtriton_identity.so",
        config: r#"
            max_batch_size: 8
            input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 2 ] },
                    { name: "INPUT1" data_type: TYPE_STRING dims: [ 1 ] } ]
            output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 2 ] },
                     { name: "OUTPUT1" data_type: TYPE_STRING dims: [ 1 ] } ]"#,
        files: Vec::new(),
        bare: Bare::Refused { because: "write at least one pair into config.pbtxt" },
        corrupt: (
            r#"input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 2 ] } ]
               output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 2 ] } ]"#,
            Vec::new(),
        ),
        inputs,
        outputs: |seed, rows| {
            let rename =
                |tensor: Tensor| Tensor { name: tensor.name.replace("INPUT", "OUTPUT"), ..tensor };
            inputs(seed, rows).into_iter().map(rename).collect()
        },
    }
}

fn inputs(seed: i32, rows: i32) -> Vec<Tensor> {
    let mut texts = Vec::new();
    for row in 0..rows {
        push_bytes_element(&mut texts, format!("row {row} of {seed}").as_bytes());
    }
    vec![
        int32("INPUT0", 2, &(0..rows * 2).map(|index| seed + index).collect::<Vec<_>>()),
        tensor("INPUT1", DataType::Bytes, &[i64::from(rows), 1], texts),
    ]
}
