//! JSON, for programs that read one report.

use crate::{Report, Severity};
use serde_json::{Value, json};

impl Report {
    /// The report as JSON: `summary` and `findings`.
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "rule": finding.rule.id,
                    "severity": finding.severity.name(),
                    "model": finding.model,
                    "file": finding.file.to_string_lossy(),
                    "line": finding.position.map(|position| position.line),
                    "column": finding.position.map(|position| position.column),
                    "message": finding.message,
                })
            })
            .collect();
        json!({
            "summary": {
                "models": self.models,
                "errors": self.count(Severity::Error),
                "warnings": self.count(Severity::Warning),
                "notes": self.count(Severity::Note),
            },
            "findings": findings,
        })
    }
}
