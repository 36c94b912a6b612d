//! Sockets of the front-ends: TCP and Unix, with and without TLS.
//!
//! The binary binds a [`Listener`] per front-end; a front-end takes [`Connection`]s from it and
//! reads bytes, whatever is below. Nothing here knows a protocol, but for telling HTTP/2 from
//! HTTP/1 by its first bytes ([`Connection::protocol`]).
#![forbid(unsafe_code)]

mod address;
mod connection;
mod listener;
mod tls;

pub use address::{Address, AddressError};
pub use connection::{Connection, Peer, Protocol};
pub use listener::{BindError, ListenOptions, Listener};
pub use tls::{Tls, TlsError, TlsFiles};
