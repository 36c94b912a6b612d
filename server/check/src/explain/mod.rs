//! The configuration that a model would be served with, and where each line of it comes from.

mod origin;
mod print;

use crate::{
    CheckError, CheckOptions, Severity, judge,
    view::{self, Engine, ModelView},
};
use hippocamp_config::ConfigError;
use hippocamp_config::to_json;
use hippocamp_proto::inference as proto;
use print::Line;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Why a configuration cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The repository, or the model's name.
    #[error(transparent)]
    Repository(#[from] CheckError),
    /// The configuration.
    #[error("{0}")]
    Config(String),
}

/// A configuration with its origins.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The model.
    pub model: String,
    /// The version whose files completed it; `None` if there is none.
    pub version: Option<u64>,
    /// As clients would see it.
    pub config: proto::ModelConfig,
    /// What only a load tells, a sentence each.
    pub notes: Vec<String>,
    /// Errors that a check of the model, and of its members, finds.
    pub errors: usize,
    /// The call that tells them.
    pub check: String,
    lines: Vec<Line>,
}

/// Explains the configuration of `model`, which stands below one of `roots`.
///
/// # Errors
/// If there is no such model, or its configuration cannot be read.
pub fn explain(
    roots: &[PathBuf],
    model: &str,
    options: &CheckOptions,
) -> Result<Explained, ExplainError> {
    let options = CheckOptions { models: vec![model.to_owned()], ..options.clone() };
    let found = view::scan(roots)?;
    let views = view::read(&found, &options)?;
    // Of two namespaces' models of one name, that of the repository that was given first.
    let view = views.get(model).expect("read found it");
    if let Some(fault) = view.faults.first() {
        return Err(ExplainError::Config(match fault {
            // Its text names the file.
            ConfigError::Text { .. } | ConfigError::Read { .. } => fault.to_string(),
            other => format!("{}: {other}", view.config_path.display()),
        }));
    }
    let Some(config) = view.completed.clone() else {
        return Err(ExplainError::Config(format!(
            "{} is no configuration",
            view.config_path.display()
        )));
    };
    let lines = print::lines(view, &config);
    let version = view.versions.iter().rev().find(|version| version.completed.is_some());
    let version = version.map(|version| version.number);
    let errors = judge(&found, &views, &options).count(Severity::Error);
    let given: String = roots.iter().map(|root| format!(" {}", root.display())).collect();
    Ok(Explained {
        model: model.to_owned(),
        version,
        notes: notes(view, &config),
        errors,
        check: format!("hippocamp check{given} --model {model}"),
        config,
        lines,
    })
}

fn notes(view: &ModelView, config: &proto::ModelConfig) -> Vec<String> {
    let mut notes: Vec<String> =
        view.versions.iter().filter_map(|version| version.refusal.clone()).collect();
    let backend = match &view.engine {
        Engine::Ensemble => return notes,
        Engine::Linked(name) | Engine::Found(name) | Engine::Missing(name) => name.as_str(),
        Engine::Unknown => config.backend.as_str(),
    };
    for (field, empty) in [("input", config.input.is_empty()), ("output", config.output.is_empty())]
    {
        if empty {
            notes.push(format!("{field}: (completed at load by backend '{backend}')"));
        }
    }
    notes
}

impl Explained {
    /// The configuration as `config.pbtxt`, each line with its origin; it can be served as it is.
    pub fn to_pbtxt(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match &line.origin {
                Some(origin) => {
                    text.push_str(&format!(
                        "{:<width$}  # {origin}\n",
                        line.text,
                        width = print::WIDTH
                    ));
                }
                None => text.push_str(&format!("{}\n", line.text)),
            }
        }
        for note in &self.notes {
            text.push_str(&format!("# {}\n", note.replace(['\n', '\r'], " ")));
        }
        if self.errors > 0 {
            let errors = if self.errors == 1 { "error" } else { "errors" };
            text.push_str(&format!(
                "# would not load as it stands: {} {errors} ({})\n",
                self.errors,
                self.check.replace(['\n', '\r'], " ")
            ));
        }
        text
    }

    /// The same as JSON: `config` in the form of the server's own answer, `origins` by path.
    pub fn to_json(&self) -> Value {
        let origins: Map<String, Value> = self
            .lines
            .iter()
            .filter_map(|line| Some((line.path.clone(), json!(line.origin.as_ref()?))))
            .collect();
        let config: Value =
            serde_json::from_str(&to_json(&self.config)).expect("it was written as JSON");
        json!({
            "model": self.model,
            "version": self.version,
            "config": config,
            "origins": origins,
            "notes": self.notes,
            "errors": self.errors,
        })
    }
}

#[cfg(test)]
mod tests;
