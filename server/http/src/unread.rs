//! Bodies that are answered before they are read, over HTTP/2.
//!
//! A stream whose body is dropped is reset, and clients (curl 7.88 among them) take that for a failure
//! even if the whole answer came before it. So what a handler leaves unread is read to its end beside
//! the answer, as far as that is worth while. HTTP/1 does so by itself.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// What is read of a body that nobody wants, in bytes; the stream of a longer one is reset.
const MOST: usize = 1 << 20;

/// Time that the client has to send it.
const WITHIN: Duration = Duration::from_secs(5);

/// `body`, of which the rest is read when it is dropped.
pub(crate) fn read_rest(body: Body) -> Body {
    if body.is_end_stream() { body } else { Body::new(Rest(body)) }
}

struct Rest(Body);

impl http_body::Body for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if self.0.is_end_stream() {
            return;
        }
        let mut body = std::mem::take(&mut self.0);
        let mut left = MOST;
        tokio::spawn(async move {
            let read = poll_fn(|context| {
                while let Some(Ok(frame)) = ready!(Pin::new(&mut body).poll_frame(context)) {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(length) else { break };
                    left = rest;
                }
                Poll::Ready(())
            });
            // Late or not, what is not read by now is not worth more.
            drop(tokio::time::timeout(WITHIN, read).await);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// Gives pieces of 1 KiB, and counts them.
    struct Pieces(usize, Arc<AtomicUsize>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            self.0 -= 1;
            self.1.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
        }
    }

    async fn read_of(pieces: usize) -> usize {
        let counted = Arc::new(AtomicUsize::new(0));
        drop(read_rest(Body::new(Pieces(pieces, Arc::clone(&counted)))));
        // The other holder is the task that reads.
        while Arc::strong_count(&counted) > 1 {
            tokio::task::yield_now().await;
        }
        counted.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn the_rest_is_read_as_far_as_it_is_worth_while() {
        assert_eq!(read_of(0).await, 0);
        assert_eq!(read_of(3).await, 3);
        assert_eq!(read_of(100_000).await, MOST / 1024 + 1);
    }
}
