//! How stores are opened.

use std::{collections::BTreeMap, env, fmt, path::PathBuf, time::Duration};

/// What every store of a server is opened with.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where models are kept; made if it is not there. Several processes may share it.
    pub cache_directory: PathBuf,
    /// What is not needed any more is removed once the cache has more bytes; 0 for no limit.
    pub cache_bytes: u64,
    /// The hub that `hf://` names.
    pub hub_url: String,
    /// How long a store may be silent: until it answers, and between two pieces of the answer.
    pub request_timeout: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// The environment: credentials, region, endpoints.
    pub variables: Variables,
}

impl StoreOptions {
    /// The defaults, with what the environment says: `HF_ENDPOINT`, and where caches are.
    pub fn new(variables: Variables) -> Self {
        Self {
            cache_directory: default_cache_directory(&variables),
            cache_bytes: 0,
            hub_url: variables.get("HF_ENDPOINT").unwrap_or("https://huggingface.co").to_owned(),
            request_timeout: Duration::from_secs(30),
            retries: 3,
            variables,
        }
    }
}

/// `$XDG_CACHE_HOME/hippocamp`, `$HOME/.cache/hippocamp`, or a directory for temporary files.
pub fn default_cache_directory(variables: &Variables) -> PathBuf {
    // As the XDG specification has it, a relative path counts for nothing.
    let absolute = |name| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map_or_else(|| env::temp_dir().join("hippocamp-cache"), |caches| caches.join("hippocamp"))
}

/// Environment variables, as they were when they were read. Some are secret, so only names are shown.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process; what is not UTF-8 is left out.
    pub fn of_this_process() -> Self {
        let variables = env::vars_os();
        Self(
            variables
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
