//! Bodies in gzip.

use crate::Error;
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::io::{Read, Write};

/// `body`, compressed.
pub(super) fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail").into()
}

/// `body`, decompressed.
///
/// # Errors
/// If it is no gzip, or longer than `limit` bytes.
pub(super) fn gunzip(body: &[u8], limit: usize) -> Result<Bytes, Error> {
    let mut decompressed = Vec::new();
    let read = GzDecoder::new(body).take(limit as u64 + 1).read_to_end(&mut decompressed);
    if read.map_err(Error::decode)? > limit {
        return Err(Error::Decode(format!("the decompressed body is longer than {limit} bytes")));
    }
    Ok(decompressed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_round_trip_within_the_limit() {
        let body = vec![7; 1000];
        assert_eq!(gunzip(&gzip(&body), 1000).unwrap(), body);
        assert!(gunzip(&gzip(&body), 999).is_err());
        assert!(gunzip(b"no gzip", 999).is_err());
    }
}
