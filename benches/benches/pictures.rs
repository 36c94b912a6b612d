//! A poster of 500x750 pixels to a tensor of `[3, 224, 224]`: by the image backend, and by the bare `image` crate.
//! `make bench BENCH=pictures`; benches/PROMISES.md holds the figures.

use criterion::{Criterion, criterion_group, criterion_main};
use hippocamp_image::{Layout, Limits, Preparation, Size, decode};
use image::{
    ExtendedColorType, ImageEncoder, ImageFormat,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    imageops::{FilterType, crop_imm, resize},
};
use std::hint::black_box;

const WIDTH: u32 = 500;
const HEIGHT: u32 = 750;
const SIDE: u32 = 224;

/// Gradients, blocks with hard edges and grain, as a poster has them.
fn poster() -> Vec<u8> {
    let mut noise = 1_u32;
    let byte = |value: u32| u8::try_from(value.min(255)).expect("at most 255");
    (0..WIDTH * HEIGHT)
        .flat_map(|index| {
            let (x, y) = (index % WIDTH, index / WIDTH);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = noise >> 28;
            let block = if (x / 70 + y / 90) % 3 == 0 { 90 } else { 0 };
            [
                byte(x * 200 / WIDTH + grain + block),
                byte(y * 200 / HEIGHT + grain),
                byte(60 + grain + block),
            ]
        })
        .collect()
}

fn file(encoder: impl FnOnce(&mut Vec<u8>, &[u8]) -> image::ImageResult<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder(&mut bytes, &poster()).expect("it can be written");
    bytes
}

fn pictures(criterion: &mut Criterion) {
    let rgb = ExtendedColorType::Rgb8;
    let files = [
        (
            "jpeg",
            ImageFormat::Jpeg,
            file(|to, pixels| {
                JpegEncoder::new_with_quality(to, 85).write_image(pixels, WIDTH, HEIGHT, rgb)
            }),
        ),
        (
            "png",
            ImageFormat::Png,
            file(|to, pixels| PngEncoder::new(to).write_image(pixels, WIDTH, HEIGHT, rgb)),
        ),
        (
            "webp_lossless",
            ImageFormat::WebP,
            file(|to, pixels| {
                WebPEncoder::new_lossless(to).write_image(pixels, WIDTH, HEIGHT, rgb)
            }),
        ),
    ];
    let (limits, preparation) = (Limits::default(), Preparation::default());
    let size = Size { height: SIDE as usize, width: SIDE as usize, layout: Layout::Nchw };
    let mut group = criterion.benchmark_group("pictures");
    for (name, format, file) in &files {
        group.bench_function(format!("{name}_decode"), |bench| {
            bench.iter(|| decode(black_box(file), &limits, [255; 3]).expect("a picture"));
        });
        group.bench_function(format!("{name}_to_tensor"), |bench| {
            bench.iter(|| {
                let picture = decode(black_box(file), &limits, [255; 3]).expect("a picture");
                let mut tensor = Vec::new();
                preparation.append(&picture, size, &mut tensor);
                tensor
            });
        });
        group.bench_function(format!("{name}_to_tensor_by_the_bare_crate"), |bench| {
            bench.iter(|| {
                let picture = image::load_from_memory_with_format(black_box(file), *format);
                let picture = picture.expect("a picture").into_rgb8();
                let middle = crop_imm(&picture, 0, (HEIGHT - WIDTH) / 2, WIDTH, WIDTH);
                let small = resize(&*middle, SIDE, SIDE, FilterType::CatmullRom);
                let pixels = small.as_raw().as_chunks::<3>().0;
                (0..3)
                    .flat_map(|channel| {
                        pixels.iter().map(move |pixel| f32::from(pixel[channel]) / 255.0)
                    })
                    .collect::<Vec<f32>>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pictures);
criterion_main!(benches);
