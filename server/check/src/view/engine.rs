//! Who would run a model: looked for as the server looks for backends.

use crate::CheckOptions;
use hippocamp_proto::inference as proto;
use std::path::Path;

/// Stands in the configuration of a model that nothing tells a backend for.
pub(super) const NONE: &str = "?";

/// A backend whose file is a Python program.
const PYTHON_RUNTIME: &str = "model.py";

/// Who runs a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The server itself.
    Ensemble,
    /// A backend that is linked in, by its own name.
    Linked(String),
    /// A library or a Python program that was found.
    Found(String),
    /// Nobody.
    Missing(String),
    /// The configuration does not say.
    Unknown,
}

impl Engine {
    pub(crate) fn of(
        config: Option<&proto::ModelConfig>,
        directory: &Path,
        versions: &[u64],
        options: &CheckOptions,
    ) -> Self {
        let Some(config) = config else { return Self::Unknown };
        if config.platform == "ensemble" {
            return Self::Ensemble;
        }
        let asked = config.backend.as_str();
        if asked.is_empty() || asked == NONE || asked.contains(['/', '\0']) || asked == ".." {
            return Self::Unknown;
        }
        let alias = options.aliases.iter().find(|(alias, _)| alias == asked);
        let names = std::iter::once(asked).chain(alias.map(|(_, name)| name.as_str()));
        for name in names {
            if is_found(name, &config.runtime, directory, versions, options) {
                return Self::Found(name.to_owned());
            }
            let default = format!("libtriton_{name}.so");
            if (config.runtime.is_empty() || config.runtime == default)
                && options.backends.iter().any(|linked| linked == name)
            {
                return Self::Linked(name.to_owned());
            }
        }
        Self::Missing(asked.to_owned())
    }

    /// Whether this linked backend runs the model.
    pub(crate) fn is(&self, linked: &str) -> bool {
        matches!(self, Self::Linked(name) if name == linked)
    }
}

fn is_found(
    name: &str,
    runtime: &str,
    directory: &Path,
    versions: &[u64],
    options: &CheckOptions,
) -> bool {
    let library = if runtime.is_empty() || runtime == PYTHON_RUNTIME {
        format!("libtriton_{name}.so")
    } else {
        runtime.to_owned()
    };
    let of_backend = options.backend_directory.join(name);
    let newest = versions.last().map(|version| directory.join(version.to_string()));
    let mut places = newest.iter().map(|path| path.as_path()).chain([directory, &of_backend]);
    places.any(|place| place.join(&library).exists()) || of_backend.join(PYTHON_RUNTIME).exists()
}
