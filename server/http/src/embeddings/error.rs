//! Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`.

use crate::{codec::push_string, error::HttpError, request_id::Failed};
use axum::response::Response;
use hippocamp_types::Error;
use http::StatusCode;

/// Why a call has no proper answer, and which field of it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct OpenAiError {
    cause: HttpError,
    /// The field.
    param: Option<&'static str>,
    /// For programs.
    code: Option<&'static str>,
}

impl OpenAiError {
    /// A field is wrong; `text` says what was expected and what came.
    pub(crate) fn field(param: &'static str, text: impl Into<String>) -> Self {
        Self { cause: Error::invalid(text.into()).into(), param: Some(param), code: None }
    }

    /// There is no such model, or it is no encoder: 404, which is what clients look for.
    pub(crate) fn model(text: impl Into<String>) -> Self {
        Self {
            cause: Error::not_found(text.into()).into(),
            param: Some("model"),
            code: Some("model_not_found"),
        }
    }

    /// The same in the protocol's own shape, `{"error": "..."}`.
    pub(crate) fn into_http(self) -> HttpError {
        self.cause
    }

    /// The response, with the status of the one table.
    pub(crate) fn into_response(self) -> Response {
        let kind = match self.cause.status() {
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let mut json = b"{\"error\":{\"message\":".to_vec();
        push_string(&mut json, &self.cause.to_string());
        json.extend_from_slice(b",\"type\":");
        push_string(&mut json, kind);
        for (key, value) in [("param", self.param), ("code", self.code)] {
            json.push(b',');
            push_string(&mut json, key);
            json.push(b':');
            match value {
                Some(value) => push_string(&mut json, value),
                None => json.extend_from_slice(b"null"),
            }
        }
        json.extend_from_slice(b"}}");
        let mut response = self.cause.into_response_of(json);
        response.extensions_mut().insert(Failed(None));
        response
    }
}

impl From<HttpError> for OpenAiError {
    fn from(cause: HttpError) -> Self {
        Self { cause, param: None, code: None }
    }
}

impl From<Error> for OpenAiError {
    fn from(cause: Error) -> Self {
        HttpError::from(cause).into()
    }
}
