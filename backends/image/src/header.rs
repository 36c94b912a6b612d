//! What the first bytes of a picture say, before any decoder runs: format, size, memory it will take.
//! Pure. Only what limits need is read; whether the rest is sound is the decoder's to say.

use crate::error::Fault;

/// A format that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless.
    WebP,
}

impl Format {
    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        }
    }
}

/// What a header claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the magic bytes.
    pub format: Format,
    /// Columns, as stored; not 0.
    pub width: u32,
    /// Rows, as stored; not 0.
    pub height: u32,
    /// Bytes that a pixel takes at most while it becomes red, green and blue, the decoder's own included; the file
    /// itself, and a copy of it, come on top.
    pub bytes_per_pixel: u64,
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads the header of a picture.
///
/// # Errors
/// If it is of another format, cut off, or of a kind that is not decoded.
pub fn header(bytes: &[u8]) -> Result<Header, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let header = if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg(bytes)?
    } else if bytes.starts_with(PNG) {
        png(bytes)?
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp(bytes)?
    } else {
        return Err(Fault::Format { found: name_of(bytes), size: bytes.len() });
    };
    if header.width == 0 || header.height == 0 {
        let Header { format, width, height, .. } = header;
        return Err(damaged(format, format!("its header says {width}x{height} pixels")));
    }
    Ok(header)
}

