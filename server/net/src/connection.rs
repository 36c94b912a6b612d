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

/// A client that has not sent a byte by then, its TLS handshake included, is let go.
const OPENING_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// Until the first byte has come.
    opening: Option<Pin<Box<Sleep>>>,
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
        Self::opening_within(OPENING_TIMEOUT, socket, peer, acceptor)
    }

    fn opening_within(
        timeout: Duration,
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
                return Ok(Protocol::Http1);
            }
            self.head = head;
            self.filled += read;
            if self.head[..self.filled] != HTTP2_PREFACE[..self.filled] {
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
            match ready!(Pin::new(accept.as_mut()).poll(context)) {
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
        let read = match self.poll_stream(context) {
            Poll::Ready(Ok(stream)) => Pin::new(stream).poll_read(context, buffer),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if read.is_ready() {
            self.opening = None;
            return read;
        }
        let Some(opening) = &mut self.opening else { return Poll::Pending };
        ready!(opening.as_mut().poll(context));
        self.opening = None;
        let silent = "the client sent nothing after it had connected";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, silent)))
    }
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
        Pin::new(ready!(self.poll_stream(context))?).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(ready!(self.poll_stream(context))?).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(socket) => socket.is_write_vectored(),
            // TLS gathers into its records.
            Stream::Handshake(_) | Stream::Encrypted(_) | Stream::Broken => true,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.poll_stream(context))?).poll_flush(context)
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
        (client, Connection::opening_within(timeout, Box::new(server), Peer::Unix, None))
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
        let (_client, mut connection) = pair(Duration::from_millis(1));
        let error = connection.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
