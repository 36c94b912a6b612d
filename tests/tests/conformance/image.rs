//! The image backend as a subject: pictures of 4x4 pixels in two sizes, no pixel of them mixed.

use crate::suite::{Bare, Subject, tensor};
use hippocamp_types::{DataType, Tensor, push_bytes_element};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

const SIDE: u32 = 4;

pub(crate) fn subject() -> Subject {
    Subject {
        backend: "image",
        table: hippocamp_backend::backend!(hippocamp_image::Image),
        library: "libtriton_image.so",
        config: r#"
            max_batch_size: 8
            input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
            output [ { name: "SAME" data_type: TYPE_FP32 dims: [ 3, 4, 4 ] },
                     { name: "HALF" data_type: TYPE_FP32 dims: [ 2, 2, 3 ] } ]
            parameters { key: "filter" value { string_value: "nearest" } }"#,
        files: Vec::new(),
        bare: Bare::Refused { because: "write one into config.pbtxt" },
        corrupt: (
            r#"output [ { name: "SAME" data_type: TYPE_FP32 dims: [ 3, 4, 4 ] } ]
               parameters { key: "filter" value { string_value: "soft" } }"#,
            Vec::new(),
        ),
        inputs: |seed, rows| {
            let mut pictures = Vec::new();
            for row in 0..rows {
                let mut png = Vec::new();
                let pixels: Vec<u8> = (0..SIDE * SIDE)
                    .flat_map(|index| (0..3).map(move |channel| value(seed, row, index, channel)))
                    .collect();
                PngEncoder::new(&mut png)
                    .write_image(&pixels, SIDE, SIDE, ExtendedColorType::Rgb8)
                    .unwrap();
                push_bytes_element(&mut pictures, &png);
            }
            vec![tensor("IMAGE", DataType::Bytes, &[i64::from(rows), 1], pictures)]
        },
        outputs: |seed, rows| {
            let planes = |row| {
                (0..3).flat_map(move |channel| {
                    (0..16).map(move |index| value(seed, row, index, channel))
                })
            };
            // The pixels to the lower right of each quarter's centre.
            let quarters = |row| {
                [5, 7, 13, 15].into_iter().flat_map(move |index| {
                    (0..3).map(move |channel| value(seed, row, index, channel))
                })
            };
            vec![
                output("SAME", &[i64::from(rows), 3, 4, 4], (0..rows).flat_map(planes)),
                output("HALF", &[i64::from(rows), 2, 2, 3], (0..rows).flat_map(quarters)),
            ]
        },
    }
}

fn output(name: &str, shape: &[i64], values: impl Iterator<Item = u8>) -> Tensor {
    let values = values.map(|value| f32::from(value) * (1.0 / 255.0));
    tensor(name, DataType::Fp32, shape, values.flat_map(f32::to_le_bytes).collect())
}

/// Of one channel of one pixel.
fn value(seed: i32, row: i32, index: u32, channel: u32) -> u8 {
    let index = i32::try_from(index * 3 + channel).unwrap();
    u8::try_from((seed * 31 + row * 7 + index * 5) % 256).unwrap()
}
