//! Finds what would fail or disappoint in a model repository before it is served, and explains where
//! each line of a model's configuration comes from.
//!
//! [`check`] reads every model ([`view`]), asks every rule of the table in [`rules`], and returns a
//! [`Report`]; nothing is loaded, no engine started, nothing written. It goes by the same functions
//! as a load (`config`, the backends' `inspect`), and goes on where a load stops at the first fault.
//! What only a load can tell (whether a graph can be planned, what a foreign backend completes) it
//! leaves alone. Called by the subcommands `check` and `explain`.
#![forbid(unsafe_code)]

mod explain;
mod finding;
mod options;
mod report;
mod rules;
mod view;

pub use explain::{ExplainError, Explained, explain};
pub use finding::{Finding, Rule, Severity};
pub use options::{CheckOptions, Strictness};
pub use report::Report;
pub use rules::all as rules;

use finding::Findings;
use rules::Context;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use view::{Found, ModelView};

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A repository cannot be listed.
    #[error("cannot read the model repository '{}': {source}", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A repository in a bucket or a hub.
    #[error("'{}' is a URL, expected a directory: download the repository first, and give the directory it lies in", path.display())]
    Url {
        /// As it was given.
        path: PathBuf,
    },
    /// A model was asked for that no repository has.
    #[error("there is no model '{name}' in {}{}", list(roots), did_you_mean(nearest.as_deref()))]
    NoModel {
        /// The model.
        name: String,
        /// Where it was looked for.
        roots: Vec<PathBuf>,
        /// A model that may have been meant.
        nearest: Option<String>,
    },
}

/// Checks the models below `roots`, as `options` say: all, or those that are asked for and the members
/// of their ensembles.
///
/// # Errors
/// If a root cannot be listed, or has no model that was asked for.
pub fn check(roots: &[PathBuf], options: &CheckOptions) -> Result<Report, CheckError> {
    let found = view::scan(roots)?;
    let models = view::read(&found, options)?;
    Ok(judge(&found, &models, options))
}

/// What the rules say of what was read.
fn judge(found: &Found, models: &BTreeMap<String, ModelView>, options: &CheckOptions) -> Report {
    let mut findings = Findings::default();
    rules::repository(found, options, &mut findings);
    let context = Context { options, models };
    for view in models.values() {
        rules::model(&context, view, &mut findings);
    }
    // A link that leads nowhere has no view, and is no member.
    let wanted =
        |name: &str| options.models.is_empty() || models.values().any(|view| view.name == name);
    Report::new(models.len(), findings, wanted)
}

fn list(roots: &[PathBuf]) -> String {
    let shown: Vec<_> =
        roots.iter().map(|root: &PathBuf| Path::display(root).to_string()).collect();
    shown.join(", ")
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(": did you mean '{name}'?"))
}
