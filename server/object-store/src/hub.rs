//! A model hub: one repository of it is a store with one model, made of its ONNX file, what that keeps
//! its weights in, and the files of its tokenizer. Speaks the hub's own HTTP API.

use crate::{
    StoreError, Variables,
    counters::Kind,
    digest::Digest,
    http::{Transport, brief, chain},
    listing::{File, Model, Models},
    store::Pieces,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use object_store::client::HttpResponse;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// Bytes of an answer of the API.
const MAX_ANSWER: usize = 32 << 20;

/// Between two attempts, times their number.
const PAUSE: Duration = Duration::from_millis(250);

/// What a tokenizer is made of, whatever kind it is.
const TOKENIZER: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
];

const ADVICE: &str = "if the repository is private or gated, set HF_TOKEN to a token that may read it; if not, check its name";

/// A repository of a hub.
#[derive(Debug)]
pub(crate) struct Hub {
    url: String,
    /// Without a slash at its end.
    base: String,
    repository: String,
    revision: String,
    model: String,
    headers: HeaderMap,
    credentials: &'static str,
    transport: Transport,
    retries: usize,
    timeout: Duration,
}

/// What the API says of a repository; it says more.
#[derive(Debug, Deserialize)]
struct Told {
    /// The commit.
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    /// Some answers call it `oid`.
    #[serde(alias = "oid")]
    sha256: String,
    size: u64,
}

