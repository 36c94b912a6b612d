//! Repositories that are not directories: buckets and hubs, opened with the flags that are about them,
//! and what is told of them among the metrics.

use crate::{arguments::Arguments, command::WriteManifest};
use anyhow::{anyhow, ensure};
use hippocamp_core::Root;
use hippocamp_object_store::{ObjectStore, StoreOptions, Variables, is_store_url, open};
use std::{path::PathBuf, sync::Arc};

/// `--model-repository`, opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores {
    stores: Vec<Arc<ObjectStore>>,
    /// Those that are directories.
    pub(crate) directories: Vec<PathBuf>,
    /// All of them, in the order they were given.
    pub(crate) roots: Vec<Root>,
}

impl Stores {
    /// Opens what is not a directory; nothing is asked of it yet.
    ///
    /// # Errors
    /// Which URL, credential or cache is wrong.
    pub(crate) fn open(given: &Arguments) -> anyhow::Result<Self> {
        let mut options = StoreOptions::new(Variables::of_this_process());
        if let Some(directory) = &given.model_cache_directory {
            options.cache_directory.clone_from(directory);
        }
        options.cache_bytes = given.model_cache_bytes.unwrap_or(0);
        if let Some(url) = &given.hub_url {
            options.hub_url.clone_from(url);
        }
        let mut stores = Self::default();
        for repository in &given.model_repository {
            match repository.to_str().filter(|text| is_store_url(text)) {
                Some(url) => {
                    let store = open(url, &options)
                        .map_err(|error| anyhow!("--model-repository: {error}"))?;
                    stores.stores.push(Arc::clone(&store));
                    stores.roots.push(Root::Store { url: store.url().to_owned(), store });
                }
                None => {
                    stores.directories.push(repository.clone());
                    stores.roots.push(Root::Directory(repository.clone()));
                }
            }
        }
        for (flag, is_given) in [
            ("--model-cache-directory", given.model_cache_directory.is_some()),
            ("--model-cache-bytes", given.model_cache_bytes.is_some()),
            ("--hub-url", given.hub_url.is_some()),
        ] {
            ensure!(
                !is_given || !stores.stores.is_empty(),
                "{flag} needs a --model-repository that is a bucket or a hub, such as s3://bucket/models"
            );
        }
        Ok(stores)
    }

    /// `metrics`, and those of the stores.
    pub(crate) fn metrics_after(&self, mut metrics: String) -> String {
        const REQUESTS: &str = "hippocamp_object_store_requests_total";
        const BYTES: &str = "hippocamp_object_store_downloaded_bytes_total";
        if self.stores.is_empty() {
            return metrics;
        }
        metrics += &format!(
            "# HELP {REQUESTS} Requests to the buckets and hubs that models come from\n# TYPE {REQUESTS} counter\n"
        );
        for store in &self.stores {
            let url = label(store.url());
            for told in store.requests() {
                let (kind, outcome, count) = (told.kind, told.outcome, told.count);
                metrics += &format!(
                    "{REQUESTS}{{store=\"{url}\",kind=\"{kind}\",outcome=\"{outcome}\"}} {count}\n"
                );
            }
        }
        metrics += &format!(
            "# HELP {BYTES} Bytes of models that came from buckets and hubs\n# TYPE {BYTES} counter\n"
        );
        for store in &self.stores {
            let (url, bytes) = (label(store.url()), store.bytes_downloaded());
            metrics += &format!("{BYTES}{{store=\"{url}\"}} {bytes}\n");
        }
        metrics
    }
}

/// `hippocamp manifest`: the manifest of a directory, as it is uploaded.
///
/// # Errors
/// If the directory cannot be read, or holds what a bucket does not.
pub(crate) fn manifest(wanted: &WriteManifest) -> anyhow::Result<String> {
    let mut manifest = hippocamp_object_store::manifest::of_directory(&wanted.directory)
        .map_err(|error| anyhow!("{error}"))?;
    ensure!(
        !manifest.models.is_empty(),
        "'{}' holds no model: expected the directory above the models, {}",
        wanted.directory.display(),
        "a server that finds an empty manifest unloads all it serves"
    );
    hippocamp_object_store::manifest::check_prefix(&wanted.prefix).map_err(|why| {
        anyhow!(
            "--prefix '{}': {why}; expected a path below the one that is served, such as v7",
            wanted.prefix.escape_debug()
        )
    })?;
    manifest.prefix.clone_from(&wanted.prefix);
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// A text as the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn opened(flags: &[&str]) -> anyhow::Result<Stores> {
        Stores::open(&Arguments::parse_from(["hippocamp"].iter().chain(flags)))
    }

    #[test]
    fn directories_and_buckets_side_by_side() {
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path().to_str().unwrap();
        let stores = opened(&[
            "--model-repository=models",
            "--model-repository=s3://127.0.0.1:9/bucket/models/",
            "--model-cache-directory",
            cache,
        ])
        .unwrap();
        assert_eq!(stores.directories, [PathBuf::from("models")]);
        assert!(
            matches!(&stores.roots[1], Root::Store { url, .. } if url == "s3://127.0.0.1:9/bucket/models")
        );
        let metrics = stores.metrics_after("a 1\n".to_owned());
        let line = r#"hippocamp_object_store_requests_total{store="s3://127.0.0.1:9/bucket/models",kind="list",outcome="answered"} 0"#;
        assert!(
            metrics.starts_with("a 1\n") && metrics.lines().any(|told| told == line),
            "{metrics}"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refusal = |flags: &[&str]| format!("{:#}", opened(flags).unwrap_err());
        let unknown = refusal(&["--model-repository=ftp://host/models"]);
        assert!(
            unknown.contains("--model-repository") && unknown.contains("s3://bucket/path"),
            "{unknown}"
        );
        let alone = refusal(&["--model-repository=models", "--hub-url=http://hub"]);
        assert!(alone.contains("--hub-url needs"), "{alone}");
    }
}
