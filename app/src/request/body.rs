//! Bodies, read to their end within a size and a time.

use crate::error::AppError;
use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request, multipart::MultipartError},
};
use bytes::{Bytes, BytesMut};
use http::header;
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Longest JSON body: ten thousand ids are still read, to be refused by name.
pub(crate) const MOST_JSON_BYTES: usize = 1 << 20;

/// Largest file of a poster.
pub(crate) const MOST_POSTER_BYTES: usize = 10 << 20;

/// What a form has beside its file: boundaries, headers, options.
const FORM_EXTRA: usize = 128 << 10;

/// Of a body that is too large, what is read on and dropped, so that its sender reads the refusal.
const DRAINED: usize = 64 << 20;

/// Time that a body may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A form: a poster and options.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// The file.
    pub(crate) poster: Bytes,
    /// An object; empty if there was none.
    pub(crate) options: Value,
}

/// What a request brings.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// `application/json`.
    Json(Value),
    /// `multipart/form-data`.
    Form(Form),
}

/// Reads JSON or a form. A form takes one of `uploads`, to be held as long as its file.
///
/// # Errors
/// If it is neither, too large, too slow, or broken; or if too many forms are there already.
pub(crate) async fn content(
    uploads: &Semaphore,
    request: Request,
) -> Result<(Content, Option<SemaphorePermit<'_>>), AppError> {
    match content_type(&request).as_str() {
        "multipart/form-data" => {
            let permit = uploads.try_acquire().map_err(|_none_left| {
                AppError::unavailable(
                    "as many posters as this application takes at a time are under way",
                )
            })?;
            Ok((Content::Form(form(request).await?), Some(permit)))
        }
        "application/json" | "" => Ok((Content::Json(json(request).await?), None)),
        other => Err(AppError::MediaType {
            field: "content-type",
            message: format!(
                "expected application/json or multipart/form-data, got '{}'",
                super::fields::cut(other)
            ),
        }),
    }
}

/// Reads JSON.
///
/// # Errors
/// If it is none, too large, too slow, or broken.
pub(crate) async fn json(request: Request) -> Result<Value, AppError> {
    let given = content_type(&request);
    if !matches!(given.as_str(), "application/json" | "") {
        return Err(AppError::MediaType {
            field: "content-type",
            message: format!("expected application/json, got '{}'", super::fields::cut(&given)),
        });
    }
    let body = read(request.into_body(), MOST_JSON_BYTES).await?;
    serde_json::from_slice(&body)
        .map_err(|error| AppError::Invalid(format!("body: expected JSON, got: {error}")))
}

async fn form(request: Request) -> Result<Form, AppError> {
    let (parts, body) = request.into_parts();
    let bytes = read(body, MOST_POSTER_BYTES + FORM_EXTRA).await.map_err(|error| match error {
        AppError::TooLarge { .. } => too_large("more"),
        other => other,
    })?;
    let request = Request::from_parts(parts, Body::from(bytes));
    let mut form = Multipart::from_request(request, &()).await.map_err(|rejection| {
        AppError::Invalid(format!("body: expected multipart/form-data: {rejection}"))
    })?;
    let broken = |error: MultipartError| {
        AppError::Invalid(format!("body: the form cannot be read: {error}; send it again"))
    };
    let (mut poster, mut options) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "poster" if poster.is_none() => poster = Some(field.bytes().await.map_err(broken)?),
            "options" if options.is_none() => options = Some(field.bytes().await.map_err(broken)?),
            "poster" | "options" => {
                return Err(AppError::field(name, "expected once, got it twice"));
            }
            other => {
                return Err(AppError::field(
                    super::fields::cut(other),
                    "no such field; expected 'poster' (a file) and, if you like, 'options' (JSON)",
                ));
            }
        }
    }
    let poster = poster.ok_or_else(|| {
        AppError::field(
            "poster",
            "expected a JPEG, PNG or WebP file in the field 'poster', got none",
        )
    })?;
    if poster.len() > MOST_POSTER_BYTES {
        return Err(too_large(&poster.len().to_string()));
    }
    let options = match options.as_deref() {
        None | Some(b"") => Value::Object(serde_json::Map::new()),
        Some(text) => serde_json::from_slice(text)
            .map_err(|error| AppError::field("options", format!("expected JSON, got: {error}")))?,
    };
    Ok(Form { poster, options })
}

