//! Sockets of the front-ends: TCP and Unix, with and without TLS.
#![forbid(unsafe_code)]
