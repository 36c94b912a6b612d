//! A socket that listens.

use crate::{
    address::Address,
    connection::{Connection, Peer, Socket},
    tls::Tls,
};
use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net::UnixStream as BlockingUnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Pause after a failure to accept, such as too many open files, which only time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where.
    pub address: Address,
    /// Other processes may listen there, too, and share the connections (`SO_REUSEPORT`).
    pub share_port: bool,
    /// With TLS.
    pub tls: Option<Arc<Tls>>,
}

/// The socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system says why.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where.
        address: Address,
        /// Why not.
        error: io::Error,
    },
    /// A server listens there.
    #[error("cannot listen on unix:{}: another process does", .0.display())]
    Taken(PathBuf),
    /// Something that is no socket is there.
    #[error("cannot listen on unix:{}: a file is there that is no socket", .0.display())]
    NoSocket(PathBuf),
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; it goes when its listener does.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and number, by which it is told from another server's at the same path.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: PathBuf) -> Self {
        Self { identity: identity(&path), path }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Somebody else may remove it at this moment.
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Listener {
    /// Binds a socket. A Unix socket that no process listens on any more is replaced.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn bind(options: ListenOptions) -> Result<Self, BindError> {
        let ListenOptions { address, share_port, tls } = options;
        let socket = match &address {
            Address::Tcp(wanted) => {
                let bind = || {
                    let socket =
                        if wanted.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                    socket.set_reuseaddr(true)?;
                    socket.set_reuseport(share_port)?;
                    socket.bind(*wanted)?;
                    socket.listen(BACKLOG)
                };
                bind().map(ListeningSocket::Tcp)
            }
            Address::Unix(path) => {
                make_way(path)?;
                UnixListener::bind(path)
                    .map(|listener| ListeningSocket::Unix(listener, SocketFile::new(path.clone())))
            }
        };
        let socket = socket.map_err(|error| BindError::Bind { address, error })?;
        Ok(Self { socket, tls })
    }

    /// Where this socket listens; a port that was left to the system is known by now.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            ListeningSocket::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// The next connection. Failures of the system are logged and waited out.
    pub async fn accept(&self) -> Connection {
        loop {
            let accepted = match &self.socket {
                ListeningSocket::Tcp(listener) => listener.accept().await.map(|(socket, peer)| {
                    if let Err(error) = socket.set_nodelay(true) {
                        // The peer is gone already; reading from the socket will tell.
                        tracing::debug!(%error, "cannot set TCP_NODELAY");
                    }
                    (Box::new(socket) as Socket, Peer::Tcp(peer))
                }),
                ListeningSocket::Unix(listener, _) => listener
                    .accept()
                    .await
                    .map(|(socket, _)| (Box::new(socket) as Socket, Peer::Unix)),
            };
            match accepted {
                Ok((socket, peer)) => {
                    let acceptor = self.tls.as_ref().map(|tls| tls.acceptor());
                    return Connection::new(socket, peer, acceptor);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Removes a socket that its server left behind.
fn make_way(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Bind { address: Address::Unix(path.to_owned()), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NoSocket(path.to_owned())),
        Ok(_) => match BlockingUnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)
            }
            _ => Err(BindError::Taken(path.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener as BlockingUnixListener;

    fn listen(address: Address) -> Result<Listener, BindError> {
        Listener::bind(ListenOptions { address, share_port: false, tls: None })
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_no_other() {
        let path = std::env::temp_dir().join(format!("hippocamp-net-{}.sock", std::process::id()));
        let address = || Address::Unix(path.clone());
        drop(BlockingUnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it was left behind");
        let first = listen(address()).unwrap();
        assert!(matches!(listen(address()), Err(BindError::Taken(_))));
        drop(first);
        assert!(!path.exists(), "a listener removes its socket");

        let first = listen(address()).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen(address()).unwrap();
        drop(first);
        assert!(path.exists(), "and no other's");
        drop(second);

        fs::write(&path, "not a socket").unwrap();
        assert!(matches!(listen(address()), Err(BindError::NoSocket(_))));
        fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn a_port_is_taken_once_or_shared() {
        let address = Address::new("127.0.0.1", 0).unwrap();
        let first = listen(address).unwrap();
        let taken = first.address().unwrap();
        let error = listen(taken.clone()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");

        let share =
            |address| Listener::bind(ListenOptions { address, share_port: true, tls: None });
        let first = share(Address::new("127.0.0.1", 0).unwrap()).unwrap();
        share(first.address().unwrap()).unwrap();
    }
}
