//! Versions: which there are, and which the policy selects.

use super::Context;
use crate::{Rule, Severity, finding::Findings, view::ModelView};
use hippocamp_config::ConfigError;
use hippocamp_proto::inference::model_version_policy::PolicyChoice;
use std::fs;

const NONE: Rule = Rule {
    id: "no-version",
    severity: Severity::Error,
    summary: "the model has no version",
    help: "A version is a directory named by a number: <model>/1. Ensembles need one too; in git an empty one is kept by a .gitkeep in it.",
};

pub(super) const POLICY: Rule = Rule {
    id: "version-policy",
    severity: Severity::Error,
    summary: "the version policy selects nothing, or versions that are not there",
    help: "A policy that selects nothing is an error; a `specific` version that is missing beside others is a warning.",
};

const NAME: Rule = Rule {
    id: "version-name",
    severity: Severity::Warning,
    summary: "a directory that looks like a version and is none",
    help: "Versions are plain numbers from 1, without leading zeros. Rename it, such as v1 to 1.",
};

pub(super) const RULES: [&Rule; 3] = [&NONE, &POLICY, &NAME];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(config), false) = (&view.prepared, context.options.strictness.config_only) else {
        return;
    };
    let near = misnamed(view);
    for (name, number) in &near {
        let what = match number {
            Some(number) => format!("rename it to {number}"),
            None => "versions are plain numbers from 1".to_owned(),
        };
        let message = format!("directory '{name}' is no version and is not served: {what}");
        view.report_file(findings, &NAME, view.directory.join(name), message);
    }
    if view.numbers.is_empty() {
        let message = format!(
            "the model has no version: expected a directory named by a number, such as '{}'{}",
            view.version_directory(1).display(),
            view.remedy()
        );
        view.report_file(findings, &NONE, &view.directory, message);
        return;
    }
    let choice = config.version_policy.as_ref().and_then(|policy| policy.policy_choice.as_ref());
    let Some(PolicyChoice::Specific(specific)) = choice else { return };
    if !specific.versions.iter().any(|&version| version > 0) {
        // The configuration's own fault, which validation tells.
        return;
    }
    let there = list(&view.numbers);
    if view.versions.is_empty() {
        let message = format!(
            "the policy selects versions {}, of which none is there: there are {there}",
            list(&specific.versions)
        );
        view.report(findings, &POLICY, "version_policy", message);
        return;
    }
    let is_there =
        |version: &&i64| !view.numbers.iter().any(|&n| i64::try_from(n) == Ok(**version));
    for version in specific.versions.iter().filter(is_there) {
        let message = format!("version {version} of the policy is not there: there are {there}");
        view.report_as(Severity::Warning, findings, &POLICY, "version_policy.specific", message);
    }
}

/// What validation says of the policy itself.
pub(super) fn is_own(fault: &ConfigError) -> bool {
    matches!(fault, ConfigError::EmptyVersionPolicy { .. } | ConfigError::NoVersionPolicy { .. })
}

/// Directories that look like versions, with the number that may be meant.
fn misnamed(view: &ModelView) -> Vec<(String, Option<u64>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&view.directory).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !entry.path().is_dir() {
            continue;
        }
        if let Some(number) = nearly_a_version(&name) {
            found.push((name, number));
        }
    }
    found.sort();
    found
}

/// `None` if the name is a version, or nothing like one.
fn nearly_a_version(name: &str) -> Option<Option<u64>> {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let before = &name[..name.len() - digits.len()];
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = matches!(
        before.to_ascii_lowercase().as_str(),
        "" | "v" | "v_" | "v-" | "version" | "version_" | "version-"
    );
    if !plain || !prefix {
        return None;
    }
    if before.is_empty() && !digits.starts_with('0') && digits.parse::<u64>().is_ok() {
        return None;
    }
    Some(digits.parse().ok().filter(|&number| number > 0))
}

fn list<T: ToString>(versions: &[T]) -> String {
    versions.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_versions() {
        let check = |name, expect| assert_eq!(nearly_a_version(name), expect, "{name}");
        check("v1", Some(Some(1)));
        check("Version_2", Some(Some(2)));
        check("01", Some(Some(1)));
        check("0", Some(None));
        check("99999999999999999999", Some(None));
        for name in ["1", "20", "configs", "warmup", "1.0", "1a", "saved_model1", ""] {
            check(name, None);
        }
    }
}
