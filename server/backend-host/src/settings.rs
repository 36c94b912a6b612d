//! What a backend is told on its command line: `--backend-config`, resolved for one backend.

use crate::host::HostOptions;
use serde_json::{Map, Value};

/// The message of `TRITONBACKEND_BackendConfig`: `{"cmdline":{"key":"value",...}}`, values as text.
/// Server-wide settings come first, then those of the names that are served by this backend, then
/// its own.
pub(crate) fn backend_config(options: &HostOptions, backend: &str) -> String {
    let mut cmdline = Map::new();
    let mut set = |key: &str, value: &str| {
        cmdline.insert(key.to_owned(), Value::from(value));
    };
    set("backend-directory", &options.backend_directory.to_string_lossy());
    set("default-max-batch-size", "4");
    set("min-compute-capability", "6.000000");
    let aliases = options
        .aliases
        .iter()
        .filter(|(_, target)| target == backend)
        .map(|(alias, _)| alias.as_str());
    for scope in std::iter::once("").chain(aliases).chain([backend]) {
        for (_, key, value) in options.backend_config.iter().filter(|(of, ..)| of == scope) {
            set(key, value);
        }
    }
    serde_json::json!({ "cmdline": cmdline }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::MonotonicClock;
    use std::sync::Arc;

    #[test]
    fn own_settings_win() {
        let setting = |backend: &str, key: &str, value: &str| {
            (backend.to_owned(), key.to_owned(), value.to_owned())
        };
        let options = HostOptions {
            backend_directory: "/b".into(),
            backend_config: vec![
                setting("tract", "threads", "2"),
                setting("", "threads", "1"),
                setting("onnxruntime", "default-max-batch-size", "8"),
                setting("", "colour", "red"),
                setting("python", "colour", "blue"),
            ],
            builtin: Vec::new(),
            aliases: vec![("onnxruntime".to_owned(), "tract".to_owned())],
            clock: Arc::new(MonotonicClock),
        };
        let config: Value = serde_json::from_str(&backend_config(&options, "tract")).unwrap();
        assert_eq!(
            config["cmdline"],
            serde_json::json!({
                "backend-directory": "/b", "default-max-batch-size": "8",
                "min-compute-capability": "6.000000", "threads": "2", "colour": "red",
            })
        );
    }
}