impl Hub {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// If the hub's address or the token cannot be sent.
    pub(crate) fn open(
        url: &str,
        hub_url: &str,
        (owner, model, revision): (&str, &str, &str),
        variables: &Variables,
        transport: Transport,
        retries: usize,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let base = hub_url.trim_end_matches('/');
        let is_base = base.parse::<Uri>().is_ok_and(|base| {
            base.host().is_some() && matches!(base.scheme_str(), Some("http" | "https"))
        });
        if !is_base {
            return Err(StoreError::Variable {
                variable: "the hub's address (--hub-url, HF_ENDPOINT)",
                expected: "http://host or https://host",
                value: hub_url.to_owned(),
            });
        }
        let mut headers = HeaderMap::new();
        let mut credentials = "no token";
        if let Some(token) = variables.get("HF_TOKEN") {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
                    StoreError::Variable {
                        variable: "HF_TOKEN",
                        expected: "a token of printable characters",
                        value: "others".to_owned(),
                    }
                })?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
            credentials = "the token of HF_TOKEN";
        }
        Ok(Self {
            url: url.to_owned(),
            base: base.to_owned(),
            repository: format!("{owner}/{model}"),
            revision: revision.to_owned(),
            model: model_name(model),
            headers,
            credentials,
            transport,
            retries,
            timeout,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The one model, as the revision is now.
    ///
    /// # Errors
    /// If there is no answer, or it holds no ONNX model.
    pub(crate) async fn list(&self) -> Result<Models, StoreError> {
        let path = format!("/api/models/{}/revision/{}?blobs=true", self.repository, self.revision);
        let told = self.again(async || self.api(&path).await).await?;
        let model = self.model_of(told)?;
        Ok(BTreeMap::from([(self.model.clone(), Ok(model))]))
    }

    /// Asks until there is an answer, as often as it is to be tried.
    async fn again<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match ask().await {
                Err(StoreError::Unreachable { .. }) if attempt <= self.retries => {
                    tokio::time::sleep(PAUSE * u32::try_from(attempt).unwrap_or(u32::MAX)).await;
                }
                told => return told,
            }
        }
    }

    async fn api(&self, path: &str) -> Result<Told, StoreError> {
        let answer = self.get(path, &self.headers, Kind::List).await?;
        let answer = self.check(answer, None)?;
        let unread = |error| self.unreachable(&error);
        let mut text = Vec::new();
        let mut pieces = answer.into_body().bytes_stream();
        while let Some(piece) = pieces.try_next().await.map_err(unread)? {
            if text.len() + piece.len() > MAX_ANSWER {
                return Err(self.odd(format!("its list of files has more than {MAX_ANSWER} bytes")));
            }
            text.extend_from_slice(&piece);
        }
        serde_json::from_slice(&text)
            .map_err(|error| self.odd(format!("its list of files is not as expected: {error}")))
    }

    /// Files as a model repository has them: the model and its tokenizer in version 1.
    fn model_of(&self, told: Told) -> Result<Model, StoreError> {
        let commit = told.sha;
        if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self.odd(format!("a commit '{}'", commit.escape_debug())));
        }
        let has = |name: &str| told.siblings.iter().any(|file| file.rfilename == name);
        let within = ["onnx/", ""].into_iter().find(|within| has(&format!("{within}model.onnx")));
        let within = within.ok_or_else(|| StoreError::NoOnnx { url: self.url.clone() })?;
        let mut model = Model::default();
        for file in &told.siblings {
            // Weights that are too large for the model's own file lie beside it under such names.
            let beside = file.rfilename.strip_prefix(within).filter(|name| {
                *name == "model.onnx"
                    || ["model.onnx_data", "model.onnx.data"]
                        .iter()
                        .any(|data| name.strip_prefix(data).is_some_and(|rest| !rest.contains('/')))
            });
            let name = beside.or_else(|| {
                TOKENIZER.contains(&file.rfilename.as_str()).then_some(file.rfilename.as_str())
            });
            let Some(name) = name else { continue };
            let lacking = |what| self.odd(format!("'{}' without {what}", file.rfilename));
            let (size, sha256, tag) = match &file.lfs {
                Some(lfs) => {
                    let sha256 = Digest::parse(&lfs.sha256).ok_or_else(|| lacking("a SHA-256"))?;
                    (lfs.size, Some(sha256), lfs.sha256.clone())
                }
                None => {
                    let size = file.size.ok_or_else(|| lacking("a size"))?;
                    (size, None, file.blob_id.clone().unwrap_or_default())
                }
            };
            // Named with its commit, it is the same for ever.
            let object = format!("{commit}/{}", file.rfilename);
            model.files.insert(format!("1/{name}"), File { object, size, tag, sha256 });
        }
        model.check(&self.url)?;
        Ok(model)
    }

    /// The content of a file from `offset` on.
    ///
    /// # Errors
    /// If it is not there, or there is no answer.
    pub(crate) async fn read(&self, file: &File, offset: u64) -> Result<Pieces, StoreError> {
        let mut headers = self.headers.clone();
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            headers.insert(header::RANGE, range.expect("a number is a header"));
        }
        let path = format!("/{}/resolve/{}", self.repository, encoded(&file.object));
        let ask = async || self.check(self.get(&path, &headers, Kind::Get).await?, Some(file));
        let answer = self.again(ask).await?;
        // Whoever does not heed a range sends all of it.
        let mut skip = if answer.status() == StatusCode::PARTIAL_CONTENT { 0 } else { offset };
        let broken = {
            let (url, attempts, timeout_s) =
                (self.asked(), self.retries + 1, self.timeout.as_secs());
            move |error| StoreError::Unreachable {
                url: url.clone(),
                attempts,
                timeout_s,
                reason: brief(&chain(&error)),
            }
        };
        let pieces =
            answer.into_body().bytes_stream().map_err(broken).map_ok(move |mut piece: Bytes| {
                let skipped = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                skip -= skipped as u64;
                piece.split_off(skipped)
            });
        Ok(pieces.try_filter(|piece| future::ready(!piece.is_empty())).boxed())
    }

    async fn get(
        &self,
        path: &str,
        headers: &HeaderMap,
        kind: Kind,
    ) -> Result<HttpResponse, StoreError> {
        let uri = format!("{}{path}", self.base);
        let uri = uri.parse().map_err(|error| self.odd(format!("no address '{uri}': {error}")))?;
        self.transport.get(uri, headers, kind).await.map_err(|error| self.unreachable(&error))
    }

    /// The answer if it is a success; `file` if it was asked for one.
    fn check(&self, answer: HttpResponse, file: Option<&File>) -> Result<HttpResponse, StoreError> {
        let status = answer.status();
        let told = answer.headers().get("x-error-message").and_then(|told| told.to_str().ok());
        let reason = told.unwrap_or_default().to_owned();
        match (status, file) {
            (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) => Ok(answer),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Err(StoreError::Refused {
                url: self.asked(),
                status: status.as_u16(),
                reason,
                credentials: self.credentials.to_owned(),
                advice: ADVICE,
            }),
            (StatusCode::NOT_FOUND, None) => {
                Err(StoreError::NoStore { url: self.asked(), reason, kind: "repository" })
            }
            (StatusCode::NOT_FOUND, Some(file)) => {
                Err(StoreError::Vanished { url: self.asked(), object: file.object.clone() })
            }
            _ => Err(StoreError::Unreachable {
                url: self.asked(),
                attempts: self.retries + 1,
                timeout_s: self.timeout.as_secs(),
                reason: format!("status {status} {reason}").trim_end().to_owned(),
            }),
        }
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> StoreError {
        StoreError::Unreachable {
            url: self.asked(),
            attempts: self.retries + 1,
            timeout_s: self.timeout.as_secs(),
            reason: brief(&chain(error)),
        }
    }

    /// The repository and the hub, for messages: the hub's address may be what is wrong.
    fn asked(&self) -> String {
        format!("{} at {}", self.url, self.base)
    }

    fn odd(&self, reason: String) -> StoreError {
        StoreError::Answer { url: self.asked(), reason }
    }
}

/// A name that a model repository can hold.
fn model_name(name: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || "_.-".contains(character) { character } else { '_' }
    };
    name.chars().map(plain).collect()
}

/// A path for a URL.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/_.-~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
