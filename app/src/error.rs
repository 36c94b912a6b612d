//! The one place where an error becomes a response: `{"error": "...", "field": "..."}`.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

/// Why a request has no proper answer. Texts say what was expected, what came, what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum AppError {
    /// A field of the request is not what it must be.
    #[error("{field}: {message}")]
    Field {
        /// Path of the field, such as `filter.years`.
        field: String,
        /// What was expected, what came.
        message: String,
    },
    /// The request as a whole is not.
    #[error("{0}")]
    Invalid(String),
    /// No such route, or no such film.
    #[error("{0}")]
    NotFound(String),
    /// The route exists, the verb does not.
    #[error("this path does not take {method}; GET /docs lists what there is")]
    MethodNotAllowed {
        /// The verb; those that the route takes are in the header `Allow`.
        method: Method,
    },
    /// The client stopped sending.
    #[error("the body is incomplete: expected all of it within {seconds} s; send it again")]
    TooSlow {
        /// The limit.
        seconds: u64,
    },
    /// More bytes, or more pixels, than are taken.
    #[error("{field}: {message}")]
    TooLarge {
        /// Which field, or `body`.
        field: &'static str,
        /// The limit and what came.
        message: String,
    },
    /// Neither of the content types taken, or a file that is no picture.
    #[error("{field}: {message}")]
    MediaType {
        /// Which field, or `content-type`.
        field: &'static str,
        /// What is taken and what came.
        message: String,
    },
    /// Readable, and refused.
    #[error("{field}: {message}")]
    Refused {
        /// Which field.
        field: &'static str,
        /// Why.
        message: String,
        /// Facts that a client may want as numbers.
        facts: Map<String, Value>,
    },
    /// Not now.
    #[error("{message}; try again in {seconds} s")]
    Unavailable {
        /// What is missing.
        message: String,
        /// When to come again.
        seconds: u64,
    },
    /// A fault of ours; the log knows more.
    #[error("the application failed; its log says why")]
    Internal,
}

impl AppError {
    /// A field that is not what it must be.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { field: field.into(), message: message.into() }
    }

    /// Readable, and refused.
    pub(crate) fn refused(field: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { field, message: message.into(), facts: Map::new() }
    }

    /// Not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), seconds: 2 }
    }

    /// Logs the detail, which is not for clients.
    pub(crate) fn internal(detail: impl std::fmt::Display) -> Self {
        tracing::error!(%detail, "a request failed");
        Self::Internal
    }

    /// The status of the one table.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Field { .. } | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn field_name(&self) -> Option<&str> {
        match self {
            Self::Field { field, .. } => Some(field),
            Self::TooLarge { field, .. }
            | Self::MediaType { field, .. }
            | Self::Refused { field, .. } => Some(field),
            _ => None,
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unavailable { seconds, .. } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*seconds)))
            }
            // The rest of the body would have to be read before the connection could go on.
            Self::TooSlow { .. } => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            _ => None,
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.to_string().into());
        if let Some(field) = self.field_name() {
            body.insert("field".to_owned(), field.into());
        }
        if let Self::Refused { facts, .. } = &self {
            body.extend(facts.clone());
        }
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn statuses_fields_and_headers() {
        let check = async |error: AppError, status: u16, body: &str| {
            let response = error.into_response();
            assert_eq!(response.status().as_u16(), status);
            let headers = response.headers().clone();
            let bytes = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), body);
            headers
        };
        let body = r#"{"error":"k: expected 1","field":"k"}"#;
        check(AppError::field("k", "expected 1"), 400, body).await;
        let headers = check(
            AppError::unavailable("no server"),
            503,
            r#"{"error":"no server; try again in 2 s"}"#,
        )
        .await;
        assert_eq!(headers[header::RETRY_AFTER], "2");
        let facts = Map::from_iter([("is_poster".to_owned(), 0.25.into())]);
        let refused = AppError::Refused { field: "poster", message: "no poster".to_owned(), facts };
        let body = r#"{"error":"poster: no poster","field":"poster","is_poster":0.25}"#;
        check(refused, 422, body).await;
        let put = AppError::MethodNotAllowed { method: Method::PUT };
        let body = r#"{"error":"this path does not take PUT; GET /docs lists what there is"}"#;
        check(put, 405, body).await;
    }
}
