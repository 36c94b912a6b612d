//! The OpenAPI document, and Swagger UI over it; both from the binary.

use super::{Call, Route, json};
use crate::{
    error::HttpError,
    openapi::{self, Body, Docs},
};
use axum::{body, response::Response};
use bytes::Bytes;
use hippocamp_types::Error;
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;
use utoipa_swagger_ui::Config;

const PAGE: Docs = Docs {
    tag: "Documentation",
    summary: "Swagger UI",
    description: "This document as a page, and the files it is made of.",
    request: Body::None,
    response: Body::Page,
    errors: &[],
};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/openapi.json",
        handler: |call| Box::pin(async move { Ok(json(call.front.documents.openapi.clone())) }),
        docs: Docs {
            tag: "Documentation",
            summary: "This document",
            description: "Every route of the server as OpenAPI 3.1.",
            request: Body::None,
            response: Body::Json("OpenApi"),
            errors: &[],
        },
    },
    Route {
        method: Method::GET,
        path: "/docs",
        handler: |_call| Box::pin(async { Ok(to_docs()) }),
        docs: Docs {
            tag: "Documentation",
            summary: "To Swagger UI",
            description: "Leads to `/docs/`, where the page finds its files.",
            request: Body::None,
            response: Body::Redirect,
            errors: &[],
        },
    },
    Route {
        method: Method::GET,
        path: "/docs/",
        handler: |call| Box::pin(async move { call.front.documents.file("index.html") }),
        docs: PAGE,
    },
    Route {
        method: Method::GET,
        path: "/docs/{file}",
        handler: |call: Call| Box::pin(async move { call.front.documents.file(call.name()) }),
        docs: PAGE,
    },
];

fn to_docs() -> Response {
    let mut response = Response::new(body::Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/docs/"));
    response
}

/// The documents that do not change while the server runs.
#[derive(Debug)]
pub(crate) struct Documents {
    openapi: Bytes,
    page: Arc<PageConfig>,
}

/// Swagger UI's own settings.
struct PageConfig(Arc<Config<'static>>);

impl std::fmt::Debug for PageConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageConfig")
    }
}

impl Documents {
    /// Writes them.
    pub(crate) fn new() -> Self {
        let config = Config::from("/openapi.json").use_base_layout().default_models_expand_depth(0);
        Self { openapi: openapi::document(), page: Arc::new(PageConfig(Arc::new(config))) }
    }

    fn file(&self, name: &str) -> Result<Response, HttpError> {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&self.page.0)).map_err(|error| {
            tracing::error!(name, %error, "Swagger UI has a broken file");
            Error::internal("the documentation cannot be shown")
        })?;
        let file = file.ok_or(HttpError::NotFound)?;
        let mut response = Response::new(body::Body::from(file.bytes.into_owned()));
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_str(&file.content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_TYPE, content_type);
        if file.gzpipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_its_files_and_knows_its_document() {
        let documents = Documents::new();
        for file in
            ["index.html", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"]
        {
            assert_eq!(documents.file(file).unwrap().status(), StatusCode::OK, "{file}");
        }
        assert_eq!(documents.file("../Cargo.toml").unwrap_err(), HttpError::NotFound);
        let initializer =
            utoipa_swagger_ui::serve("swagger-initializer.js", Arc::clone(&documents.page.0));
        let initializer = initializer.unwrap().unwrap().bytes.into_owned();
        assert!(String::from_utf8(initializer).unwrap().contains("/openapi.json"));
    }
}
