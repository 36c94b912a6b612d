//! The protocol over HTTP/1.1, connections kept alive in a pool.

mod codec;
mod compression;
mod elements;
mod events;

use crate::{
    Error, IndexEntry, InferRequest, InferResult, LoadOverrides, ModelMetadata, ModelStatistics,
    ServerMetadata, StatusCode,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

pub use events::GenerateStream;

/// Longest body of an answer that is read.
const MAX_BODY_BYTES: usize = i32::MAX as usize;

/// A client of one server over HTTP. Cloning it shares its connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base: Uri,
    compressed: bool,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// Such as 200.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl RawResponse {
    /// The header of this name, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is none, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(Error::decode)
    }

    /// The response if its status is a success, else the error it tells of.
    fn successful(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        #[derive(Deserialize)]
        struct Told {
            error: String,
        }
        let message = match self.json::<Told>() {
            Ok(told) => told.error,
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        Err(Error::Status { code: StatusCode::Http(self.status), message })
    }
}

impl HttpClient {
    /// A client of the server at `url`, such as `http://127.0.0.1:8000` or `127.0.0.1:8000`. Nothing
    /// is connected yet.
    ///
    /// # Errors
    /// If the URL is none, or not `http`.
    pub fn new(url: &str) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base: parse_base(url)?, compressed: false })
    }

    /// Compresses the bodies of inference requests with gzip, and accepts such responses.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// Sends any request, well-formed or not, and returns the answer whatever its status. A body
    /// that the server compressed stays so.
    ///
    /// # Errors
    /// If the path or a header cannot be sent, or there is no answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<RawResponse, Error> {
        let response = self.send(method, path, headers, body.into()).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(Error::transport)?;
        Ok(RawResponse {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Incoming>, Error> {
        let mut uri = self.base.clone().into_parts();
        uri.path_and_query = Some(PathAndQuery::try_from(path).map_err(cannot_send)?);
        let mut request =
            Request::builder().method(method).uri(Uri::from_parts(uri).map_err(cannot_send)?);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(cannot_send)?;
        self.client.request(request).await.map_err(Error::transport)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.request(Method::GET, path, &[], Bytes::new()).await?.successful()?.json()
    }

    async fn post(&self, path: &str, body: &Value) -> Result<RawResponse, Error> {
        let headers = [("content-type", "application/json")];
        self.request(Method::POST, path, &headers, body.to_string()).await?.successful()
    }

    /// Whether a health call is answered with a success.
    async fn healthy(&self, path: &str) -> Result<bool, Error> {
        Ok(self.request(Method::GET, path, &[], Bytes::new()).await?.status == 200)
    }

    /// Whether the server runs.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_live(&self) -> Result<bool, Error> {
        self.healthy("/v2/health/live").await
    }

    /// Whether the server takes requests.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_ready(&self) -> Result<bool, Error> {
        self.healthy("/v2/health/ready").await
    }

    /// Whether this version of the model, or the latest, serves.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn is_model_ready(&self, model: &str, version: Option<u64>) -> Result<bool, Error> {
        self.healthy(&format!("{}/ready", model_path(model, version))).await
    }

    /// Name, version and extensions of the server.
    ///
    /// # Errors
    /// If there is no answer, or another one.
    pub async fn server_metadata(&self) -> Result<ServerMetadata, Error> {
        self.get("/v2").await
    }

    /// Inputs, outputs and versions of a model.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn model_metadata(
        &self,
        model: &str,
        version: Option<u64>,
    ) -> Result<ModelMetadata, Error> {
        self.get(&model_path(model, version)).await
    }

    /// The configuration of a model.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn model_config(&self, model: &str, version: Option<u64>) -> Result<Value, Error> {
        self.get(&format!("{}/config", model_path(model, version))).await
    }

    /// Infers.
    ///
    /// # Errors
    /// If the server refuses the request or the model fails.
    pub async fn infer(&self, request: &InferRequest) -> Result<InferResult, Error> {
        let path = format!("{}/infer", model_path(&request.model, request.version));
        let (mut body, json_length) = codec::encode(request)?;
        let json_length = json_length.map(|length| length.to_string());
        let mut headers = Vec::new();
        match &json_length {
            Some(length) => headers.extend([
                (codec::HEADER_LENGTH, length.as_str()),
                ("content-type", "application/octet-stream"),
            ]),
            None => headers.push(("content-type", "application/json")),
        }
        if self.compressed {
            headers.extend([("content-encoding", "gzip"), ("accept-encoding", "gzip")]);
            body = compression::gzip(&body);
        }
        let mut response = self.request(Method::POST, &path, &headers, body).await?;
        if response.header(header::CONTENT_ENCODING.as_str()) == Some("gzip") {
            response.body = compression::gunzip(&response.body, MAX_BODY_BYTES)?;
        }
        let response = response.successful()?;
        let json_length = match response.header(codec::HEADER_LENGTH) {
            Some(length) => Some(length.parse().map_err(Error::decode)?),
            None => None,
        };
        codec::decode(&response.body, json_length)
    }

    /// The generate extension: `inputs` are the model's inputs by name, and parameters.
    ///
    /// # Errors
    /// If the server refuses the request or the model fails.
    pub async fn generate(&self, model: &str, inputs: &Value) -> Result<Value, Error> {
        self.post(&format!("{}/generate", model_path(model, None)), inputs).await?.json()
    }

    /// The generate extension, with a response for each that the model makes.
    ///
    /// # Errors
    /// If the server refuses the request.
    pub async fn generate_stream(
        &self,
        model: &str,
        inputs: &Value,
    ) -> Result<GenerateStream, Error> {
        let path = format!("{}/generate_stream", model_path(model, None));
        let headers = [("content-type", "application/json")];
        let response = self.send(Method::POST, &path, &headers, inputs.to_string().into()).await?;
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Ok(GenerateStream::new(body));
        }
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(Error::transport)?;
        let refusal = RawResponse {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
        };
        Err(refusal
            .successful()
            .err()
            .unwrap_or_else(|| Error::decode("an error with a status of success")))
    }

    /// Every model of the repository, or those that are ready.
    ///
    /// # Errors
    /// If there is no answer, or another one.
    pub async fn index(&self, ready_only: bool) -> Result<Vec<IndexEntry>, Error> {
        self.post("/v2/repository/index", &json!({"ready": ready_only})).await?.json()
    }

    /// Loads a model as it stands in the repository.
    ///
    /// # Errors
    /// If the load fails, or the server does not take such calls.
    pub async fn load(&self, model: &str) -> Result<(), Error> {
        self.load_with(model, &LoadOverrides::default()).await
    }

    /// Loads a model as `overrides` say.
    ///
    /// # Errors
    /// If the load fails, or the server does not take such calls.
    pub async fn load_with(&self, model: &str, overrides: &LoadOverrides) -> Result<(), Error> {
        let mut parameters = Map::new();
        if let Some(config) = &overrides.config {
            parameters.insert("config".to_owned(), config.to_string().into());
        }
        for (path, contents) in &overrides.files {
            parameters.insert(format!("file:{path}"), STANDARD.encode(contents).into());
        }
        let path = format!("/v2/repository/models/{}/load", escaped(model));
        self.post(&path, &json!({"parameters": parameters})).await.map(drop)
    }

    /// Unloads a model; with `unload_dependents`, also the members of the ensemble it is.
    ///
    /// # Errors
    /// If the server does not take such calls.
    pub async fn unload(&self, model: &str, unload_dependents: bool) -> Result<(), Error> {
        let path = format!("/v2/repository/models/{}/unload", escaped(model));
        let body = json!({"parameters": {"unload_dependents": unload_dependents}});
        self.post(&path, &body).await.map(drop)
    }

    /// Statistics of one model, or of all.
    ///
    /// # Errors
    /// If the model is not there.
    pub async fn statistics(
        &self,
        model: Option<&str>,
        version: Option<u64>,
    ) -> Result<Vec<ModelStatistics>, Error> {
        #[derive(Deserialize)]
        struct Told {
            model_stats: Vec<ModelStatistics>,
        }
        let path = match model {
            Some(model) => format!("{}/stats", model_path(model, version)),
            None => "/v2/models/stats".to_owned(),
        };
        self.get::<Told>(&path).await.map(|told| told.model_stats)
    }

    /// The metrics at `/metrics`, as text: on a client of the server's metrics endpoint.
    ///
    /// # Errors
    /// If there is no answer, or it is no text.
    pub async fn metrics(&self) -> Result<String, Error> {
        let response =
            self.request(Method::GET, "/metrics", &[], Bytes::new()).await?.successful()?;
        String::from_utf8(response.body.into()).map_err(Error::decode)
    }
}

