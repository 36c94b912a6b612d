//! The error that crosses crate boundaries, and the one table from its code to each protocol.

use std::fmt;

/// Triton's error codes; numbered as in the backend C API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Triton's")]
pub enum ErrorCode {
    Unknown = 0,
    Internal = 1,
    NotFound = 2,
    InvalidArgument = 3,
    Unavailable = 4,
    Unsupported = 5,
    AlreadyExists = 6,
    Cancelled = 7,
}

impl ErrorCode {
    /// The code with this number; [`ErrorCode::Unknown`] for one that Triton does not have.
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::NotFound,
            3 => Self::InvalidArgument,
            4 => Self::Unavailable,
            5 => Self::Unsupported,
            6 => Self::AlreadyExists,
            7 => Self::Cancelled,
            _ => Self::Unknown,
        }
    }

    /// Status of an HTTP answer.
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// Numeric code of a gRPC status.
    pub const fn grpc_code(self) -> i32 {
        self.row().2
    }

    /// The name that Triton prints.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The one status table: Triton's name, HTTP status, gRPC code.
    const fn row(self) -> (&'static str, u16, i32) {
        match self {
            Self::Unknown => ("Unknown", 400, 2),
            Self::Internal => ("Internal", 500, 13),
            Self::NotFound => ("Not found", 404, 5),
            Self::InvalidArgument => ("Invalid argument", 400, 3),
            Self::Unavailable => ("Unavailable", 503, 14),
            Self::Unsupported => ("Unsupported", 501, 12),
            Self::AlreadyExists => ("Already exists", 400, 6),
            Self::Cancelled => ("Cancelled", 400, 1),
        }
    }
}

/// What went wrong, in a sentence for the client: what was expected, what came, what to do.
/// Detail that a client must not see goes to the log where it arises.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::error_impl_error,
    reason = "the one error of the seams, as `std::io::Error` is of its own"
)]
pub struct Error {
    code: ErrorCode,
    message: String,
}

impl Error {
    /// An error of this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The request is at fault.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// The named thing does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// Not now; the same request may work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// The server does not offer this.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unsupported, message)
    }

    /// The server is at fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// Nobody waits for the answer any more.
    pub fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "request was cancelled")
    }

    /// Which kind of error.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The text for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error, its text behind `prefix`.
    #[must_use]
    pub fn context(self, prefix: impl fmt::Display) -> Self {
        Self { message: format!("{prefix}{}", self.message), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