fn too_large(came: &str) -> AppError {
    AppError::TooLarge {
        field: "poster",
        message: format!(
            "expected a file of at most {MOST_POSTER_BYTES} bytes (10 MB), got {came}; send a smaller copy"
        ),
    }
}

/// Without parameters, in lower case; empty if there is none.
fn content_type(request: &Request) -> String {
    let header = request.headers().get(header::CONTENT_TYPE);
    let given = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn read(mut body: Body, most: usize) -> Result<Bytes, AppError> {
    let reading = async {
        let mut bytes = BytesMut::new();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                AppError::Invalid(format!("body: it broke off: {error}; send it again"))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len();
            if length <= most {
                bytes.extend_from_slice(&data);
            } else if length > most + DRAINED {
                break;
            }
        }
        if length > most {
            return Err(AppError::TooLarge {
                field: "body",
                message: format!("expected at most {most} bytes, got more"),
            });
        }
        Ok(bytes.freeze())
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_late| Err(AppError::TooSlow { seconds: PATIENCE.as_secs() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: impl Into<Body>) -> Request {
        http::Request::builder()
            .header("content-type", content_type)
            .body(body.into())
            .expect("it is a request")
    }

    fn part(name: &str, extra: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{extra}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<Content, AppError> {
        let uploads = Semaphore::new(1);
        content(&uploads, request(content_type, body)).await.map(|(content, _)| content)
    }

    async fn refusal(content_type: &str, body: impl Into<Body>) -> (u16, String) {
        let error = read(content_type, body).await.expect_err("it is refused");
        (error.status().as_u16(), error.to_string())
    }

    #[tokio::test]
    async fn json_and_forms() {
        let Ok(Content::Json(value)) = read("application/json; charset=utf-8", "{\"k\":1}").await
        else {
            panic!("it is JSON");
        };
        assert_eq!(value["k"], 1);
        let form = [
            part("poster", "; filename=\"a.jpg\"", b"\xff\xd8 bytes"),
            part("options", "", b"{\"k\":2}"),
            b"--b--\r\n".to_vec(),
        ]
        .concat();
        let Ok(Content::Form(form)) = read("multipart/form-data; boundary=b", form).await else {
            panic!("it is a form");
        };
        assert_eq!((form.poster.as_ref(), &form.options["k"]), (&b"\xff\xd8 bytes"[..], &2.into()));
    }

    #[tokio::test]
    async fn uploads_are_bounded() {
        let uploads = Semaphore::new(0);
        let form = request("multipart/form-data; boundary=b", "");
        assert_eq!(content(&uploads, form).await.expect_err("none is left").status(), 503);
        let json = content(&uploads, request("application/json", "{}")).await;
        assert!(json.is_ok(), "JSON needs none");
    }

    #[tokio::test]
    async fn what_is_refused() {
        assert_eq!(refusal("text/plain", "x").await.0, 415);
        let (status, text) = refusal("application/json", "{").await;
        assert_eq!(status, 400);
        assert!(text.contains("expected JSON, got: EOF"), "{text}");
        let (status, text) = refusal("application/json", vec![b' '; MOST_JSON_BYTES + 1]).await;
        assert_eq!(status, 413);
        assert!(text.contains("at most 1048576 bytes"), "{text}");
        let form = "multipart/form-data; boundary=b";
        let (status, text) = refusal(form, part("poster", "", &vec![0; 11 << 20])).await;
        assert_eq!(status, 413);
        assert!(text.contains("(10 MB)"), "{text}");
        assert_eq!(refusal(form, part("poster", "", b"cut off")).await.0, 400);
        let ended = |part: Vec<u8>| [part, b"--b--\r\n".to_vec()].concat();
        assert!(refusal(form, ended(part("options", "", b"{}"))).await.1.contains("got none"));
        assert!(refusal(form, ended(part("picture", "", b"x"))).await.1.contains("no such field"));
        assert_eq!(refusal("multipart/form-data", "x").await.0, 400);
    }
}
