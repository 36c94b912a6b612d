use super::*;
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use proptest::prelude::*;

const WIDTH: u32 = 24;
const HEIGHT: u32 = 16;
const WHITE: [u8; 3] = [255; 3];

/// Smooth enough for JPEG: red grows to the right, green downwards.
fn smooth() -> Vec<u8> {
    let byte = |value: u32| u8::try_from(value).unwrap();
    (0..WIDTH * HEIGHT)
        .flat_map(|index| [byte(index % WIDTH * 10), byte(index / WIDTH * 12), 90])
        .collect()
}

fn encoded(
    encoder: impl ImageEncoder,
    pixels: &[u8],
    color: ExtendedColorType,
) -> image::ImageResult<()> {
    encoder.write_image(pixels, WIDTH, HEIGHT, color)
}

fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(JpegEncoder::new_with_quality(&mut bytes, 95), &smooth(), ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn png(pixels: &[u8], color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(PngEncoder::new(&mut bytes), pixels, color).unwrap();
    bytes
}

fn webp() -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(WebPEncoder::new_lossless(&mut bytes), &smooth(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn decoded(bytes: &[u8]) -> Picture {
    decode(bytes, &Limits::default(), WHITE).unwrap()
}

#[test]
fn the_three_formats_are_one_picture() {
    let expect = Picture { width: 24, height: 16, rgb: smooth(), turn: Turn::default() };
    assert_eq!(decoded(&png(&smooth(), ExtendedColorType::Rgb8)), expect);
    assert_eq!(decoded(&webp()), expect);
    let lossy = decoded(&jpeg());
    let furthest = lossy.rgb.iter().zip(&expect.rgb).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(furthest <= Some(8), "{furthest:?}");
}

#[test]
fn every_colour_becomes_three_bytes() {
    let pixels = (WIDTH * HEIGHT) as usize;
    let check = |pixel: &[u8], color: ExtendedColorType, expect: [u8; 3]| {
        let picture = decode(&png(&pixel.repeat(pixels), color), &Limits::default(), [200, 100, 0]);
        let rgb = picture.unwrap().rgb;
        assert_eq!(rgb, expect.repeat(pixels), "{color:?}");
    };
    let wide = |values: &[u16]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_ne_bytes()).collect()
    };
    check(&[77], ExtendedColorType::L8, [77; 3]);
    check(&wide(&[0x4d4d]), ExtendedColorType::L16, [77; 3]);
    check(&wide(&[0x1010, 0x2020, 0x3030]), ExtendedColorType::Rgb16, [16, 32, 48]);
    // Over the background.
    check(&[77, 0], ExtendedColorType::La8, [200, 100, 0]);
    check(&[10, 20, 30, 255], ExtendedColorType::Rgba8, [10, 20, 30]);
    check(&[10, 20, 30, 0], ExtendedColorType::Rgba8, [200, 100, 0]);
    check(&[100, 100, 100, 51], ExtendedColorType::Rgba8, [180, 100, 20]);
    check(&wide(&[0x6464, 0x6464, 0x6464, 0x3333]), ExtendedColorType::Rgba16, [180, 100, 20]);
}

#[test]
fn base64_of_a_picture_is_that_picture() {
    for bytes in [jpeg(), png(&smooth(), ExtendedColorType::Rgb8), webp()] {
        let text = BASE64_STANDARD.encode(&bytes);
        assert_eq!(decoded(text.as_bytes()), decoded(&bytes));
        assert_eq!(decoded(format!("data:image/any;base64,{text}\n").as_bytes()), decoded(&bytes));
    }
    let fault = decode(b"/9j/not base64", &Limits::default(), WHITE).unwrap_err().to_string();
    assert!(fault.starts_with("looks like base64 of a picture and is not: "), "{fault}");
    let fault = decode(b"data:,text", &Limits::default(), WHITE).unwrap_err().to_string();
    assert!(fault.contains("of no known format"), "{fault}");
}

#[test]
fn limits_are_held_against_the_header() {
    // 100 million pixels, 10,000 x 10,000, of which not one is there.
    let mut bomb = png(&smooth(), ExtendedColorType::Rgb8);
    bomb[16..20].copy_from_slice(&10_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&10_000_u32.to_be_bytes());
    let check = |bytes: &[u8], limits: Limits, expect: &str| {
        assert_eq!(decode(bytes, &limits, WHITE).unwrap_err().to_string(), expect);
    };
    let limits = Limits::default();
    check(
        &bomb,
        limits,
        "is a PNG of 10000x10000 pixels, 100000000 in all: expected at most 50000000 (parameter max_pixels)",
    );
    check(
        &bomb,
        Limits { pixels: u64::MAX, ..limits },
        "is a PNG of 10000x10000 pixels, which takes 700000000 bytes to decode: expected at most 536870912 (parameter max_memory_bytes)",
    );
    bomb[16..20].copy_from_slice(&70_000_u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&1_u32.to_be_bytes());
    check(&bomb, limits, "is a PNG of 70000x1 pixels: expected sides of at most 65535 pixels");

    let picture = png(&smooth(), ExtendedColorType::Rgb8);
    let exact = Limits { file_bytes: picture.len(), pixels: 24 * 16, memory_bytes: 24 * 16 * 7 };
    assert!(decode(&picture, &exact, WHITE).is_ok());
    let size = picture.len();
    check(
        &picture,
        Limits { file_bytes: size - 1, ..exact },
        &format!("has {size} bytes: expected at most {} (parameter max_file_bytes)", size - 1),
    );
    check(
        BASE64_STANDARD.encode(&picture).as_bytes(),
        Limits { file_bytes: size / 2, ..exact },
        &format!(
            "has {} bytes: expected at most {} (parameter max_file_bytes)",
            size.div_ceil(3) * 3,
            size / 2
        ),
    );
    check(
        &picture,
        Limits { pixels: 24 * 16 - 1, ..exact },
        "is a PNG of 24x16 pixels, 384 in all: expected at most 383 (parameter max_pixels)",
    );
}

#[test]
fn a_picture_that_is_cut_off_is_damaged_wherever() {
    for (format, bytes) in
        [("JPEG", jpeg()), ("PNG", png(&smooth(), ExtendedColorType::Rgb8)), ("WebP", webp())]
    {
        // The end chunk of a PNG says nothing that is needed.
        let needed = if format == "PNG" { bytes.len() - 12 } else { bytes.len() };
        for length in 12..needed {
            let fault =
                decode(&bytes[..length], &Limits::default(), WHITE).unwrap_err().to_string();
            assert!(
                fault.starts_with(&format!("is a damaged {format}: ")),
                "{length} bytes: {fault}"
            );
        }
    }
}

#[test]
fn a_pixel_is_a_picture() {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&[1, 2, 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
    assert_eq!(decoded(&bytes).rgb, [1, 2, 3]);
}

/// EXIF of one entry: the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0][..], &[0; 4]]
        .concat()
}

#[test]
fn orientations_are_read_from_every_format() {
    let turn = |flip_x, flip_y, swap| Turn { flip_x, flip_y, swap };
    for (orientation, expect) in [
        (0, turn(false, false, false)),
        (1, turn(false, false, false)),
        (2, turn(true, false, false)),
        (3, turn(true, true, false)),
        (4, turn(false, true, false)),
        (5, turn(false, false, true)),
        (6, turn(false, true, true)),
        (7, turn(true, true, true)),
        (8, turn(true, false, true)),
        (9, turn(false, false, false)),
    ] {
        let mut files = [Vec::new(), Vec::new(), Vec::new()];
        let [jpeg, png, webp] = &mut files;
        let mut jpeg = JpegEncoder::new(jpeg);
        let mut png = PngEncoder::new(png);
        let mut webp = WebPEncoder::new_lossless(webp);
        jpeg.set_exif_metadata(exif(orientation)).unwrap();
        png.set_exif_metadata(exif(orientation)).unwrap();
        webp.set_exif_metadata(exif(orientation)).unwrap();
        encoded(jpeg, &smooth(), ExtendedColorType::Rgb8).unwrap();
        encoded(png, &smooth(), ExtendedColorType::Rgb8).unwrap();
        encoded(webp, &smooth(), ExtendedColorType::Rgb8).unwrap();
        for file in &files {
            assert_eq!(decoded(file).turn, expect, "orientation {orientation}");
        }
    }
}

/// Small, so that no header makes a test slow.
const SMALL: Limits = Limits { file_bytes: 1 << 16, pixels: 1 << 16, memory_bytes: 1 << 20 };

fn survives(bytes: &[u8]) {
    if let Ok(picture) = decode(bytes, &SMALL, WHITE) {
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
        assert!(picture.width * picture.height <= 1 << 16);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_a_picture_or_an_error(
        magic in prop::sample::select(vec![&b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 ", b"/9j/"]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        survives(&[magic, &rest[..]].concat());
    }

    #[test]
    fn damage_anywhere_is_a_picture_or_an_error(
        format in 0..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = match format {
            0 => jpeg(),
            1 => png(&smooth(), ExtendedColorType::Rgb8),
            _ => webp(),
        };
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }
}
