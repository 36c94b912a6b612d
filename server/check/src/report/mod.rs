//! What a check found, and its three forms: text for people, JSON for programs, SARIF for code
//! hosts.

mod json;
mod sarif;
mod text;

use crate::{Finding, Severity, finding::Findings};

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Models that were checked.
    pub models: usize,
    /// By model, then by file and place; what is of no model comes first.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(models: usize, findings: Findings, wanted: impl Fn(&str) -> bool) -> Self {
        let mut findings = findings.all;
        findings.retain(|finding| finding.model.as_deref().is_none_or(&wanted));
        findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.model.clone(), f.file.clone(), f.position, f.severity);
            key(a).cmp(&key(b)).then_with(|| a.rule.id.cmp(b.rule.id))
        });
        Self { models, findings }
    }

    /// Findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether the repository may be served: without errors, and if `strict` without warnings.
    pub fn is_clean(&self, strict: bool) -> bool {
        let worst = if strict { Severity::Warning } else { Severity::Error };
        self.findings.iter().all(|finding| finding.severity > worst)
    }

    /// `1 error, 2 warnings, 0 notes`.
    fn counts(&self) -> String {
        let count = |severity: Severity| {
            let count = self.count(severity);
            format!("{count} {}{}", severity, if count == 1 { "" } else { "s" })
        };
        [Severity::Error, Severity::Warning, Severity::Note].map(count).join(", ")
    }
}
