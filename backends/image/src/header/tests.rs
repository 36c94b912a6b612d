use super::*;

/// A PNG's signature and the start of its first chunk.
fn png_header(width: u32, height: u32, bits: u8) -> Vec<u8> {
    [PNG, &[0, 0, 0, 13], b"IHDR", &width.to_be_bytes(), &height.to_be_bytes(), &[bits, 2, 0, 0, 0]]
        .concat()
}

/// A JPEG of a frame header and one scan of `data`.
fn jpeg_of(frame: &[u8], data: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    // A preview in a metadata segment has end markers of its own.
    let preview = segment(0xe1, b"Exif\0\0\xff\xd8\xff\xd9");
    [&[0xff, 0xd8], &preview[..], &segment(frame[0], &frame[1..]), &segment(0xda, &[0; 6]), data]
        .concat()
}

/// Marker, bits, rows, columns, components: 300 rows of 200 pixels.
const BASELINE: [u8; 7] = [0xc0, 8, 1, 44, 0, 200, 3];

fn riff(chunks: &[u8]) -> Vec<u8> {
    let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &length[..], b"WEBP", chunks].concat()
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [name, &length[..], content, &[0][..content.len() % 2]].concat()
}

/// A lossy frame's header.
fn vp8(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    chunk(b"VP8 ", &[&[0, 0, 0, 0x9d, 1, 0x2a], &sides[..]].concat())
}

/// The extended header of a canvas.
fn vp8x(width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    chunk(b"VP8X", &[&[0; 4][..], &side(width), &side(height)].concat())
}

#[test]
fn sizes_are_read() {
    let check = |bytes: &[u8], format: Format, width: u32, height: u32, bytes_per_pixel: u64| {
        assert_eq!(header(bytes), Ok(Header { format, width, height, bytes_per_pixel }));
    };
    check(&png_header(20_000, 5_000, 8), Format::Png, 20_000, 5_000, 7);
    check(&png_header(1, 1, 16), Format::Png, 1, 1, 12);

    // Stuffed bytes, restarts and fill bytes are no end.
    let data = [1, 0xff, 0, 2, 0xff, 0xd3, 3, 0xff, 0xff, 0xd9];
    check(&jpeg_of(&BASELINE, &data), Format::Jpeg, 200, 300, 3);
    check(&jpeg_of(&[0xc2, 8, 1, 44, 0, 200, 3], &data), Format::Jpeg, 200, 300, 9);
    check(&jpeg_of(&[0xc0, 8, 1, 44, 0, 200, 1], &data), Format::Jpeg, 200, 300, 4);
    // What follows the end does not count.
    check(&[&jpeg_of(&BASELINE, &data)[..], b"trailer"].concat(), Format::Jpeg, 200, 300, 3);

    let lossless = (640_u32 - 1) | (480 - 1) << 14;
    let lossless = chunk(b"VP8L", &[&[0x2f], &lossless.to_le_bytes()[..]].concat());
    check(&riff(&vp8(640, 480)), Format::WebP, 640, 480, 8);
    check(&riff(&lossless), Format::WebP, 640, 480, 8);
    check(&riff(&[vp8x(640, 480), lossless].concat()), Format::WebP, 640, 480, 12);
    // A frame that is larger than its canvas is what the limits must be held against.
    check(&riff(&[vp8x(2, 2), vp8(16_383, 9)].concat()), Format::WebP, 16_383, 9, 12);
    let frame = chunk(b"ANMF", &[&[0; 16][..], &vp8(5_000, 6_000)].concat());
    let color = chunk(b"ICCP", b"odd");
    check(&riff(&[vp8x(2, 2), color, frame].concat()), Format::WebP, 5_000, 6_000, 12);
}

#[test]
fn what_is_no_picture_is_named() {
    let check = |bytes: &[u8], expect: &str| {
        assert_eq!(header(bytes).unwrap_err().to_string(), expect, "{bytes:?}");
    };
    let expected = "expected the bytes of a JPEG, PNG or WebP file";
    check(b"", &format!("is empty: {expected}"));
    for (bytes, found) in [
        (&b"%PDF-1.7 and so on"[..], "a PDF document, 18 bytes"),
        (b"GIF89a", "a GIF, 6 bytes"),
        (b"\n <svg xmlns=...", "an SVG, 16 bytes"),
        (b"<!DOCTYPE HTML>", "an HTML page, 15 bytes"),
        (b"\0\0\0\x20ftypavif", "an AVIF, 12 bytes"),
        (b"\0\0\0\x20ftypheic", "a HEIC, 12 bytes"),
        (b"RIFF\0\0\0\0WAVE", "of no known format (it begins 52 49 46 46 00 00 00 00), 12 bytes"),
        (b"\xff", "of no known format (it begins ff), 1 bytes"),
    ] {
        check(bytes, &format!("is {found}: {expected}"));
    }
    check(&png_header(0, 7, 8), "is a damaged PNG: its header says 0x7 pixels");
    check(&png_header(9, 7, 8)[..20], "is a damaged PNG: it is cut off in its header");
    check(b"\xff\xd8\xff\xd9", "is a damaged JPEG: it has no picture in it");
    check(b"\xff\xd8\xff\xe0\x10\0JFIF", "is a damaged JPEG: it is cut off in a segment");
    check(b"\xff\xd8\xff", "is a damaged JPEG: it is cut off in its header");
    for data in [&[][..], &[1, 2, 3], &[1, 2, 3, 0xff], &[0xff, 0]] {
        check(&jpeg_of(&BASELINE, data), "is a damaged JPEG: it is cut off before its end marker");
    }
    let unknown = "expected 8 bits a sample, baseline or progressive";
    check(
        &jpeg_of(&[0xc1, 12, 1, 44, 0, 200, 3], &[]),
        &format!("is a JPEG with 12 bits a sample: {unknown}"),
    );
    check(
        &jpeg_of(&[0xc9, 8, 1, 44, 0, 200, 3], &[]),
        &format!("is a JPEG with arithmetic or hierarchical coding: {unknown}"),
    );
    let whole = riff(&vp8(640, 480));
    check(&whole[..25], "is a damaged WebP: it is cut off: 5 bytes are missing");
    check(&riff(b"VP9 \0\0\0\0"), "is a damaged WebP: its first chunk is no VP8, VP8L or VP8X");
}
