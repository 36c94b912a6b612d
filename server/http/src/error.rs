//! The one place where an error becomes a response.

use axum::{body::Body, response::Response};
use hippocamp_access::{Refusal, RefusalKind};
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
    #[error("Unsupported compression type: expected gzip, deflate or identity, got '{0}'")]
    ContentEncoding(String),
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
    /// The caller may not do that.
    #[error("{}", in_words(.0))]
    Refused(#[from] Refusal),
    /// What the server, or a codec, says.
    #[error("{0}")]
    Api(#[from] Error),
    /// The same about a request whose id is known.
    #[error("{error}")]
    Request {
        /// The client's id.
        id: String,
        /// What is wrong.
        error: Error,
    },
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

/// The refusal in Triton's words, where it has any.
fn in_words(refusal: &Refusal) -> String {
    match refusal.kind() {
        RefusalKind::Restricted => format!("This API is restricted, {refusal}"),
        RefusalKind::Unauthenticated | RefusalKind::Forbidden => refusal.to_string(),
    }
}

impl HttpError {
    /// The status of the one table.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentEncoding(_) => StatusCode::NOT_IMPLEMENTED,
            Self::BodyTooLarge { .. } | Self::BodyBroken(_) => StatusCode::BAD_REQUEST,
            Self::BodyStalled { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Refused(refusal) => match refusal.kind() {
                RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
                RefusalKind::Restricted | RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            },
            Self::Api(error) | Self::Request { error, .. } => {
                StatusCode::from_u16(error.code().http_status())
                    .expect("the status table has valid statuses")
            }
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
            Self::ContentEncoding(_) => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate")))
            }
            // The rest of the body would have to be read before the connection could go on.
            Self::BodyTooLarge { .. } | Self::BodyStalled { .. } | Self::BodyBroken(_) => {
                Some((header::CONNECTION, CLOSE))
            }
            Self::Api(error) | Self::Request { error, .. }
                if error.code() == ErrorCode::Unavailable =>
            {
                Some((header::RETRY_AFTER, HeaderValue::from_static("1")))
            }
            Self::Refused(refusal) if refusal.kind() == RefusalKind::Unauthenticated => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::NotFound | Self::Refused(_) | Self::Api(_) | Self::Request { .. } => None,
        }
    }

    /// `error` about the request that its client calls `id`, which may be empty.
    pub(crate) fn of_request(id: String, error: Error) -> Self {
        if id.is_empty() { Self::Api(error) } else { Self::Request { id, error } }
    }

    /// The id of the request that this is about, as far as it is known.
    pub(crate) fn request_id(&self) -> Option<&str> {
        if let Self::Request { id, .. } = self { Some(id) } else { None }
    }

    /// The response: `{"error": "..."}` with the status of the one table.
    pub(crate) fn into_response(self) -> Response {
        let json = error_json(&self.to_string());
        self.into_response_of(json)
    }

    /// The response with a JSON body that says the same in another shape.
    pub(crate) fn into_response_of(self, json: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(json));
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
        let accepted = Some((header::ACCEPT_ENCODING, "gzip, deflate"));
        check(HttpError::ContentEncoding("br".to_owned()), 501, accepted);
        let too_large = HttpError::BodyTooLarge { size: BodySize::Exactly(9), limit: 8 };
        check(too_large, 400, Some((header::CONNECTION, "close")));
        check(HttpError::BodyStalled { seconds: 60 }, 408, Some((header::CONNECTION, "close")));
        check(Error::invalid("x").into(), 400, None);
        check(Error::not_found("x").into(), 404, None);
        check(Error::internal("x").into(), 500, None);
        check(Error::unsupported("x").into(), 501, None);
        check(Error::unavailable("x").into(), 503, Some((header::RETRY_AFTER, "1")));
        let request = |error| HttpError::of_request("1".to_owned(), error);
        check(request(Error::unavailable("x")), 503, Some((header::RETRY_AFTER, "1")));
        let restricted = HttpError::Refused(Refusal::Restricted { header: "k".to_owned() });
        assert_eq!(restricted.to_string(), "This API is restricted, expecting header 'k'");
        check(restricted, 403, None);
        check(Refusal::NoKey.into(), 401, Some((header::WWW_AUTHENTICATE, "Bearer")));
        check(Refusal::All { key: "k".to_owned() }.into(), 403, None);
        assert_eq!(error_json("a \"b\""), br#"{"error":"a \"b\""}"#);
    }
}
