//! What the rules look at: each model's configuration as written, prepared and completed, its
//! versions, and what its files say. Reading stops at no fault; the rules tell them.

mod complete;
mod engine;
mod file_state;
mod parse;
mod scan;
mod tensors;

pub(crate) use complete::{Look, Version, complete, json_of, model_file};
pub(crate) use engine::Engine;
pub(crate) use file_state::{FileState, read_text, state_of};
pub(crate) use parse::{config_path, parse};
pub(crate) use scan::{Entry, Found, Model, Root, is_of_a_model, scan};
pub(crate) use tensors::{Tensor, brackets, datatype, inputs, outputs};

use crate::{
    CheckError, CheckOptions, Rule, Severity,
    finding::{Findings, Place},
};
use hippocamp_config::{
    ConfigError, Positions, TextFault, nearest, prepare, select_versions, version_directories,
};
use hippocamp_proto::inference::{
    self as proto, model_config::SchedulingChoice, model_ensembling::Step,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// One model.
#[derive(Debug)]
pub(crate) struct ModelView {
    /// That of its directory.
    pub(crate) name: String,
    /// Its repository, as it was given.
    pub(crate) root: PathBuf,
    pub(crate) directory: PathBuf,
    /// Where its configuration is, or would be.
    pub(crate) config_path: PathBuf,
    pub(crate) positions: Positions,
    /// What is wrong with the text, or with its name and backend.
    pub(crate) faults: Vec<ConfigError>,
    /// Fields whose values were replaced so that reading could go on.
    pub(crate) repaired: Vec<String>,
    /// As written; `None` if the text is no configuration.
    pub(crate) written: Option<proto::ModelConfig>,
    /// With what the directory tells; `None` as above.
    pub(crate) prepared: Option<proto::ModelConfig>,
    /// With what the files of the newest version served tell, and the defaults; `None` as above.
    pub(crate) completed: Option<proto::ModelConfig>,
    /// All numbers, ascending.
    pub(crate) numbers: Vec<u64>,
    /// The versions that the policy selects, ascending.
    pub(crate) versions: Vec<Version>,
    pub(crate) engine: Engine,
}

impl ModelView {
    /// The place of a field in the configuration.
    pub(crate) fn at(&self, path: &str) -> Place {
        Place { file: self.config_path.clone(), position: self.positions.near(path) }
    }

    /// Reports a field, unless its value is not the one that was written.
    pub(crate) fn report(
        &self,
        findings: &mut Findings,
        rule: &'static Rule,
        path: &str,
        message: impl Into<String>,
    ) {
        self.report_as(rule.severity, findings, rule, path, message);
    }

    /// The same with another severity.
    pub(crate) fn report_as(
        &self,
        severity: Severity,
        findings: &mut Findings,
        rule: &'static Rule,
        path: &str,
        message: impl Into<String>,
    ) {
        if !self.is_repaired(path) {
            findings.add_as(severity, rule, Some(&self.name), self.at(path), message);
        }
    }

    /// Reports a file or directory.
    pub(crate) fn report_file(
        &self,
        findings: &mut Findings,
        rule: &'static Rule,
        file: impl Into<PathBuf>,
        message: impl Into<String>,
    ) {
        findings.add(rule, Some(&self.name), file.into().into(), message);
    }

    /// Whether max_batch_size may be meant to be another: it is negative, or a field nearly of its name
    /// stands there instead.
    pub(crate) fn batches_in_doubt(&self) -> bool {
        let written = self.written.as_ref().map_or(0, |config| config.max_batch_size);
        written < 0 || (written == 0 && self.faults.iter().any(is_nearly_max_batch_size))
    }

    /// Whether the field's value was replaced.
    pub(crate) fn is_repaired(&self, path: &str) -> bool {
        self.repaired.iter().any(|repaired| self.positions.same(repaired, path))
    }

    /// The steps of an ensemble; none for anything else.
    pub(crate) fn steps(&self) -> &[Step] {
        steps_of(self.written.as_ref())
    }

    pub(crate) fn is_ensemble(&self) -> bool {
        !self.steps().is_empty()
    }

    /// The configuration as a step of an ensemble means it: that of its `model_version`, if it can be
    /// completed; of the newest for -1, or where the version is not there.
    pub(crate) fn meant(&self, version: i64) -> Option<&proto::ModelConfig> {
        let of_version = self.versions.iter().find(|one| i64::try_from(one.number) == Ok(version));
        of_version.map_or(self.completed.as_ref(), |one| one.completed.as_ref())
    }

    /// A parameter of the completed configuration.
    pub(crate) fn parameter(&self, key: &str) -> Option<&str> {
        parameter(self.completed.as_ref()?, key)
    }

    pub(crate) fn version_directory(&self, version: u64) -> PathBuf {
        self.directory.join(version.to_string())
    }

    /// What makes its files, for the end of a message about one that is missing.
    pub(crate) fn remedy(&self) -> String {
        self.parameter("made_by")
            .map_or_else(String::new, |made_by| format!(" (its files are made by: {made_by})"))
    }
}

/// A parameter of a configuration.
pub(crate) fn parameter<'c>(config: &'c proto::ModelConfig, key: &str) -> Option<&'c str> {
    config.parameters.get(key).map(|parameter| parameter.string_value.as_str())
}

