//! One connection: bytes, whatever is below. The TLS handshake takes place at the first read or
//! write, so that whoever accepts connections never waits for a client.

use std::{
    fmt,
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

/// A client that has not sent what a connection begins with by then, its TLS handshake included, is
/// let go.
const OPENING_TIMEOUT: Duration = Duration::from_secs(60);

/// A client that takes nothing of what is written for so long is let go.
const STALLED_TIMEOUT: Duration = Duration::from_secs(60);

/// What a connection of HTTP/2 begins with (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address of the network.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.
    Http1,
    /// HTTP/2, with prior knowledge or agreed on in the TLS handshake.
    Http2,
}

/// One connection.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    /// Until what HTTP/2 begins with has come, or [`Connection::protocol`] knows better.
    opening: Option<Pin<Box<Sleep>>>,
    /// Bytes that have come so far, while the connection opens.
    received: usize,
    /// Time that a write may find no room.
    patience: Duration,
    /// Since a write found no room.
    stalled: Option<Pin<Box<Sleep>>>,
    /// First bytes, read by [`Connection::protocol`]: how many of them, and how many of those were
    /// read again.
    head: [u8; HTTP2_PREFACE.len()],
    filled: usize,
    taken: usize,
}

enum Stream {
    Plain(Socket),
    Handshake(Box<Accept<Socket>>),
    Encrypted(Box<TlsStream<Socket>>),
    /// The handshake failed.
    Broken,
}

/// A stream of bytes, both ways.
pub(crate) trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for S {}

/// What bytes go through in the end.
pub(crate) type Socket = Box<dyn Bidirectional>;

impl Connection {
    pub(crate) fn new(socket: Socket, peer: Peer, acceptor: Option<TlsAcceptor>) -> Self {
        let (opening, patience) = (OPENING_TIMEOUT, STALLED_TIMEOUT);
        Self::with_timeouts(opening, patience, socket, peer, acceptor)
    }

