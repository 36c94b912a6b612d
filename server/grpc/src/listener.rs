//! Connections as they arrive: accepted without delay of small packets, and cut when their age and
//! grace are over (which is more than tonic's own maximum age, that only asks clients to leave).

use crate::options::Keepalive;
use futures_util::stream::{self, Stream};
use hippocamp_net::{Listener, Peer};
use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tonic::transport::server::Connected;

/// The connections of `listener`, for ever.
pub(crate) fn connections(
    listener: Listener,
    keepalive: Keepalive,
) -> impl Stream<Item = Result<Connection, Infallible>> + Send {
    let lifetime = keepalive
        .max_connection_age
        .and_then(|age| Some(age.saturating_add(keepalive.max_connection_age_grace?)));
    stream::unfold(listener, move |listener| async move {
        let socket = listener.accept().await;
        let end = lifetime.map(|lifetime| Box::pin(tokio::time::sleep(lifetime)));
        Some((Ok(Connection { socket, end }), listener))
    })
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: hippocamp_net::Connection,
    /// When the connection is cut.
    end: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection of HTTP/2 always reads, so that this alone ends it.
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            self.end = None;
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the connection's maximum age is over",
            )));
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.socket.peer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use hippocamp_net::{Address, ListenOptions};
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    #[tokio::test]
    async fn a_connection_ends_with_its_grace() {
        let address = Address::new("127.0.0.1", 0).unwrap();
        let options = ListenOptions { address, share_port: false, tls: None };
        let listener = Listener::bind(options).unwrap();
        let Address::Tcp(address) = listener.address().unwrap() else { unreachable!() };
        let keepalive = Keepalive {
            time: Duration::MAX,
            timeout: Duration::MAX,
            max_connection_age: Some(Duration::from_millis(1)),
            max_connection_age_grace: Some(Duration::from_millis(1)),
        };
        let mut connections = Box::pin(connections(listener, keepalive));
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut connection = connections.next().await.unwrap().unwrap();
        client.write_all(b"x").await.unwrap();
        let mut buffer = [0; 8];
        let error = loop {
            if let Err(error) = connection.read(&mut buffer).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
