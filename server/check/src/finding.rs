//! One finding, the rule it breaks, and where findings are gathered.

use hippocamp_config::Position;
use std::{fmt, path::PathBuf};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model does not load, or does not answer.
    Error,
    /// It loads, and does not do what the configuration seems to ask for.
    Warning,
    /// Worth knowing.
    Note,
}

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// In kebab-case; stable.
    pub id: &'static str,
    /// Of its findings, where a finding does not say otherwise.
    pub severity: Severity,
    /// What is wrong, in a line.
    pub summary: &'static str,
    /// Why it matters and what to do.
    pub help: &'static str,
}

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The model; `None` for what is in no model.
    pub model: Option<String>,
    /// The file or directory, below the repository's path as it was given.
    pub file: PathBuf,
    /// Where in the file, if it is text.
    pub position: Option<Position>,
    /// What was expected, what came, what to do.
    pub message: String,
}

/// Where a finding is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) position: Option<Position>,
}

/// Findings so far, each once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) all: Vec<Finding>,
}

impl Findings {
    /// Adds a finding with its rule's severity.
    pub(crate) fn add(
        &mut self,
        rule: &'static Rule,
        model: Option<&str>,
        place: Place,
        message: impl Into<String>,
    ) {
        self.add_as(rule.severity, rule, model, place, message);
    }

    /// The same with another severity.
    pub(crate) fn add_as(
        &mut self,
        severity: Severity,
        rule: &'static Rule,
        model: Option<&str>,
        place: Place,
        message: impl Into<String>,
    ) {
        let (message, Place { file, position }) = (message.into(), place);
        let model = model.map(str::to_owned);
        let finding = Finding { rule, severity, model, file, position, message };
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    /// Whether a model has an error so far.
    pub(crate) fn has_error(&self, model: &str) -> bool {
        let of = |finding: &&Finding| finding.model.as_deref() == Some(model);
        self.all.iter().filter(of).any(|finding| finding.severity == Severity::Error)
    }
}

impl From<PathBuf> for Place {
    fn from(file: PathBuf) -> Self {
        Self { file, position: None }
    }
}

impl Severity {
    /// As in SARIF and in the text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
