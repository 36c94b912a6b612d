//! The OpenAPI document, from what stands at the handlers, and Swagger UI.

mod schemas;

pub(crate) use schemas::{
    AcceptedBody, ErrorBody, ExplainForm, ExplainRequest, ExplanationBody, FacetsBody,
    FeedbackRequest, FilmBody, FilmsBody, FoundBody, HealthBody, LiveBody, PredictForm,
    PredictRequest, RecommendationBody,
};

use crate::{error::AppError, routes};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hippocamp films",
        description = "Films like a plot, like films, or like a poster, with reasons. Every inference is a request to a Hippocamp server.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        routes::predict,
        routes::explain,
        routes::films,
        routes::film,
        routes::search,
        routes::facets,
        routes::feedback,
        routes::health,
        routes::live,
        routes::metrics,
        routes::openapi,
    ),
    tags(
        (name = "Recommendations", description = "Films and reasons."),
        (name = "Catalogue", description = "The films that there are."),
        (name = "Feedback", description = "What people did with them."),
        (name = "Health", description = "For probes and Prometheus."),
        (name = "Documentation", description = "This document; as a page under /docs."),
    ),
)]
struct Document;

/// The documents; they do not change while the application runs.
pub(crate) struct Documents {
    openapi: Bytes,
    page: Arc<Config<'static>>,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Documents")
    }
}

impl Documents {
    /// Writes them.
    pub(crate) fn new() -> Self {
        let page = Config::from("/openapi.json")
            .use_base_layout()
            .default_models_expand_depth(0)
            .try_it_out_enabled(true);
        let openapi = Document::openapi();
        let openapi =
            openapi.to_json().expect("the document has no maps with other keys than strings");
        Self { openapi: openapi.into(), page: Arc::new(page) }
    }

    /// `/openapi.json`.
    pub(crate) fn openapi(&self) -> &Bytes {
        &self.openapi
    }

    /// A file of Swagger UI.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(crate) fn file(&self, name: &str) -> Result<Response, AppError> {
        let file =
            utoipa_swagger_ui::serve(name, Arc::clone(&self.page)).map_err(AppError::internal)?;
        let file = file.ok_or_else(|| AppError::NotFound("there is no such file".to_owned()))?;
        let mut response = Response::new(Body::from(file.bytes.into_owned()));
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
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(reference)) = object.get("$ref") {
                        found.insert(
                            reference.trim_start_matches("#/components/schemas/").to_owned(),
                        );
                    }
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(array) => array.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_slice(Documents::new().openapi()).unwrap();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let known: BTreeSet<String> =
            document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(found, known);
        assert!(known.len() > 10);
    }

    #[test]
    fn swagger_ui_has_its_files() {
        let documents = Documents::new();
        for file in ["index.html", "swagger-ui.css", "swagger-ui-bundle.js"] {
            assert!(documents.file(file).is_ok(), "{file}");
        }
        assert_eq!(documents.file("../Cargo.toml").unwrap_err().status(), 404);
    }
}
