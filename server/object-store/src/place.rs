//! Where a store is: its URL, taken apart. Buckets are named as Triton names them
//! (`docs/user_guide/model_repository.md` of its server).

use crate::StoreError;

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Amazon's, or a server that speaks its protocol at `endpoint`.
    S3 { endpoint: Option<String>, bucket: String, path: String },
    /// Google Cloud Storage.
    Gs { bucket: String, path: String },
    /// Azure.
    As { account: String, container: String, path: String },
    /// A repository of a model hub.
    Hub { owner: String, model: String, revision: String },
}

/// The forms of URL that [`Place::parse`] takes.
const FORMS: &str = "s3://bucket/path, s3://host:port/bucket/path, s3://https://host:port/bucket/path, \
     gs://bucket/path, as://account/container/path or hf://owner/model[@revision]";

impl Place {
    /// Takes a URL apart. Slashes that are doubled, or at an end, count for nothing.
    ///
    /// # Errors
    /// If it has none of the forms.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong =
            |expected: &str| StoreError::Url { url: url.to_owned(), expected: expected.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(FORMS))?;
        match scheme {
            "s3" => {
                s3(rest).ok_or_else(|| wrong("s3://bucket/path or s3://host:port/bucket/path"))
            }
            "gs" => {
                let (bucket, path) = first(rest);
                let named = !bucket.is_empty();
                named
                    .then_some(Self::Gs { bucket, path })
                    .ok_or_else(|| wrong("gs://bucket/path"))
            }
            "as" => {
                let (account, rest) = first(rest);
                let (container, path) = first(&rest);
                let account =
                    account.strip_suffix(".blob.core.windows.net").unwrap_or(&account).to_owned();
                let named = !account.is_empty() && !container.is_empty();
                named
                    .then_some(Self::As { account, container, path })
                    .ok_or_else(|| wrong("as://account/container/path"))
            }
            "hf" => hub(rest).ok_or_else(|| {
                wrong("hf://owner/model or hf://owner/model@revision, of letters, digits, '.', '_' and '-'")
            }),
            _ => Err(StoreError::Scheme { url: url.to_owned(), known: FORMS }),
        }
    }
}

fn s3(rest: &str) -> Option<Place> {
    let (scheme, rest) = if let Some(rest) = rest.strip_prefix("https://") {
        (Some("https"), rest)
    } else if let Some(rest) = rest.strip_prefix("http://") {
        (Some("http"), rest)
    } else {
        (None, rest)
    };
    let (head, tail) = first(rest);
    let has_port = head.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
    });
    if scheme.is_none() && !has_port {
        let named = !head.is_empty() && !head.contains(':');
        return named.then_some(Place::S3 { endpoint: None, bucket: head, path: tail });
    }
    // As in Triton, a server that names no protocol is spoken to without TLS.
    let endpoint = format!("{}://{head}", scheme.unwrap_or("http"));
    let (bucket, path) = first(&tail);
    (!head.is_empty() && !bucket.is_empty()).then_some(Place::S3 {
        endpoint: Some(endpoint),
        bucket,
        path,
    })
}

fn hub(rest: &str) -> Option<Place> {
    let (name, revision) = rest.split_once('@').unwrap_or((rest, "main"));
    let (owner, model) = name.trim_end_matches('/').split_once('/')?;
    // They become parts of paths of the hub.
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    // A revision may be a branch such as refs/pr/1.
    let revised = revision.split('/').all(plain);
    (plain(owner) && plain(model) && revised).then(|| Place::Hub {
        owner: owner.to_owned(),
        model: model.to_owned(),
        revision: revision.to_owned(),
    })
}

/// The first segment of a path, and the others.
fn first(path: &str) -> (String, String) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default().to_owned();
    (first, segments.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(endpoint: Option<&str>, bucket: &str, path: &str) -> Place {
        let endpoint = endpoint.map(str::to_owned);
        Place::S3 { endpoint, bucket: bucket.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn buckets_are_named_as_in_triton() {
        let check = |url, expect| assert_eq!(Place::parse(url).unwrap(), expect, "{url}");
        check("s3://b", s3(None, "b", ""));
        check("s3://b/", s3(None, "b", ""));
        check("s3://b//a//c/", s3(None, "b", "a/c"));
        check("s3://host:9000/b/a", s3(Some("http://host:9000"), "b", "a"));
        check("s3://127.0.0.1:9000/b", s3(Some("http://127.0.0.1:9000"), "b", ""));
        check("s3://[::1]:9000/b", s3(Some("http://[::1]:9000"), "b", ""));
        check("s3://http://host:9000/b/a", s3(Some("http://host:9000"), "b", "a"));
        check("s3://https://host:9000/b/a", s3(Some("https://host:9000"), "b", "a"));
        check("s3://https://host/b", s3(Some("https://host"), "b", ""));
        check("gs://b/a/c", Place::Gs { bucket: "b".into(), path: "a/c".into() });
        let azure = |account: &str| Place::As {
            account: account.into(),
            container: "c".into(),
            path: "a".into(),
        };
        check("as://acc/c/a", azure("acc"));
        check("as://acc.blob.core.windows.net/c/a", azure("acc"));
    }

    #[test]
    fn repositories_of_a_hub() {
        let hub = |revision: &str| Place::Hub {
            owner: "o".into(),
            model: "m-1.x".into(),
            revision: revision.into(),
        };
        assert_eq!(Place::parse("hf://o/m-1.x").unwrap(), hub("main"));
        assert_eq!(Place::parse("hf://o/m-1.x@v2").unwrap(), hub("v2"));
        assert_eq!(Place::parse("hf://o/m-1.x@refs/pr/1").unwrap(), hub("refs/pr/1"));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for url in [
            "s3://",
            "s3:///",
            "s3://:9000/b",
            "s3://host:9000",
            "s3://https://host",
            "s3://b:x/y",
            "gs://",
            "as://account",
            "hf://model",
            "hf://o/m/x",
            "hf://o/..",
            "hf://o/m@../x",
            "hf://o/m?x",
        ] {
            let refusal = Place::parse(url).unwrap_err().to_string();
            assert!(refusal.contains(url) && refusal.contains("expected"), "{refusal}");
        }
        let unknown = Place::parse("ftp://b").unwrap_err().to_string();
        assert!(unknown.contains("s3://bucket/path") && unknown.contains("hf://"), "{unknown}");
    }
}