fn cannot_send(error: impl Into<http::Error>) -> Error {
    Error::Encode(error.into().to_string())
}

/// Scheme and authority of `url`.
fn parse_base(url: &str) -> Result<Uri, Error> {
    let wrong = |reason: &str| Error::Encode(format!("'{url}' is no URL of a server: {reason}"));
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri =
        full.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong("expected http"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("expected a host"))?.clone();
    Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(cannot_send)
}

fn model_path(model: &str, version: Option<u64>) -> String {
    let mut path = format!("/v2/models/{}", escaped(model));
    if let Some(version) = version {
        write!(path, "/versions/{version}").expect("a string takes any text");
    }
    path
}

/// A name as one segment of a path.
pub fn escaped(segment: &str) -> String {
    let mut escaped = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes any text");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        for url in ["127.0.0.1:8000", "http://127.0.0.1:8000", "http://127.0.0.1:8000/"] {
            assert_eq!(parse_base(url).unwrap(), "http://127.0.0.1:8000/");
        }
        for url in ["", "https://h:1", "http://", "a b"] {
            assert!(matches!(parse_base(url), Err(Error::Encode(_))), "{url}");
        }
    }

    #[test]
    fn names_are_escaped_in_paths() {
        assert_eq!(model_path("a/b é", Some(2)), "/v2/models/a%2Fb%20%C3%A9/versions/2");
        assert_eq!(model_path("m-1_x.y", None), "/v2/models/m-1_x.y");
        assert_eq!(escaped("film_index-2.bow"), "film_index-2.bow");
        assert_eq!(escaped("a/b c?"), "a%2Fb%20c%3F");
    }

    #[test]
    fn errors_tell_the_servers_text() {
        let response = |status, body: &'static str| RawResponse {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let error = response(404, r#"{"error":"no such model"}"#).successful().unwrap_err();
        assert_eq!(error.code(), Some(StatusCode::Http(404)));
        assert_eq!(error.message(), Some("no such model"));
        assert_eq!(error.to_string(), "HTTP 404: no such model");
        assert_eq!(
            response(502, "bad gateway").successful().unwrap_err().message(),
            Some("bad gateway")
        );
        assert!(response(200, "").successful().is_ok());
    }
}
