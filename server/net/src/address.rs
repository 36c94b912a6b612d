//! Where to listen: a host and a port, or a path.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

/// How an address that is a path begins.
const UNIX: &str = "unix:";

/// Longest path of a Unix socket in bytes: `sun_path` of Linux less its terminating zero.
const LONGEST_PATH: usize = 107;

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address of the network.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

/// This is no address to listen on.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The host has no address.
    #[error("'{host}' is no address to listen on: {error}")]
    Host {
        /// As given.
        host: String,
        /// What the resolver says.
        error: io::Error,
    },
    /// The host is a name without an address.
    #[error("'{0}' has no address to listen on")]
    Empty(String),
    /// The path of a Unix socket is empty or too long.
    #[error(
        "'{path}' is {length} bytes long: expected a path of 1 to {LONGEST_PATH} bytes after 'unix:'"
    )]
    Path {
        /// As given.
        path: String,
        /// Its length in bytes.
        length: usize,
    },
}

impl Address {
    /// Reads `host`, a name or an address, which goes with `port`; or `unix:<path>`, which has none.
    ///
    /// # Errors
    /// What is wrong with `host`.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        if let Some(path) = host.strip_prefix(UNIX) {
            if path.is_empty() || path.len() > LONGEST_PATH {
                return Err(AddressError::Path { path: path.to_owned(), length: path.len() });
            }
            return Ok(Self::Unix(path.into()));
        }
        let mut addresses = (host, port)
            .to_socket_addrs()
            .map_err(|error| AddressError::Host { host: host.to_owned(), error })?;
        addresses.next().map(Self::Tcp).ok_or_else(|| AddressError::Empty(host.to_owned()))
    }

    /// The address that clients on this machine reach this one at.
    #[must_use]
    pub fn reachable(self) -> Self {
        match self {
            Self::Tcp(mut address) if address.ip().is_unspecified() => {
                let loopback: IpAddr = match address {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                };
                address.set_ip(loopback);
                Self::Tcp(address)
            }
            other => other,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths() {
        let check = |host: &str, expect: Result<&str, &str>| {
            let read = Address::new(host, 80).map(|address| address.to_string());
            match (read, expect) {
                (Ok(read), Ok(expect)) => assert_eq!(read, expect),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{host}: {error}");
                }
                (read, _) => panic!("{host}: {read:?}"),
            }
        };
        check("127.0.0.1", Ok("127.0.0.1:80"));
        check("::1", Ok("[::1]:80"));
        check("unix:/run/h.sock", Ok("unix:/run/h.sock"));
        check("unix:", Err("0 bytes long"));
        check(&format!("unix:/{}", "x".repeat(200)), Err("201 bytes long"));
        check("not an address", Err("'not an address' is no address"));
    }

    #[test]
    fn a_wildcard_is_reached_on_the_loopback() {
        let reachable = |host: &str| Address::new(host, 1).unwrap().reachable().to_string();
        assert_eq!(reachable("0.0.0.0"), "127.0.0.1:1");
        assert_eq!(reachable("::"), "[::1]:1");
        assert_eq!(reachable("10.0.0.1"), "10.0.0.1:1");
    }
}
