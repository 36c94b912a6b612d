//! Completion as at load, from what the files of each version say.

use super::{Engine, FileState, ModelView, state_of};
use crate::Strictness;
use hippocamp_config::{finish, from_json, merge_auto_completed, to_json};
use hippocamp_proto::inference as proto;
use hippocamp_tract as tract;
use hippocamp_usearch as usearch;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One version that would be served.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) look: Look,
    /// `None` until the files were looked at, or if the backend could not complete it.
    pub(crate) completed: Option<proto::ModelConfig>,
    /// Why the backend could not.
    pub(crate) refusal: Option<String>,
}

/// What a version's files say.
#[derive(Debug)]
pub(crate) enum Look {
    /// They are not there, or of a backend that is not asked.
    Nothing,
    Onnx(Result<Box<tract::Inspection>, tract::LoadError>),
    Index(Result<Box<usearch::Inspection>, usearch::IndexError>),
}

impl Version {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, look: Look::Nothing, completed: None, refusal: None }
    }
}

/// The file that a backend of ours loads, if it is one file.
pub(crate) fn model_file(
    config: &proto::ModelConfig,
    engine: &Engine,
    directory: &Path,
) -> Option<PathBuf> {
    let stated = Some(config.default_model_filename.as_str()).filter(|name| !name.is_empty());
    let default = match engine {
        Engine::Linked(name) => match name.as_str() {
            "tract" => "model.onnx",
            "tokenizer" => "tokenizer.json",
            _ => return None,
        },
        Engine::Ensemble => return None,
        // `m.backend` gets the name of a file that its backend need not have.
        _ if config.name.contains('.') && stated == Some(&format!("model.{}", config.backend)) => {
            return None;
        }
        _ => stated?,
    };
    Some(directory.join(stated.unwrap_or(default)))
}

/// Looks into the files, unless the configuration alone counts, and completes.
pub(crate) fn complete(view: &mut ModelView, strictness: Strictness) {
    let Some(prepared) = view.prepared.clone() else { return };
    let mut versions = std::mem::take(&mut view.versions);
    for version in &mut versions {
        let directory = view.version_directory(version.number);
        if !strictness.config_only {
            version.look = look(&prepared, &view.engine, &directory);
        }
        match completed(&prepared, &version.look) {
            Ok(config) => version.completed = Some(config),
            Err(refusal) => version.refusal = Some(refusal),
        }
    }
    let newest = versions.iter().rev().find_map(|version| version.completed.clone());
    view.completed = Some(newest.unwrap_or_else(|| finish(prepared, &[])));
    view.versions = versions;
}

fn look(config: &proto::ModelConfig, engine: &Engine, directory: &Path) -> Look {
    if engine.is("tract") {
        let Some(path) = model_file(config, engine, directory) else { return Look::Nothing };
        let file = if path.is_dir() { path.join("model.onnx") } else { path };
        return match state_of(&file) {
            FileState::File => Look::Onnx(tract::inspect(&file).map(Box::new)),
            _ => Look::Nothing,
        };
    }
    let is_there = |name| state_of(&directory.join(name)) == FileState::File;
    if engine.is("usearch") && is_there("items.parquet") && is_there("index.usearch") {
        return Look::Index(usearch::inspect(directory).map(Box::new));
    }
    Look::Nothing
}

fn completed(prepared: &proto::ModelConfig, look: &Look) -> Result<proto::ModelConfig, String> {
    let json = json_of(prepared);
    let completed = match look {
        Look::Onnx(Ok(graph)) => graph.complete(&prepared.name, &json),
        Look::Index(Ok(index)) => index.complete(&prepared.name, &json),
        _ => Ok(None),
    };
    let merged = match completed.map_err(|error| error.message().to_owned())? {
        None => prepared.clone(),
        Some(json) => {
            let completed = from_json(&json.to_string()).map_err(|error| error.to_string())?;
            merge_auto_completed(prepared.clone(), completed).map_err(|error| error.to_string())?
        }
    };
    Ok(finish(merged, &[]))
}

/// A configuration as its backend sees it.
pub(crate) fn json_of(config: &proto::ModelConfig) -> Value {
    serde_json::from_str(&to_json(config)).expect("it was written as JSON")
}
