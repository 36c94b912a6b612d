//! An index's own words, for tools that look at a model without serving it: its table, its manifest,
//! what they complete of a configuration, and whether that fits. The vectors stay on disk.

use crate::{
    Items, Manifest,
    config::{FACETS, complete, outputs, settings},
    error::IndexError,
    facets::Facets,
    index::check_file,
};
use hippocamp_backend::Error;
use serde_json::Value;
use std::path::Path;

/// An index, looked at.
#[derive(Debug)]
pub struct Inspection {
    /// What it records of itself.
    pub manifest: Manifest,
    items: Items,
}

/// Looks at `index.usearch` and `items.parquet` of a directory, which must belong together.
///
/// # Errors
/// If a file is absent, unreadable or of another build.
pub fn inspect(directory: &Path) -> Result<Inspection, IndexError> {
    let (items, manifest) = Items::read(&directory.join("items.parquet"))?;
    check_file(&directory.join("index.usearch"), &manifest)?;
    Ok(Inspection { manifest, items })
}

impl Inspection {
    /// The configuration with what the backend completes from the index; `None` if nothing is left
    /// out. `config` is in Triton's JSON form.
    ///
    /// # Errors
    /// If a parameter is wrong.
    pub fn complete(&self, model: &str, config: &Value) -> Result<Option<Value>, Error> {
        let facets = self.facets(model, config)?;
        Ok(complete(config, &self.manifest, &self.items.schema(), facets.as_ref()))
    }

    /// Checks a completed configuration as the backend does when it loads the model.
    ///
    /// # Errors
    /// The first disagreement, in the backend's words.
    pub fn validate(&self, model: &str, config: &Value) -> Result<(), Error> {
        settings(model, |key| parameter(config, key).map(str::to_owned))?;
        let facets = self.facets(model, config)?;
        outputs(model, config, &self.manifest, &self.items.schema(), facets.as_ref()).map(drop)
    }

    fn facets(&self, model: &str, config: &Value) -> Result<Option<Facets>, Error> {
        let read = |text| Facets::read(text, self.items.table());
        parameter(config, FACETS).map(read).transpose().map_err(|error| {
            Error::invalid(format!("model '{model}': parameter '{FACETS}': {error}"))
        })
    }
}

fn parameter<'c>(config: &'c Value, key: &str) -> Option<&'c str> {
    config["parameters"][key]["string_value"].as_str()
}
