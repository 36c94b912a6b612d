//! Bodies in and out: limits, content encodings, frames.

use crate::error::{BodySize, HttpError};
use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use flate2::{
    Compression, Decompress, FlushDecompress, Status, bufread::MultiGzDecoder, write::GzEncoder,
    write::ZlibEncoder,
};

use hippocamp_types::Error;
use http::{HeaderMap, HeaderValue, header};
use http_body::{Body as _, Frame, SizeHint};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{Read, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Time that may pass between two pieces of a request's body.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// An encoding that is unknown is shown up to this many bytes.
const LONGEST_SHOWN: usize = 64;

/// Work on more bytes than this leaves the threads that serve sockets.
const OFFLOAD_ABOVE: usize = 128 * 1024;

/// A compressed body this long may grow a thousandfold.
const OFFLOAD_INFLATE_ABOVE: usize = 1024;

/// A content encoding that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// The value of `Content-Encoding`.
    pub(crate) fn header_value(self) -> HeaderValue {
        match self {
            Self::Gzip => HeaderValue::from_static("gzip"),
            Self::Deflate => HeaderValue::from_static("deflate"),
        }
    }

    /// Which encoding `Content-Encoding` names; `None` for identity.
    fn of_request(headers: &HeaderMap) -> Result<Option<Self>, HttpError> {
        match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(None),
            Some(b"gzip" | b"x-gzip") => Ok(Some(Self::Gzip)),
            Some(b"deflate") => Ok(Some(Self::Deflate)),
            Some(other) => {
                let shown = &other[..other.len().min(LONGEST_SHOWN)];
                let shown = String::from_utf8_lossy(shown).into_owned();
                Err(HttpError::ContentEncoding(shown))
            }
        }
    }

    /// Which encoding `Accept-Encoding` likes best: the first one of the highest weight; `None` for
    /// identity, which is also what an unknown or malformed one gets.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
        let mut best = (None, 0.0);
        for item in accept.split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let encoding = match name.trim() {
                "gzip" => Some(Self::Gzip),
                "deflate" => Some(Self::Deflate),
                "identity" => None,
                _ => continue,
            };
            let weight = match parameters.trim().strip_prefix("q=") {
                None if parameters.trim().is_empty() => 1.0,
                None => continue,
                Some(weight) => weight.trim().parse::<f64>().unwrap_or(0.0),
            };
            if weight > best.1 {
                best = (encoding, weight);
            }
        }
        best.0
    }
}

/// Reads a whole body, inflated if it is compressed, of at most `limit` bytes before and after.
///
/// # Errors
/// If it is too large, stalls, breaks, or does not inflate.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, HttpError> {
    let encoding = Encoding::of_request(headers)?;
    let bytes = receive(body, limit, STALLED_AFTER).await?;
    match encoding {
        None => Ok(bytes),
        Some(encoding) if bytes.len() > OFFLOAD_INFLATE_ABOVE => {
            blocking(move || inflate(&bytes, encoding, limit)).await?
        }
        Some(encoding) => inflate(&bytes, encoding, limit),
    }
}