/// What else people send, by its first bytes.
fn name_of(bytes: &[u8]) -> String {
    let text = bytes.trim_ascii_start();
    let starts =
        |magic: &[u8]| text.len() >= magic.len() && text[..magic.len()].eq_ignore_ascii_case(magic);
    let known: [(&[u8], &str); 15] = [
        (b"%PDF", "a PDF document"),
        (b"GIF8", "a GIF"),
        (b"BM", "a BMP"),
        (b"II*\0", "a TIFF"),
        (b"MM\0*", "a TIFF"),
        (b"\xff\x0a", "a JPEG XL"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
        (b"8BPS", "a Photoshop file"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"<svg", "an SVG"),
        (b"<?xml", "an XML document (an SVG?)"),
        (b"<!doctype html", "an HTML page"),
        (b"<html", "an HTML page"),
        (b"http", "an address, not what is found there"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| starts(magic)) {
        return (*name).to_owned();
    }
    match (bytes.get(4..8), bytes.get(8..12)) {
        (Some(b"ftyp"), Some(b"avif" | b"avis")) => "an AVIF".to_owned(),
        (Some(b"ftyp"), Some(b"heic" | b"heix" | b"mif1" | b"hevc")) => "a HEIC".to_owned(),
        (Some(b"ftyp"), _) => "a video".to_owned(),
        _ => {
            let first: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("of no known format (it begins {})", first.join(" "))
        }
    }
}

fn damaged(format: Format, reason: impl Into<String>) -> Fault {
    Fault::Damaged { format: format.name(), reason: reason.into() }
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}

/// Walks the segments to the end marker: the decoder fills what is missing with grey, and says nothing.
fn jpeg(bytes: &[u8]) -> Result<Header, Fault> {
    let cut = |what: &str| damaged(Format::Jpeg, format!("it is cut off {what}"));
    let mut frame = None;
    let mut at = 2;
    loop {
        let Some(&marker) = bytes.get(at + 1) else {
            return Err(cut(if frame.is_some() {
                "before its end marker"
            } else {
                "in its header"
            }));
        };
        if bytes[at] != 0xff {
            return Err(damaged(Format::Jpeg, format!("byte {at} is no marker")));
        }
        match marker {
            0xff => at += 1, // fill byte
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => at += 2, // without a length
            _ => {
                let length = big(bytes, at + 2, 2).ok_or_else(|| cut("in a segment"))? as usize;
                let segment =
                    bytes.get(at + 4..at + 2 + length.max(2)).ok_or_else(|| cut("in a segment"))?;
                if matches!(marker, 0xc0..=0xcf)
                    && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
                    && frame.is_none()
                {
                    frame = Some(jpeg_frame(marker, segment)?);
                }
                at += 2 + length.max(2);
                if marker == 0xda {
                    at = end_of_scan(bytes, at);
                }
            }
        }
    }
    frame.ok_or_else(|| damaged(Format::Jpeg, "it has no picture in it"))
}

/// The first marker after entropy-coded data that starts at `at`; the end if there is none.
fn end_of_scan(bytes: &[u8], mut at: usize) -> usize {
    while let Some(next) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
    {
        at += next;
        match bytes.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

fn jpeg_frame(marker: u8, segment: &[u8]) -> Result<Header, Fault> {
    let [bits, y1, y0, x1, x0, components, ..] = *segment else {
        return Err(damaged(Format::Jpeg, "its frame header is too short"));
    };
    // Baseline, extended and progressive, all of them by Huffman codes.
    if !matches!(marker, 0xc0..=0xc2) || bits != 8 {
        return Err(Fault::Kind {
            format: "JPEG",
            found: match marker {
                0xc0..=0xc2 => format!("{bits} bits a sample"),
                0xc3 | 0xcb => "lossless coding".to_owned(),
                _ => "arithmetic or hierarchical coding".to_owned(),
            },
            expected: "8 bits a sample, baseline or progressive",
        });
    }
    // A progressive picture's coefficients, two bytes each, are all in memory before its first pixel.
    let coefficients = if marker == 0xc2 { 2 * u64::from(components) } else { 0 };
    let channels = if components == 1 { 1 + 3 } else { 3 };
    Ok(Header {
        format: Format::Jpeg,
        width: u32::from(u16::from_be_bytes([x1, x0])),
        height: u32::from(u16::from_be_bytes([y1, y0])),
        bytes_per_pixel: coefficients + channels,
    })
}

fn png(bytes: &[u8]) -> Result<Header, Fault> {
    let cut = || damaged(Format::Png, "it is cut off in its header");
    if bytes.get(12..16).ok_or_else(cut)? != b"IHDR" {
        return Err(damaged(Format::Png, "its first chunk is no IHDR"));
    }
    let width = big(bytes, 16, 4).ok_or_else(cut)?;
    let height = big(bytes, 20, 4).ok_or_else(cut)?;
    let bits = *bytes.get(24).ok_or_else(cut)?;
    // RGBA, then RGB; of 16 bits become 8 before.
    let bytes_per_pixel = if bits == 16 { 8 + 4 } else { 4 + 3 };
    Ok(Header { format: Format::Png, width, height, bytes_per_pixel })
}

fn webp(bytes: &[u8]) -> Result<Header, Fault> {
    let cut = || damaged(Format::WebP, "it is cut off in its header");
    let declared = little(bytes, 4, 4).ok_or_else(cut)?;
    if u64::from(declared) + 8 > bytes.len() as u64 {
        let missing = u64::from(declared) + 8 - bytes.len() as u64;
        return Err(damaged(Format::WebP, format!("it is cut off: {missing} bytes are missing")));
    }
    let kind = bytes.get(12..16).ok_or_else(cut)?;
    let (mut width, mut height) = match kind {
        b"VP8X" => {
            let side = |at| Some(1 + little(bytes, at, 3)?);
            side(24).zip(side(27)).ok_or_else(cut)?
        }
        b"VP8 " | b"VP8L" => (0, 0),
        _ => return Err(damaged(Format::WebP, "its first chunk is no VP8, VP8L or VP8X")),
    };
    // A frame may claim more than the canvas it is in, and is decoded before they are compared.
    let mut at = 12;
    while let Some(length) = little(bytes, at + 4, 4) {
        let name = &bytes[at..at + 4];
        let frame = match name {
            b"VP8 " | b"VP8L" => {
                Some(webp_frame(name, bytes.get(at + 8..).unwrap_or(&[])).ok_or_else(cut)?)
            }
            _ => None,
        };
        if let Some((columns, rows)) = frame {
            (width, height) = (width.max(columns), height.max(rows));
        }
        // Of an animation only the first frame counts: its chunks begin after 16 bytes of place and time.
        at = match name {
            b"ANMF" => at + 24,
            _ => at
                .saturating_add(8)
                .saturating_add(length as usize)
                .saturating_add(length as usize % 2),
        };
        if frame.is_some() {
            break;
        }
    }
    // RGBA beside what it comes from; the extended format has alpha or a canvas besides.
    let bytes_per_pixel = if kind == b"VP8X" { 12 } else { 8 };
    Ok(Header { format: Format::WebP, width, height, bytes_per_pixel })
}

/// Columns and rows of a frame's own header.
fn webp_frame(name: &[u8], data: &[u8]) -> Option<(u32, u32)> {
    if name == b"VP8L" {
        let bits = little(data, 1, 4)?;
        return Some((1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)));
    }
    Some((little(data, 6, 2)? & 0x3fff, little(data, 8, 2)? & 0x3fff))
}

#[cfg(test)]
mod tests;
