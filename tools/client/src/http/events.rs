//! The server-sent events of `generate_stream`.

use crate::{Error, StatusCode};
use bytes::Bytes;
use futures_core::Stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Longest event that is read.
const MAX_EVENT_BYTES: usize = 64 << 20;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, hyper::Error>> + Send>>;

/// The responses of a `generate_stream` call, as they come.
pub struct GenerateStream {
    chunks: Chunks,
    events: Events,
}

impl GenerateStream {
    pub(super) fn new(body: Incoming) -> Self {
        Self { chunks: Box::pin(body.into_data_stream()), events: Events::default() }
    }
}

impl fmt::Debug for GenerateStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateStream").finish_non_exhaustive()
    }
}

impl Stream for GenerateStream {
    type Item = Result<Value, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.events.next() {
                return Poll::Ready(Some(event));
            }
            match ready!(self.chunks.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => self.events.push(&chunk),
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::transport(error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Cuts the text of a body into events.
#[derive(Default)]
struct Events {
    text: Vec<u8>,
    /// No event begins before this.
    searched: usize,
}

impl Events {
    fn push(&mut self, chunk: &[u8]) {
        self.text.extend_from_slice(chunk);
    }

    /// The next whole event.
    fn next(&mut self) -> Option<Result<Value, Error>> {
        loop {
            let from = self.searched.saturating_sub(1);
            let Some(end) = self.text[from..].windows(2).position(|pair| pair == b"\n\n") else {
                self.searched = self.text.len();
                if self.text.len() > MAX_EVENT_BYTES {
                    self.text.clear();
                    self.searched = 0;
                    let reason = format!("an event is longer than {MAX_EVENT_BYTES} bytes");
                    return Some(Err(Error::Decode(reason)));
                }
                return None;
            };
            let event: Vec<u8> = self.text.drain(..from + end + 2).collect();
            self.searched = 0;
            let data: Vec<u8> = event
                .split(|byte| *byte == b'\n')
                .filter_map(|line| line.strip_prefix(b"data:"))
                .collect::<Vec<_>>()
                .join(&b'\n');
            if !data.is_empty() {
                return Some(parse(&data));
            }
        }
    }
}

fn parse(data: &[u8]) -> Result<Value, Error> {
    let value: Value = serde_json::from_slice(data).map_err(Error::decode)?;
    match value.get("error").and_then(Value::as_str) {
        // The status was sent before the model failed.
        Some(message) => {
            Err(Error::Status { code: StatusCode::Http(200), message: message.to_owned() })
        }
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_cut_wherever_the_chunks_are() {
        let text = b"data: {\"a\": 1}\n\n: comment\n\ndata: {\"b\":\ndata: 2}\n\ndata: {\"error\": \"no\"}\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for chunk in text.chunks(size) {
                events.push(chunk);
                while let Some(event) = events.next() {
                    seen.push(event.map_err(|error| error.message().map(str::to_owned)));
                }
            }
            let expect = [Ok(json!({"a": 1})), Ok(json!({"b": 2})), Err(Some("no".to_owned()))];
            assert_eq!(seen, expect, "chunks of {size} bytes");
        }
    }
}
