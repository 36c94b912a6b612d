//! Why a picture is no tensor. Every text says what was expected and what came.

/// What is wrong with the bytes of one picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing came.
    #[error("is empty: expected the bytes of a JPEG, PNG or WebP file")]
    Empty,
    /// It is not one of the formats.
    #[error("is {found}, {size} bytes: expected the bytes of a JPEG, PNG or WebP file")]
    Format {
        /// What its first bytes look like.
        found: String,
        /// Bytes.
        size: usize,
    },
    /// The file is too large to be looked at.
    #[error("has {size} bytes: expected at most {limit} (parameter max_file_bytes)")]
    FileSize {
        /// Bytes.
        size: usize,
        /// `max_file_bytes`.
        limit: usize,
    },
    /// Base64 that is none.
    #[error("looks like base64 of a picture and is not: {reason}")]
    Base64 {
        /// What its decoder says.
        reason: String,
    },
    /// A side is too long.
    #[error("is a {format} of {width}x{height} pixels: expected sides of at most {limit} pixels")]
    Side {
        /// Its format.
        format: &'static str,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Pixels of a side.
        limit: u32,
    },
    /// It has too many pixels.
    #[error(
        "is a {format} of {width}x{height} pixels, {} in all: expected at most {limit} (parameter max_pixels)",
        u64::from(*.width) * u64::from(*.height)
    )]
    Pixels {
        /// Its format.
        format: &'static str,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// `max_pixels`.
        limit: u64,
    },
    /// Decoding it takes too much memory.
    #[error(
        "is a {format} of {width}x{height} pixels, which takes {needed} bytes to decode: expected at most {limit} (parameter max_memory_bytes)"
    )]
    Memory {
        /// Its format.
        format: &'static str,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes, at most.
        needed: u64,
        /// `max_memory_bytes`.
        limit: u64,
    },
    /// A kind of its format that nobody decodes here.
    #[error("is a {format} with {found}: expected {expected}")]
    Kind {
        /// Its format.
        format: &'static str,
        /// What is special about it.
        found: String,
        /// What is decoded.
        expected: &'static str,
    },
    /// The file is broken.
    #[error("is a damaged {format}: {reason}")]
    Damaged {
        /// Its format.
        format: &'static str,
        /// What the header or the decoder says.
        reason: String,
    },
}
