//! `hippocamp rollback`: asks a running server to go back to what served before.

use crate::command::Rollback;
use anyhow::{Context as _, bail};
use hippocamp_client::{HttpClient, escaped};
use http::Method;
use serde::Deserialize;
use std::time::Duration;
use tokio::{runtime, time::timeout};

/// What the server answers.
#[derive(Deserialize)]
struct Answer {
    models: Vec<Model>,
}

/// One of those that went back.
#[derive(Deserialize)]
struct Model {
    name: String,
    from: Vec<String>,
    to: Vec<String>,
}

/// Returns what is told on success.
///
/// # Errors
/// If the server cannot be reached, or refuses.
pub(crate) fn run(wanted: &Rollback) -> anyhow::Result<String> {
    let path = format!("/v2/repository/models/{}/rollback", escaped(&wanted.model));
    if let Some(by_curl) = by_curl(&wanted.url, &path) {
        bail!(
            "--url: expected http://<host>:<port>, got '{}'; there, ask by: {by_curl}",
            wanted.url
        );
    }
    let client = HttpClient::new(&wanted.url).context("--url")?;
    let headers: Vec<(&str, &str)> =
        wanted.api_key.iter().map(|key| ("x-api-key", key.as_str())).collect();
    let answer = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?
        .block_on(async {
            let asked = client.request(Method::POST, &path, &headers, "");
            timeout(Duration::from_secs(wanted.timeout_secs), asked).await
        })
        .with_context(|| {
            format!(
                "no answer from {} within {} s: it may still be loading what it goes back to, and its log tells when it has; or wait longer (--timeout-secs)",
                wanted.url, wanted.timeout_secs
            )
        })?
        .with_context(|| {
            format!("no answer from {}: is a server there that speaks HTTP, without TLS? (--url)", wanted.url)
        })?;
    if answer.status != 200 {
        bail!(
            "{} answered {}: {}",
            wanted.url,
            answer.status,
            String::from_utf8_lossy(&answer.body).trim()
        );
    }
    let Answer { models } = answer.json().context("the answer is not that of Hippocamp")?;
    let line = |Model { name, from, to }: &Model| {
        format!("went back: {name} from version {} to {}\n", from.join(", "), to.join(", "))
    };
    Ok(models.iter().map(line).collect())
}

/// How to ask a server with curl that listens otherwise than by HTTP over TCP.
fn by_curl(url: &str, path: &str) -> Option<String> {
    if url.starts_with("https://") {
        return Some(format!("curl -X POST {}{path}", url.trim_end_matches('/')));
    }
    let socket = url.strip_prefix("unix:")?;
    Some(format!("curl --unix-socket {socket} -X POST http://localhost{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_cannot_ask_it_tells_how_to() {
        assert_eq!(by_curl("localhost:8000", "/path"), None);
        assert_eq!(by_curl("http://localhost:8000", "/path"), None);
        let told = by_curl("https://films:8000/", "/path").unwrap();
        assert_eq!(told, "curl -X POST https://films:8000/path");
        let told = by_curl("unix:/run/films", "/path").unwrap();
        assert_eq!(told, "curl --unix-socket /run/films -X POST http://localhost/path");
    }
}
