//! Why a region is not registered, not found, or not read or written; in Triton's words where it has
//! some.

use crate::{
    copies::MAX_COPIED_BYTES,
    object::{MAX_NAME_BYTES, RESERVED_PREFIX},
    regions::MAX_REGIONS,
};
use hippocamp_types::{Error, ErrorCode};
use rustix::io::Errno;

/// Why a region is not registered, not found, or not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages tell")]
pub enum ShmError {
    #[error(
        "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
    )]
    Disabled,
    #[error("'region name' is necessary to register {kind} shared memory region")]
    NoName { kind: &'static str },
    #[error(
        "the {what} of a shared memory region has {bytes} bytes: expected 1 to {MAX_NAME_BYTES}"
    )]
    Length { what: &'static str, bytes: usize },
    #[error("shared memory region '{0}' already in manager")]
    AlreadyExists(String),
    #[error(
        "cannot register shared memory region '{region}': {MAX_REGIONS} are registered, which is the limit; unregister some"
    )]
    TooMany { region: String },
    #[error(
        "cannot register shared memory region '{region}' - invalid shm key '{key}': expected one name, with or without a slash before it"
    )]
    Key { region: String, key: String },
    #[error(
        "cannot register shared memory region '{region}' with key '{key}' as the key contains the reserved prefix '{RESERVED_PREFIX}'"
    )]
    Reserved { region: String, key: String },
    #[error("Unable to open shared memory region: '{key}': {reason}")]
    Open { key: String, reason: Errno },
    #[error("Invalid shared memory region: '{key}': it is no object of shared memory")]
    NoObject { key: String },
    #[error(
        "failed to register shared memory region '{region}': invalid args: expected offset + byte_size, of which the latter is not 0, within the {object} bytes of the object, got {offset} + {byte_size}"
    )]
    Bounds { region: String, object: u64, offset: u64, byte_size: u64 },
    #[error("failed to register CUDA shared memory region: '{0}', GPUs not supported")]
    Cuda(String),
    #[error("Unable to find {kind}shared memory region: '{region}'")]
    Unknown { kind: &'static str, region: String },
    #[error("The region named '{0}' is registered as system shared memory, not CUDA shared memory")]
    NotCuda(String),
    #[error(
        "Invalid offset for shared memory region: '{region}': expected less than its {size} bytes, got {offset}"
    )]
    Offset { region: String, size: u64, offset: u64 },
    #[error(
        "Invalid offset + byte size for shared memory region: '{region}': expected at most its {size} bytes, got {offset} + {byte_size}"
    )]
    End { region: String, size: u64, offset: u64, byte_size: u64 },
    #[error(
        "shared memory region '{0}' is smaller than when it was registered: its object was truncated; register it anew"
    )]
    Truncated(String),
    #[error("shared memory region '{region}' cannot be {what}: {reason}")]
    Io { region: String, what: &'static str, reason: Errno },
    #[error(
        "an input of {byte_size} bytes in shared memory does not fit now: inputs of {live} bytes are in use, and at most {MAX_COPIED_BYTES} may be"
    )]
    Memory { byte_size: usize, live: usize },
    #[error(
        "shared memory size specified with the request for output '{output}' ({given} bytes) should be at least {needed} bytes to hold the results"
    )]
    OutputTooLarge { output: String, given: u64, needed: usize },
}

impl ShmError {
    /// Which kind of error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Disabled => ErrorCode::Unsupported,
            Self::AlreadyExists(_) => ErrorCode::AlreadyExists,
            Self::Unknown { .. } | Self::NotCuda(_) => ErrorCode::NotFound,
            Self::TooMany { .. } | Self::Memory { .. } => ErrorCode::Unavailable,
            Self::NoName { .. }
            | Self::Length { .. }
            | Self::Key { .. }
            | Self::Reserved { .. }
            | Self::Open { .. }
            | Self::NoObject { .. }
            | Self::Bounds { .. }
            | Self::Cuda(_)
            | Self::Offset { .. }
            | Self::End { .. }
            | Self::Truncated(_)
            | Self::Io { .. }
            | Self::OutputTooLarge { .. } => ErrorCode::InvalidArgument,
        }
    }
}

impl From<ShmError> for Error {
    fn from(error: ShmError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
