//! Bytes to pixels. Limits are held against the header, before a decoder sees the bytes.

use crate::{
    error::Fault,
    header::{Format, Header, header},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageResult, Limits as DecoderLimits,
    codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};
use std::{
    borrow::Cow,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Pixels of a side: what a JPEG can have at most.
const MAX_SIDE: u32 = 65_535;

/// What a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: usize,
    /// Columns times rows.
    pub pixels: u64,
    /// Bytes that decoding may take, the pixels included.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 32 << 20, pixels: 50_000_000, memory_bytes: 512 << 20 }
    }
}

/// A picture as it is stored: before its orientation is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major, three bytes a pixel: red, green, blue.
    pub rgb: Vec<u8>,
    /// How it is to be shown.
    pub turn: Turn,
}

/// An EXIF orientation: the flips first, then columns and rows change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Left and right change places.
    pub flip_x: bool,
    /// Top and bottom change places.
    pub flip_y: bool,
    /// Columns become rows.
    pub swap: bool,
}

impl Turn {
    fn of(orientation: Orientation) -> Self {
        let (flip_x, flip_y, swap) = match orientation {
            Orientation::NoTransforms => (false, false, false),
            Orientation::FlipHorizontal => (true, false, false),
            Orientation::Rotate180 => (true, true, false),
            Orientation::FlipVertical => (false, true, false),
            Orientation::Rotate90FlipH => (false, false, true),
            Orientation::Rotate90 => (false, true, true),
            Orientation::Rotate270FlipH => (true, true, true),
            Orientation::Rotate270 => (true, false, true),
        };
        Self { flip_x, flip_y, swap }
    }
}

/// Decodes a picture; base64 of one is taken too, as text is all that JSON can carry. Where it is
/// transparent, `background` shows.
///
/// # Errors
/// If it is no picture, beyond the limits, or damaged.
pub fn decode(bytes: &[u8], limits: &Limits, background: [u8; 3]) -> Result<Picture, Fault> {
    let too_large = |size| {
        (size > limits.file_bytes).then_some(Fault::FileSize { size, limit: limits.file_bytes })
    };
    let bytes = match base64_of(bytes) {
        Some(text) => {
            if let Some(fault) = too_large(text.len() / 4 * 3) {
                return Err(fault);
            }
            let decoded = BASE64_STANDARD.decode(text);
            Cow::Owned(decoded.map_err(|error| Fault::Base64 { reason: error.to_string() })?)
        }
        None => Cow::Borrowed(bytes),
    };
    if let Some(fault) = too_large(bytes.len()) {
        return Err(fault);
    }
    let header = header(&bytes)?;
    check(&header, limits)?;
    // A decoder that panics has met bytes that its authors did not think of: they are this picture's fault alone.
    let decoded = catch_unwind(AssertUnwindSafe(|| match header.format {
        Format::Jpeg => pixels(JpegDecoder::new(Cursor::new(&*bytes))?, &header),
        Format::Png => {
            let mut allowed = DecoderLimits::no_limits();
            allowed.max_alloc = Some(limits.memory_bytes);
            pixels(PngDecoder::with_limits(Cursor::new(&*bytes), allowed)?, &header)
        }
        Format::WebP => pixels(WebPDecoder::new(Cursor::new(&*bytes))?, &header),
    }));
    let format = header.format.name();
    let (image, orientation) = match decoded {
        Ok(Ok(Some(decoded))) => decoded,
        Ok(Ok(None)) => {
            return Err(Fault::Damaged { format, reason: "its parts differ in size".to_owned() });
        }
        Ok(Err(error)) => return Err(fault(header.format, &error)),
        Err(_panic) => {
            return Err(Fault::Damaged { format, reason: "its decoder gave up".to_owned() });
        }
    };
    Ok(Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        rgb: rgb(image, background),
        turn: Turn::of(orientation),
    })
}

/// The base64 in what looks like base64 of a picture, or like a data URL: no picture starts like that.
fn base64_of(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(b"data:") {
        let comma = bytes.iter().take(128).position(|&byte| byte == b',')?;
        return bytes[..comma].ends_with(b";base64").then(|| bytes[comma + 1..].trim_ascii_end());
    }
    let magic: [&[u8]; 3] = [b"/9j/", b"iVBORw0KGgo", b"UklGR"];
    magic.iter().any(|magic| bytes.starts_with(magic)).then(|| bytes.trim_ascii_end())
}

fn check(header: &Header, limits: &Limits) -> Result<(), Fault> {
    let Header { width, height, .. } = *header;
    let format = header.format.name();
    if width.max(height) > MAX_SIDE {
        return Err(Fault::Side { format, width, height, limit: MAX_SIDE });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(Fault::Pixels { format, width, height, limit: limits.pixels });
    }
    let needed = pixels * header.bytes_per_pixel;
    if needed > limits.memory_bytes {
        return Err(Fault::Memory { format, width, height, needed, limit: limits.memory_bytes });
    }
    Ok(())
}

/// `None` if the decoder sees a larger picture than the header that the limits were held against.
fn pixels(
    mut decoder: impl ImageDecoder,
    header: &Header,
) -> ImageResult<Option<(DynamicImage, Orientation)>> {
    let (width, height) = decoder.dimensions();
    if width > header.width || height > header.height {
        return Ok(None);
    }
    // An orientation that cannot be read is none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok(Some((DynamicImage::from_decoder(decoder)?, orientation)))
}

fn fault(format: Format, error: &ImageError) -> Fault {
    let format = format.name();
    match error {
        ImageError::Unsupported(error) => Fault::Kind {
            format,
            found: format!("what this decoder does not know: {error}"),
            expected: "a common kind of picture",
        },
        ImageError::Limits(_) => Fault::Damaged {
            format,
            reason: "its parts take more memory than the picture may (parameter max_memory_bytes)"
                .to_owned(),
        },
        error => Fault::Damaged { format, reason: error.to_string() },
    }
}

/// Three bytes a pixel, over the background.
fn rgb(image: DynamicImage, background: [u8; 3]) -> Vec<u8> {
    match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        image if !image.color().has_alpha() => image.into_rgb8().into_raw(),
        image => {
            let rgba = image.into_rgba8();
            let over = |pixel: &[u8; 4]| {
                let alpha = u32::from(pixel[3]);
                let mix = |channel: usize| {
                    let (front, back) = (u32::from(pixel[channel]), u32::from(background[channel]));
                    let mixed = (front * alpha + back * (255 - alpha) + 127) / 255;
                    u8::try_from(mixed).expect("a mean of two bytes is a byte")
                };
                [mix(0), mix(1), mix(2)]
            };
            rgba.as_raw().as_chunks::<4>().0.iter().flat_map(over).collect()
        }
    }
}

#[cfg(test)]
mod tests;