    fn with_timeouts(
        timeout: Duration,
        patience: Duration,
        socket: Socket,
        peer: Peer,
        acceptor: Option<TlsAcceptor>,
    ) -> Self {
        let stream = match acceptor {
            None => Stream::Plain(socket),
            Some(acceptor) => Stream::Handshake(Box::new(acceptor.accept(socket))),
        };
        Self {
            stream,
            peer,
            opening: Some(Box::pin(sleep(timeout))),
            received: 0,
            patience,
            stalled: None,
            head: [0; HTTP2_PREFACE.len()],
            filled: 0,
            taken: 0,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Looks at the first bytes to tell which HTTP they are; they can still be read.
    ///
    /// # Errors
    /// If the connection breaks, or nothing comes for a minute.
    pub async fn protocol(&mut self) -> io::Result<Protocol> {
        while self.filled < self.head.len() {
            let mut head = self.head;
            let mut rest = ReadBuf::new(&mut head[self.filled..]);
            std::future::poll_fn(|context| self.poll_fresh(context, &mut rest)).await?;
            let read = rest.filled().len();
            if read == 0 {
                // HTTP/1 knows what to make of half a request.
                self.opening = None;
                return Ok(Protocol::Http1);
            }
            self.head = head;
            self.filled += read;
            if self.head[..self.filled] != HTTP2_PREFACE[..self.filled] {
                // From here on HTTP/1 has a limit of its own, for the whole of the headers.
                self.opening = None;
                return Ok(Protocol::Http1);
            }
        }
        Ok(Protocol::Http2)
    }

    /// What is read and written, once the handshake is over.
    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<&mut dyn Bidirectional>> {
        if let Stream::Handshake(accept) = &mut self.stream {
            let Poll::Ready(accepted) = Pin::new(accept.as_mut()).poll(context) else {
                // A write may drive the handshake alone, and must not wait for ever either.
                ready!(poll_timer(&mut self.opening, context));
                self.stream = Stream::Broken;
                return Poll::Ready(Err(timed_out("the client did not end its TLS handshake")));
            };
            match accepted {
                Ok(stream) => self.stream = Stream::Encrypted(Box::new(stream)),
                Err(error) => {
                    self.stream = Stream::Broken;
                    tracing::debug!(peer = %self.peer, %error, "TLS handshake failed");
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.stream {
            Stream::Plain(socket) => Ok(socket),
            Stream::Encrypted(stream) => Ok(stream.as_mut()),
            Stream::Handshake(_) | Stream::Broken => {
                Err(io::Error::new(io::ErrorKind::NotConnected, "the TLS handshake failed"))
            }
        })
    }

    /// Reads what was not read before.
    fn poll_fresh(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match self.poll_stream(context) {
            Poll::Ready(Ok(stream)) => Pin::new(stream).poll_read(context, buffer),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if read.is_ready() {
            if self.opening.is_some() {
                self.received += buffer.filled().len() - before;
                if self.received >= HTTP2_PREFACE.len() {
                    self.opening = None;
                }
            }
            return read;
        }
        ready!(poll_timer(&mut self.opening, context));
        Poll::Ready(Err(timed_out("the client sent no request after it had connected")))
    }

    /// What became of a write: a client that takes nothing is not waited for without end.
    fn watched<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        if self.stalled.is_none() {
            self.stalled = Some(Box::pin(sleep(self.patience)));
        }
        ready!(poll_timer(&mut self.stalled, context));
        Poll::Ready(Err(timed_out("the client stopped reading")))
    }
}

/// Ready when the timer has run out; never if there is none.
fn poll_timer(timer: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<()> {
    match timer {
        Some(sleep) => {
            ready!(sleep.as_mut().poll(context));
            *timer = None;
            Poll::Ready(())
        }
        None => Poll::Pending,
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let head = &self.head[self.taken..self.filled];
        if head.is_empty() {
            return self.poll_fresh(context, buffer);
        }
        let taken = head.len().min(buffer.remaining());
        buffer.put_slice(&head[..taken]);
        self.taken += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(ready!(self.poll_stream(context))?).poll_write(context, bytes);
        self.watched(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(ready!(self.poll_stream(context))?);
        let written = stream.poll_write_vectored(context, slices);
        self.watched(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(socket) => socket.is_write_vectored(),
            // TLS gathers into its records.
            Stream::Handshake(_) | Stream::Encrypted(_) | Stream::Broken => true,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(ready!(self.poll_stream(context))?).poll_flush(context);
        self.watched(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            // Nothing was said: there is nobody to say goodbye to.
            Stream::Handshake(_) | Stream::Broken => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixStream,
    };

    fn pair(timeout: Duration) -> (UnixStream, Connection) {
        let (client, server) = UnixStream::pair().unwrap();
        let connection =
            Connection::with_timeouts(timeout, timeout, Box::new(server), Peer::Unix, None);
        (client, connection)
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_stay() {
        for (sent, expect) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Protocol::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Protocol::Http2),
            (b"PRI * HTTP/1.1\r\n\r\nwhat may follow", Protocol::Http1),
            (b"PRI", Protocol::Http1),
            (b"", Protocol::Http1),
        ] {
            let (mut client, mut connection) = pair(OPENING_TIMEOUT);
            client.write_all(sent).await.unwrap();
            drop(client);
            assert_eq!(connection.protocol().await.unwrap(), expect);
            let mut all = Vec::new();
            connection.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, sent);
        }
    }

    #[tokio::test]
    async fn a_preface_may_come_in_pieces() {
        let (mut client, mut connection) = pair(OPENING_TIMEOUT);
        let send = async {
            for piece in HTTP2_PREFACE.chunks(5) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (protocol, ()) = tokio::join!(connection.protocol(), send);
        assert_eq!(protocol.unwrap(), Protocol::Http2);
    }

    #[tokio::test]
    async fn a_silent_client_is_let_go() {
        let (mut client, server) = UnixStream::pair().unwrap();
        // A byte is no request. It is there before the time begins, which may pass at once.
        client.write_all(b"P").await.unwrap();
        let limit = Duration::from_millis(1);
        let mut connection =
            Connection::with_timeouts(limit, limit, Box::new(server), Peer::Unix, None);
        connection.read_exact(&mut [0]).await.unwrap();
        let error = connection.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_let_go() {
        let (_client, mut connection) = pair(Duration::from_millis(1));
        let error = connection.write_all(&[0; 4 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_handshake_that_a_write_drives_ends_too() {
        let (_client, server) = UnixStream::pair().unwrap();
        let resolver = rustls::server::ResolvesServerCertUsingSni::new();
        let config = rustls::ServerConfig::builder_with_provider(
            rustls::crypto::ring::default_provider().into(),
        )
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(resolver));
        let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
        let timeout = Duration::from_millis(1);
        let mut connection = Connection::with_timeouts(
            timeout,
            timeout,
            Box::new(server),
            Peer::Unix,
            Some(acceptor),
        );
        let error = connection.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
