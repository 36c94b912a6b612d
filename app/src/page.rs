//! The page's files: from the binary, or from a directory while somebody works on them.

use crate::error::AppError;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Component, Path, PathBuf},
};

/// Name and content of every file that the binary holds.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// Largest file that is read from a directory.
const MOST_BYTES: u64 = 16 << 20;

/// Kinds of files by the end of their names, and whether they get smaller by compression.
const TYPES: [(&str, &str, bool); 13] = [
    ("html", "text/html; charset=utf-8", true),
    ("css", "text/css; charset=utf-8", true),
    ("js", "text/javascript; charset=utf-8", true),
    ("mjs", "text/javascript; charset=utf-8", true),
    ("json", "application/json", true),
    ("webmanifest", "application/manifest+json", true),
    ("svg", "image/svg+xml", true),
    ("txt", "text/plain; charset=utf-8", true),
    ("png", "image/png", false),
    ("webp", "image/webp", false),
    ("jpg", "image/jpeg", false),
    ("ico", "image/x-icon", false),
    ("woff2", "font/woff2", false),
];

/// The page.
#[derive(Debug)]
pub(crate) enum Page {
    /// As it was when the application was built.
    Embedded(BTreeMap<&'static str, File>),
    /// As it is in this directory.
    Directory(PathBuf),
}

/// A file as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct File {
    content: Bytes,
    /// The same compressed, if that is worth while.
    gzip: Option<Bytes>,
    media_type: &'static str,
    /// In quotes.
    tag: String,
}

impl File {
    fn new(name: &str, content: Bytes) -> Self {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let kind = TYPES.iter().find(|(known, ..)| *known == ending);
        let (media_type, compressible) =
            kind.map_or(("application/octet-stream", false), |(_, media, small)| (*media, *small));
        let digest = Sha256::digest(&content);
        let tag =
            digest.iter().take(12).fold("\"".to_owned(), |tag, byte| format!("{tag}{byte:02x}"));
        let gzip = if compressible { gzip(&content) } else { None };
        Self { gzip, content, media_type, tag: tag + "\"" }
    }

    fn response(&self, headers: &HeaderMap) -> Response {
        let says = |name, what: &str| {
            let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
            value.is_some_and(|value| {
                value.split(',').any(|part| {
                    part.split(';').next().unwrap_or_default().trim().trim_start_matches("W/")
                        == what
                })
            })
        };
        let mut response = Response::new(Body::empty());
        if says(header::IF_NONE_MATCH, &self.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if let Some(gzip) =
            self.gzip.as_ref().filter(|_| says(header::ACCEPT_ENCODING, "gzip"))
        {
            *response.body_mut() = Body::from(gzip.clone());
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        } else {
            *response.body_mut() = Body::from(self.content.clone());
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        // Names stay when contents change, so that browsers ask each time, and are told that
        // nothing did.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

impl Page {
    /// The files of `directory`, or those of the binary.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        directory.map_or_else(
            || {
                let file = |(name, content): &(&'static str, &'static [u8])| {
                    (*name, File::new(name, Bytes::from_static(content)))
                };
                Self::Embedded(FILES.iter().map(file).collect())
            },
            Self::Directory,
        )
    }

    /// The file `name`, such as `index.html`, as `headers` ask for it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn file(&self, name: &str, headers: &HeaderMap) -> Result<Response, AppError> {
        let missing = || AppError::NotFound(format!("there is no file '{name}'"));
        match self {
            Self::Embedded(files) => Ok(files.get(name).ok_or_else(missing)?.response(headers)),
            Self::Directory(directory) => {
                let path = directory.join(name);
                let plain = |part| matches!(part, Component::Normal(_));
                if !Path::new(name).components().all(plain) {
                    return Err(missing());
                }
                let content = tokio::task::spawn_blocking(move || read(&path)).await;
                let content = content.map_err(AppError::internal)?.ok_or_else(missing)?;
                Ok(File::new(name, content.into()).response(headers))
            }
        }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let found = std::fs::metadata(path).ok()?;
    (found.is_file() && found.len() <= MOST_BYTES).then(|| std::fs::read(path).ok())?
}

/// The content compressed, if that makes it smaller.
fn gzip(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < content.len()).then(|| compressed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(
        page: &Page,
        name: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Response, AppError> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("it is text"))
        });
        page.file(name, &headers.collect()).await
    }

    #[tokio::test]
    async fn files_are_sent_once_while_they_stay() {
        let page = Page::new(None);
        let response = get(&page, "index.html", &[]).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(body.starts_with(b"<!"), "a page begins with its doctype");
        let again = get(&page, "index.html", &[("if-none-match", &tag)]).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let old = get(&page, "index.html", &[("if-none-match", "\"0\"")]).await.unwrap();
        assert_eq!(old.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn text_is_compressed_for_those_who_take_it() {
        let page = Page::new(None);
        let response =
            get(&page, "index.html", &[("accept-encoding", "br, gzip;q=0.8")]).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let response = get(&page, "index.html", &[("accept-encoding", "br")]).await.unwrap();
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn only_files_of_the_directory_are_sent() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("page");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("a.css"), "a{}").unwrap();
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        let page = Page::new(Some(inside));
        let response = get(&page, "a.css", &[]).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        for name in ["../secret", "b.css", "/etc/passwd", "", ".", "a.css/../../secret"] {
            assert_eq!(get(&page, name, &[]).await.unwrap_err().status(), 404, "{name}");
        }
    }
}
