//! Who a model is: its name.

use super::Context;
use crate::{Rule, Severity, finding::Findings, view::ModelView};
use hippocamp_config::ConfigError;

const DIRECTORY_NAME: Rule = Rule {
    id: "directory-name",
    severity: Severity::Error,
    summary: "the configuration names another model than its directory",
    help: "Directory and name must be equal. `name` may be left out: it is then the directory's.",
};

pub(super) const RULES: [&Rule; 1] = [&DIRECTORY_NAME];

pub(super) fn check(_: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for fault in &view.faults {
        if let ConfigError::DirectoryName { directory, name } = fault {
            let message = format!(
                "the configuration says name: \"{name}\", but the directory is '{directory}': they must be equal; rename \
                 the directory, or leave the name out"
            );
            view.report(findings, &DIRECTORY_NAME, "name", message);
        }
    }
}
