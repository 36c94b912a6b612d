//! Lengths that clients announce. A message's length comes before its bytes, and tonic makes room for
//! all of it then: five bytes take up to 2 GiB of address space. So what is announced and not there
//! yet is counted over all calls, and bounded.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tonic::{Status, body::Body};

/// Bytes of messages that may be on their way at a time, over all calls.
const MOST: u64 = 64 << 30;

/// Shorter messages are not counted: the calls of a connection are.
const NOT_COUNTED: u32 = 64 << 10;

/// What a message begins with: whether it is compressed, and its length.
const HEADER: usize = 5;

/// What is announced, of at most [`MOST`] bytes; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    taken: Arc<AtomicU64>,
    most: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { taken: Arc::default(), most: MOST }
    }
}

impl Room {
    /// The body of a call, whose messages take room here until they are there.
    pub(crate) fn bound(&self, body: Body) -> Body {
        let room = self.clone();
        Body::new(Announced { body, room, held: 0, header: [0; HEADER], filled: 0, rest: 0 })
    }

    fn take(&self, length: u64) -> Result<(), Status> {
        let before = self.taken.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) <= self.most {
            return Ok(());
        }
        self.give_back(length);
        Err(Status::unavailable(format!(
            "a message of {length} bytes does not fit now: messages of {before} bytes are on their way, and at most {} may be",
            self.most
        )))
    }

    fn give_back(&self, length: u64) {
        self.taken.fetch_sub(length, Ordering::Relaxed);
    }
}

/// A body that is looked at as it passes.
struct Announced {
    body: Body,
    room: Room,
    /// What the message that is coming has taken.
    held: u64,
    /// Its header, as far as it has come.
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the message that are still to come.
    rest: usize,
}

impl Announced {
    /// Goes on by a piece of the body.
    fn pass(&mut self, mut piece: &[u8]) -> Result<(), Status> {
        while !piece.is_empty() {
            if self.rest > 0 {
                let come = self.rest.min(piece.len());
                piece = &piece[come..];
                self.rest -= come;
                if self.rest == 0 {
                    self.room.give_back(std::mem::take(&mut self.held));
                }
                continue;
            }
            self.header[self.filled] = piece[0];
            piece = &piece[1..];
            self.filled = (self.filled + 1) % HEADER;
            if self.filled == 0 {
                let [_compressed, length @ ..] = self.header;
                let length = u32::from_be_bytes(length);
                if length > NOT_COUNTED {
                    self.room.take(length.into())?;
                    self.held = length.into();
                }
                self.rest = usize::try_from(length).unwrap_or(usize::MAX);
            }
        }
        Ok(())
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.room.give_back(self.held);
    }
}

impl http_body::Body for Announced {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(refusal) = self.pass(data)
        {
            return Poll::Ready(Some(Err(refusal)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(room: &Room) -> Announced {
        let (body, room) = (Body::empty(), room.clone());
        Announced { body, room, held: 0, header: [0; HEADER], filled: 0, rest: 0 }
    }

    fn message(length: u32) -> Vec<u8> {
        let size = usize::try_from(length).unwrap();
        [&[0], &length.to_be_bytes()[..], &vec![1; size]].concat()
    }

    #[test]
    fn messages_take_room_until_they_are_there() {
        let most = 3 * u64::from(NOT_COUNTED);
        let room = Room { taken: Arc::default(), most };
        let taken = || room.taken.load(Ordering::Relaxed);
        let large = message(NOT_COUNTED + 1);
        let mut body = announced(&room);
        // However it is cut.
        for piece in [&large[..3], &large[3..9], &large[9..large.len() - 1]] {
            body.pass(piece).unwrap();
        }
        assert_eq!(taken(), u64::from(NOT_COUNTED) + 1);
        let mut other = announced(&room);
        other.pass(&large[..HEADER]).unwrap();
        let refusal = announced(&room).pass(&large).unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::Unavailable);
        assert!(refusal.message().contains("a message of 65537 bytes"), "{refusal}");
        drop(other);
        body.pass(&large[large.len() - 1..]).unwrap();
        assert_eq!(taken(), 0);
        // Several in one piece, small and empty ones among them.
        let several = [message(0), message(7), large.clone(), message(1), large].concat();
        body.pass(&several).unwrap();
        assert_eq!((taken(), body.rest, body.filled), (0, 0, 0));
    }
}
