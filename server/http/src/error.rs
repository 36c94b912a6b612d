//! The one place where an error becomes a response.

use axum::{body::Body, response::Response};
use hippocamp_types::{Error, ErrorCode};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

/// Why a request has no proper answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// No such route.
    #[error("Not Found")]
    NotFound,
    /// The route exists, the verb does not.
    #[error("Method Not Allowed")]
    MethodNotAllowed {
        /// What the route takes.
        allow: &'static Method,
    },
    /// `Content-Encoding` is neither gzip nor deflate.
    #[error("Unsupported compression type")]
    ContentEncoding,
    /// The body is larger than `--http-max-input-size`, as announced or as it came.
    #[error(
        "request body of {size} bytes exceeds the maximum allowed input size of {limit} bytes. Use --http-max-input-size to increase the limit."
    )]
    BodyTooLarge {
        /// Announced length, or `more than` the limit.
        size: BodySize,
        /// The limit.
        limit: usize,
    },
    /// The client stopped sending.
    #[error("request body is incomplete: nothing came for {seconds} s")]
    BodyStalled {
        /// The limit between two pieces of a body.
        seconds: u64,
    },
    /// The connection broke, or its framing is no HTTP.
    #[error("request body could not be read: {0}")]
    BodyBroken(String),
    /// What the server, or a codec, says.
    #[error("{0}")]
    Api(#[from] Error),
}

/// How large a body that is too large is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodySize {
    /// As announced.
    Exactly(u64),
    /// Found out while reading.
    MoreThan(usize),
}

impl std::fmt::Display for BodySize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(size) => write!(f, "{size}"),
            Self::MoreThan(size) => write!(f, "more than {size}"),
        }
    }
}

impl HttpError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::BodyTooLarge { .. } | Self::BodyBroken(_) => StatusCode::BAD_REQUEST,
            Self::BodyStalled { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Api(error) => StatusCode::from_u16(error.code().http_status())
                .expect("the status table has valid statuses"),
        }
    }

    /// A header that helps the client on.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        const CLOSE: HeaderValue = HeaderValue::from_static("close");
        match self {
            Self::MethodNotAllowed { allow } => {
                let allow =
                    HeaderValue::from_str(allow.as_str()).expect("methods are valid header values");
                Some((header::ALLOW, allow))
            }
            Self::ContentEncoding => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate")))
            }
            // The rest of the body would have to be read before the connection could go on.
            Self::BodyTooLarge { .. } | Self::BodyStalled { .. } | Self::BodyBroken(_) => {
                Some((header::CONNECTION, CLOSE))
            }
            Self::Api(error) if error.code() == ErrorCode::Unavailable => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            Self::NotFound | Self::Api(_) => None,
        }
    }

    /// The response: `{"error": "..."}` with the status of the one table.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(error_json(&self.to_string())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        response
    }
}

/// `{"error": "..."}`
pub(crate) fn error_json(message: &str) -> Vec<u8> {
    let mut json = b"{\"error\":".to_vec();
    crate::codec::push_string(&mut json, message);
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_headers_follow_the_cause() {
        let check = |error: HttpError, status: u16, header: Option<(HeaderName, &str)>| {
            let response = error.clone().into_response();
            assert_eq!(response.status().as_u16(), status, "{error}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            if let Some((name, value)) = header {
                assert_eq!(response.headers()[name], value, "{error}");
            }
        };
        check(HttpError::NotFound, 404, None);
        check(
            HttpError::MethodNotAllowed { allow: &Method::POST },
            405,
            Some((header::ALLOW, "POST")),
        );
        check(HttpError::ContentEncoding, 501, Some((header::ACCEPT_ENCODING, "gzip, deflate")));
        let too_large = HttpError::BodyTooLarge { size: BodySize::Exactly(9), limit: 8 };
        check(too_large, 400, Some((header::CONNECTION, "close")));
        check(HttpError::BodyStalled { seconds: 60 }, 408, Some((header::CONNECTION, "close")));
        check(Error::invalid("x").into(), 400, None);
        check(Error::not_found("x").into(), 404, None);
        check(Error::internal("x").into(), 500, None);
        check(Error::unsupported("x").into(), 501, None);
        check(Error::unavailable("x").into(), 503, Some((header::RETRY_AFTER, "1")));
        assert_eq!(error_json("a \"b\""), br#"{"error":"a \"b\""}"#);
    }
}
