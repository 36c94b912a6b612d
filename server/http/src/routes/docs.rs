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
        docs: Docs { errors: &[404], ..PAGE },
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/openapi.json",
        handler: |call| Box::pin(async move { model_document(&call) }),
        docs: Docs {
            tag: "Documentation",
            summary: "The document of one model",
            description: "Its own routes as OpenAPI 3.1: its tensors are in the schemas, and the examples can be sent as they stand.",
            request: Body::None,
            response: Body::Json("OpenApi"),
            errors: &[400, 404],
        },
    },
    Route {
        method: Method::GET,
        path: "/v2/models/{model}/docs",
        handler: |call| Box::pin(async move { model_page(&call) }),
        docs: Docs {
            tag: "Documentation",
            summary: "Swagger UI of one model",
            description: "The document of the model as a page.",
            request: Body::None,
            response: Body::Page,
            errors: &[400, 404],
        },
    },
];

/// Swagger UI over the document that stands beside the page; its files are those of `/docs/`. No path
/// is absolute, so that a proxy may put a prefix before all of them.
const MODEL_PAGE: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Model</title>
  <link rel="stylesheet" href="../../../docs/swagger-ui.css">
  <link rel="icon" type="image/png" href="../../../docs/favicon-32x32.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="../../../docs/swagger-ui-bundle.js"></script>
  <script>
    window.ui = SwaggerUIBundle({
      url: "openapi.json",
      dom_id: "#swagger-ui",
      deepLinking: true,
      defaultModelsExpandDepth: -1,
      tryItOutEnabled: true,
    });
  </script>
</body>
</html>
"##;

fn model_document(call: &Call) -> Result<Response, HttpError> {
    let model = call.front.server.model(call.name(), None)?;
    Ok(json(openapi::document_of(call.name(), &model.config)))
}

fn model_page(call: &Call) -> Result<Response, HttpError> {
    call.front.server.model(call.name(), None)?;
    let mut response = Response::new(body::Body::from(MODEL_PAGE));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    Ok(response)
}

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
        let config = Config::from("/openapi.json")
            .use_base_layout()
            .default_models_expand_depth(0)
            .try_it_out_enabled(true);
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
        for file in [
            "index.html",
            "swagger-ui.css",
            "swagger-ui-bundle.js",
            "swagger-initializer.js",
            "favicon-32x32.png",
        ] {
            assert_eq!(documents.file(file).unwrap().status(), StatusCode::OK, "{file}");
        }
        assert_eq!(documents.file("../Cargo.toml").unwrap_err(), HttpError::NotFound);
        let initializer =
            utoipa_swagger_ui::serve("swagger-initializer.js", Arc::clone(&documents.page.0));
        let initializer = initializer.unwrap().unwrap().bytes.into_owned();
        assert!(String::from_utf8(initializer).unwrap().contains("/openapi.json"));
    }
}