/// `patience` is the time that may pass between two pieces.
async fn receive(mut body: Body, limit: usize, patience: Duration) -> Result<Bytes, HttpError> {
    let announced = body.size_hint();
    if announced.lower() > limit as u64 {
        return Err(HttpError::BodyTooLarge { size: BodySize::Exactly(announced.lower()), limit });
    }
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(piece) = next_piece(&mut body, patience).await? {
        if first.is_empty() && all.is_none() {
            // Usually the only one: the body stays where the socket put it.
            first = piece;
        } else {
            let all = all.get_or_insert_with(|| {
                let announced = usize::try_from(announced.lower()).unwrap_or(0);
                let mut all = BytesMut::with_capacity(announced.max(first.len() + piece.len()));
                all.extend_from_slice(&first);
                all
            });
            if all.len() + piece.len() > limit {
                return Err(HttpError::BodyTooLarge { size: BodySize::MoreThan(limit), limit });
            }
            all.extend_from_slice(&piece);
        }
        if first.len() > limit {
            return Err(HttpError::BodyTooLarge { size: BodySize::MoreThan(limit), limit });
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

async fn next_piece(body: &mut Body, patience: Duration) -> Result<Option<Bytes>, HttpError> {
    loop {
        let frame = tokio::time::timeout(
            patience,
            std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)),
        );
        let frame = frame
            .await
            .map_err(|_elapsed| HttpError::BodyStalled { seconds: patience.as_secs() })?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(HttpError::BodyBroken(error.to_string())),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

fn inflate(bytes: &[u8], encoding: Encoding, limit: usize) -> Result<Bytes, HttpError> {
    let inflated = match encoding {
        Encoding::Gzip => inflate_gzip(bytes, limit),
        Encoding::Deflate => inflate_deflate(bytes, limit),
    };
    match inflated {
        Ok(inflated) if inflated.len() > limit => {
            Err(HttpError::BodyTooLarge { size: BodySize::MoreThan(limit), limit })
        }
        Ok(inflated) => Ok(inflated.into()),
        Err(reason) => {
            let name = encoding.header_value();
            let name = name.to_str().unwrap_or_default();
            Err(Error::invalid(format!("request body is not valid {name}: {reason}")).into())
        }
    }
}

/// At most one byte more than `limit`.
fn inflate_gzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut inflated = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut inflated) {
        Ok(_) => Ok(inflated),
        Err(error) => Err(error.to_string()),
    }
}

/// At most one buffer more than `limit`. The stream has to end: flate2's readers take a truncated
/// one for a whole one. Both meanings of "deflate" are taken: with zlib's header and without.
fn inflate_deflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const BUFFER: usize = 16 * 1024;
    let zlib = matches!(bytes, [a, b, ..] if a & 15 == 8 && u16::from_be_bytes([*a, *b]).is_multiple_of(31));
    let mut stream = Decompress::new(zlib);
    let mut inflated = Vec::new();
    let mut rest = bytes;
    loop {
        inflated.reserve(BUFFER);
        let (before_in, before_out) = (stream.total_in(), inflated.len());
        let status = stream
            .decompress_vec(rest, &mut inflated, FlushDecompress::None)
            .map_err(|error| error.to_string())?;
        let consumed = usize::try_from(stream.total_in() - before_in).unwrap_or(rest.len());
        rest = &rest[consumed..];
        if inflated.len() > limit {
            return Ok(inflated);
        }
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(inflated),
            Status::StreamEnd => return Err("bytes follow its end".to_owned()),
            Status::Ok | Status::BufError if consumed == 0 && inflated.len() == before_out => {
                return Err("it ends too early".to_owned());
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Compresses pieces into one.
pub(crate) fn compress<'a>(
    pieces: impl IntoIterator<Item = &'a Bytes>,
    encoding: Encoding,
) -> Bytes {
    fn write_all<'a, W: Write>(mut encoder: W, pieces: impl IntoIterator<Item = &'a Bytes>) -> W {
        for piece in pieces {
            encoder.write_all(piece).expect("a Vec takes every byte");
        }
        encoder
    }
    const WHY: &str = "a Vec takes every byte";
    let level = Compression::fast();
    match encoding {
        Encoding::Gzip => {
            write_all(GzEncoder::new(Vec::new(), level), pieces).finish().expect(WHY).into()
        }
        Encoding::Deflate => {
            write_all(ZlibEncoder::new(Vec::new(), level), pieces).finish().expect(WHY).into()
        }
    }
}

/// Runs work on `bytes` bytes: here if they are few, and otherwise where it may take its time.
///
/// # Errors
/// INTERNAL if the work panics elsewhere.
pub(crate) async fn offload<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    if bytes > OFFLOAD_ABOVE { blocking(work).await } else { Ok(work()) }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on a request's body failed");
        Error::internal("internal error while working on the body").into()
    })
}

/// Pieces sent one after the other as one body of known length.
pub(crate) fn frames(first: Bytes, rest: Vec<Bytes>) -> Body {
    if rest.is_empty() {
        return Body::from(first);
    }
    let mut pieces = VecDeque::from(rest);
    pieces.push_front(first);
    Body::new(Frames(pieces))
}

struct Frames(VecDeque<Bytes>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.remaining() as u64).sum())
    }
}

#[cfg(test)]
mod tests;
