//! Errors as gRPC statuses, by the one status table.

use hippocamp_types::Error;
use tonic::{Code, Status};

/// The status that tells of `error`.
pub(crate) fn from_error(error: &Error) -> Status {
    Status::new(Code::from_i32(error.code().grpc_code()), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::ErrorCode;

    #[test]
    fn codes_are_those_of_the_table() {
        for (code, expect) in [
            (ErrorCode::Unknown, Code::Unknown),
            (ErrorCode::Internal, Code::Internal),
            (ErrorCode::NotFound, Code::NotFound),
            (ErrorCode::InvalidArgument, Code::InvalidArgument),
            (ErrorCode::Unavailable, Code::Unavailable),
            (ErrorCode::Unsupported, Code::Unimplemented),
            (ErrorCode::AlreadyExists, Code::AlreadyExists),
            (ErrorCode::Cancelled, Code::Cancelled),
        ] {
            let status = from_error(&Error::new(code, "why"));
            assert_eq!((status.code(), status.message()), (expect, "why"));
        }
    }
}
