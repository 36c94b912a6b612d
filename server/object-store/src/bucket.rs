//! A bucket, through the library that knows the three kinds; and what its errors mean to a user.

use crate::{
    StoreError, Variables,
    credentials::Access,
    http::{ForObject, Transport, brief, chain},
    listing::{File, MAX_OBJECTS, Object},
    place::Place,
    store::Pieces,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectMeta, ObjectStore as Library, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, path::Path,
};
use std::{sync::Arc, time::Duration};

/// The part of a bucket that is a repository.
#[derive(Debug)]
pub(crate) struct Bucket {
    library: Arc<dyn Library>,
    root: Path,
    url: String,
    /// In words, never the secret.
    credentials: String,
    advice: &'static str,
    attempts: usize,
    timeout: Duration,
}

impl Bucket {
    /// Nothing is asked yet, but for whether this machine is one that credentials come from.
    ///
    /// # Errors
    /// If the credentials are not such, or the path is none.
    pub(crate) fn open(
        url: &str,
        place: &Place,
        variables: &Variables,
        transport: Transport,
        retries: usize,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: retries,
            retry_timeout: (timeout + Duration::from_secs(5))
                .saturating_mul(u32::try_from(retries + 1).unwrap_or(u32::MAX)),
        };
        let opened = |source| StoreError::Open { url: url.to_owned(), source };
        let access = Access::find(url, place, variables)?;
        let (library, path): (Arc<dyn Library>, _) = match place {
            Place::S3 { endpoint, bucket, path } => {
                let mut builder = AmazonS3Builder::new()
                    .with_retry(retry)
                    .with_http_connector(transport)
                    .with_allow_http(true)
                    .with_bucket_name(bucket);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                let builder = access.settings.iter().try_fold(builder, |builder, (key, value)| {
                    Ok(builder.with_config(key.parse()?, value))
                });
                (Arc::new(builder.and_then(AmazonS3Builder::build).map_err(opened)?), path)
            }
            Place::Gs { bucket, path } => {
                let builder = GoogleCloudStorageBuilder::new()
                    .with_retry(retry)
                    .with_http_connector(transport)
                    .with_bucket_name(bucket);
                let builder = access.settings.iter().try_fold(builder, |builder, (key, value)| {
                    Ok(builder.with_config(key.parse()?, value))
                });
                let built = builder.and_then(GoogleCloudStorageBuilder::build);
                (Arc::new(built.map_err(opened)?), path)
            }
            Place::As { account, container, path } => {
                let builder = MicrosoftAzureBuilder::new()
                    .with_retry(retry)
                    .with_http_connector(transport)
                    .with_allow_http(true)
                    .with_account(account)
                    .with_container_name(container);
                let builder = access.settings.iter().try_fold(builder, |builder, (key, value)| {
                    Ok(builder.with_config(key.parse()?, value))
                });
                (Arc::new(builder.and_then(MicrosoftAzureBuilder::build).map_err(opened)?), path)
            }
            Place::Hub { .. } => unreachable!("a hub is no bucket"),
        };
        let root = Path::parse(path).map_err(|source| opened(source.into()))?;
        Ok(Self {
            library,
            root,
            url: url.to_owned(),
            credentials: access.described,
            advice: access.advice,
            attempts: retries + 1,
            timeout,
        })
    }

    /// One that stands in memory.
    #[cfg(test)]
    pub(crate) fn of_library(library: Arc<dyn Library>, root: &str) -> Self {
        Self {
            library,
            root: root.into(),
            url: "s3://memory".to_owned(),
            credentials: "no credentials".to_owned(),
            advice: "",
            attempts: 1,
            timeout: Duration::from_secs(1),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All objects below the repository's path.
    ///
    /// # Errors
    /// If there is no answer, or none that tells them.
    pub(crate) async fn list(&self) -> Result<Vec<Object>, StoreError> {
        let prefix = (self.root != Path::default()).then_some(&self.root);
        let mut found = self.library.list(prefix);
        let mut objects = Vec::new();
        while let Some(object) = found.try_next().await.map_err(|error| self.error(error, None))? {
            if objects.len() == MAX_OBJECTS {
                return Err(StoreError::TooMany {
                    url: self.url.clone(),
                    what: "objects",
                    limit: MAX_OBJECTS,
                });
            }
            // An object of the path's own name is what shows a directory.
            if let Some(name) = within(&self.root, &object.location) {
                objects.push(Object { name, size: object.size, tag: tag(&object) });
            }
        }
        Ok(objects)
    }

    /// The content of a file from `offset` on, if it is still what was listed.
    ///
    /// # Errors
    /// If it is not, or there is no answer.
    pub(crate) async fn read(&self, file: &File, offset: u64) -> Result<Pieces, StoreError> {
        let path = if self.root == Path::default() {
            file.object.clone()
        } else {
            format!("{}/{}", self.root, file.object)
        };
        let mut options = GetOptions {
            range: (offset > 0).then_some(GetRange::Offset(offset)),
            if_match: entity_tag(&file.tag),
            ..GetOptions::default()
        };
        options.extensions.insert(ForObject);
        let path = Path::parse(path).map_err(|error| self.error(error.into(), Some(file)))?;
        let answer = self.library.get_opts(&path, options).await;
        let answer = answer.map_err(|error| self.error(error, Some(file)))?;
        // Not every store that can be asked so heeds it.
        let same_tag = !file.tag.starts_with(ENTITY_TAG)
            || answer.meta.e_tag.is_none()
            || tag(&answer.meta) == file.tag;
        if answer.meta.size != file.size || !same_tag {
            return Err(StoreError::Changed { url: self.url.clone(), object: file.object.clone() });
        }
        let wrong = {
            let (url, attempts, timeout_s) =
                (self.url.clone(), self.attempts, self.timeout.as_secs());
            move |error: object_store::Error| StoreError::Unreachable {
                url: url.clone(),
                attempts,
                timeout_s,
                reason: brief(&chain(&error)),
            }
        };
        Ok(answer.into_stream().map_err(wrong).boxed())
    }

    /// What an error of the library means; `file` if it was about one.
    fn error(&self, error: object_store::Error, file: Option<&File>) -> StoreError {
        use object_store::Error as Library;
        let url = || self.url.clone();
        let refused = |status, error: &object_store::Error| StoreError::Refused {
            url: url(),
            status,
            reason: reason(error),
            credentials: self.credentials.clone(),
            advice: self.advice,
        };
        let status = match &error {
            Library::Unauthenticated { .. } => Some(401),
            Library::PermissionDenied { .. } => Some(403),
            Library::NotFound { .. } => Some(404),
            Library::Precondition { .. } => Some(412),
            // Of a listing it tells the status in words alone.
            Library::Generic { .. } => status_in(&chain(&error)),
            _ => None,
        };
        match (status, file) {
            (Some(status @ (401 | 403)), _) => refused(status, &error),
            (Some(404), None) => {
                StoreError::NoStore { url: url(), reason: reason(&error), kind: "bucket" }
            }
            (Some(404), Some(file)) => {
                StoreError::Vanished { url: url(), object: file.object.clone() }
            }
            (Some(412), Some(file)) => {
                StoreError::Changed { url: url(), object: file.object.clone() }
            }
            _ if matches!(error, Library::InvalidPath { .. }) => {
                StoreError::Answer { url: url(), reason: brief(&chain(&error)) }
            }
            // Another attempt would be answered the same way.
            (Some(status @ 400..500), _) if status != 408 && status != 429 => {
                let reason = match reason(&error) {
                    reason if reason.is_empty() => brief(&chain(&error)),
                    reason => format!("status {status}, {reason}"),
                };
                StoreError::Answer { url: url(), reason }
            }
            _ => StoreError::Unreachable {
                url: url(),
                attempts: self.attempts,
                timeout_s: self.timeout.as_secs(),
                reason: brief(&chain(&error)),
            },
        }
    }
}

/// Before what is an entity tag.
const ENTITY_TAG: &str = "etag ";

/// What stands for the content of an object: its entity tag, or when it was written where a store gives
/// none. Listings and answers of one store differ in the quotes.
fn tag(object: &ObjectMeta) -> String {
    match (&object.e_tag, &object.version) {
        (Some(tag), _) => format!("{ENTITY_TAG}{}", tag.trim_matches('"')),
        (None, Some(version)) => format!("version {version}"),
        (None, None) => format!("of {}", object.last_modified.to_rfc3339()),
    }
}

/// The entity tag that a request can ask for; a weak one never matches.
fn entity_tag(tag: &str) -> Option<String> {
    let tag = tag.strip_prefix(ENTITY_TAG).filter(|tag| !tag.starts_with("W/"))?;
    Some(format!("\"{tag}\""))
}

/// A path below another one.
fn within(root: &Path, path: &Path) -> Option<String> {
    let path = path.as_ref();
    if *root == Path::default() {
        return Some(path.to_owned());
    }
    path.strip_prefix(root.as_ref())?.strip_prefix('/').map(str::to_owned)
}

/// The status that the library's text tells.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The code and the message that a bucket's answer gives, out of its XML.
fn reason(error: &object_store::Error) -> String {
    let text = chain(error);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once('<')?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => String::new(),
    }
}
