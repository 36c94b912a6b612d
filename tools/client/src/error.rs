//! What can go wrong between a client and a server.

use std::fmt;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "the one error of this crate, named with it")]
pub enum Error {
    /// The server answered with an error.
    #[error("{code}: {message}")]
    Status {
        /// What kind of error, as the protocol tells it.
        code: StatusCode,
        /// The server's text.
        message: String,
    },
    /// One request of a stream failed; the stream goes on.
    #[error("request '{id}' of the stream failed: {message}")]
    Request {
        /// The request's id.
        id: String,
        /// The server's text.
        message: String,
    },
    /// There was no answer: no connection, or it broke.
    #[error("cannot reach the server: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server's answer is not what the protocol asks for, or not of the type asked for.
    #[error("cannot read the server's answer: {0}")]
    Decode(String),
    /// The request cannot be sent as asked.
    #[error("cannot write the request: {0}")]
    Encode(String),
}

/// The status of an answer, in the terms of the protocol it came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// Over HTTP, such as 404.
    Http(u16),
    /// Over gRPC, such as `NotFound`.
    Grpc(tonic::Code),
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Grpc(code) => write!(f, "gRPC {code:?}"),
        }
    }
}

impl Error {
    /// The server's text, if the server refused.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Status { message, .. } | Self::Request { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The status, if the server answered with one.
    pub fn code(&self) -> Option<StatusCode> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    pub(crate) fn transport(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transport(cause.into())
    }

    pub(crate) fn decode(reason: impl fmt::Display) -> Self {
        Self::Decode(reason.to_string())
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Status { code: StatusCode::Grpc(status.code()), message: status.message().to_owned() }
    }
}