/// Reads every model of `found`; looks into the files of those that are wanted and of their members.
///
/// # Errors
/// If a model that is wanted is not there.
pub(crate) fn read(
    found: &Found,
    options: &CheckOptions,
) -> Result<BTreeMap<String, ModelView>, CheckError> {
    let mut views = BTreeMap::new();
    for (key, model) in found.models(options.namespaces) {
        views.insert(key, read_model(&model, options));
    }
    for name in &options.models {
        if !views.values().any(|view| view.name == *name) {
            return Err(CheckError::NoModel {
                name: name.clone(),
                roots: found.roots.iter().map(|root| root.path.clone()).collect(),
                nearest: nearest(name, views.values().map(|view| view.name.as_str()))
                    .map(str::to_owned),
            });
        }
    }
    let wanted = with_members(&views, &options.models);
    views.retain(|key, _| wanted.contains(key));
    for view in views.values_mut() {
        complete(view, options.strictness);
    }
    Ok(views)
}

/// One model, its files not yet looked into.
fn read_model(model: &Model<'_>, options: &CheckOptions) -> ModelView {
    let Model { name, root, directory } = *model;
    let path = config_path(directory, options.config_name.as_deref());
    let parsed = parse(&path);
    let mut faults = parsed.faults;
    let prepared =
        parsed.config.clone().map(|config| prepared(config, name, directory, &mut faults));
    if options.strictness.config_only {
        // The files would tell.
        faults.retain(|fault| !matches!(fault, ConfigError::NoBackend { .. }));
    }
    let numbers = version_directories(directory).unwrap_or_default();
    let policy = prepared.as_ref().and_then(|config| config.version_policy.as_ref());
    let served = if prepared.is_some() { select_versions(policy, &numbers) } else { Vec::new() };
    let engine = Engine::of(prepared.as_ref(), directory, &served, options);
    ModelView {
        name: name.to_owned(),
        root: root.to_owned(),
        directory: directory.to_owned(),
        config_path: path,
        positions: parsed.positions,
        repaired: parsed.repaired,
        faults,
        written: parsed.config,
        prepared,
        completed: None,
        numbers,
        versions: served.into_iter().map(Version::new).collect(),
        engine,
    }
}

/// Prepared as at load, but past what stops a load.
fn prepared(
    config: proto::ModelConfig,
    name: &str,
    directory: &Path,
    faults: &mut Vec<ConfigError>,
) -> proto::ModelConfig {
    let mut config = config;
    // Two things may be wrong; each is set right once.
    for _ in 0..3 {
        match prepare(config.clone(), name, directory) {
            Ok(prepared) => return prepared,
            Err(fault) => {
                match &fault {
                    ConfigError::DirectoryName { .. } => name.clone_into(&mut config.name),
                    ConfigError::NoBackend { .. } => engine::NONE.clone_into(&mut config.backend),
                    _ => {
                        faults.push(fault);
                        break;
                    }
                }
                faults.push(fault);
            }
        }
    }
    config
}

fn is_nearly_max_batch_size(fault: &ConfigError) -> bool {
    let ConfigError::Text { fault, .. } = fault else { return false };
    let TextFault::UnknownField { path, .. } = &**fault else { return false };
    // `max_batch` and `batchSize` are further from it than a slip of the keys.
    let plain = path.to_ascii_lowercase().replace('_', "");
    !path.contains('.')
        && (nearest(path, ["max_batch_size"]).is_some()
            || plain.contains("batchsize")
            || plain.contains("maxbatch"))
}

fn steps_of(config: Option<&proto::ModelConfig>) -> &[Step] {
    match config.and_then(|config| config.scheduling_choice.as_ref()) {
        Some(SchedulingChoice::EnsembleScheduling(ensemble)) => &ensemble.step,
        _ => &[],
    }
}

/// The model that a step of `view` means: that of its own repository first, where two have one.
pub(crate) fn find<'v>(
    views: &'v BTreeMap<String, ModelView>,
    view: &ModelView,
    name: &str,
) -> Option<(&'v String, &'v ModelView)> {
    let own = scan::qualified(&view.root, name);
    views.get_key_value(&own).or_else(|| views.get_key_value(name))
}

/// The models `named` and all that their steps lead to; all models if none is named.
fn with_members(views: &BTreeMap<String, ModelView>, named: &[String]) -> BTreeSet<String> {
    if named.is_empty() {
        return views.keys().cloned().collect();
    }
    let mut wanted = BTreeSet::new();
    let named = views.iter().filter(|(_, view)| named.contains(&view.name));
    let mut next: Vec<(&String, &ModelView)> = named.collect();
    while let Some((key, view)) = next.pop() {
        if wanted.insert(key.clone()) {
            next.extend(view.steps().iter().filter_map(|step| find(views, view, &step.model_name)));
        }
    }
    wanted
}
