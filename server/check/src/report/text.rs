//! The text: a line a finding, `file:line:column:` first so that editors jump there.

use crate::{Finding, Report, Severity};
use std::fmt::Write as _;

const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

impl Report {
    /// Lines for a terminal or a log.
    pub fn to_text(&self, coloured: bool) -> String {
        let mut text = String::new();
        let paint = |code: &str, word: &str| {
            if coloured { format!("{code}{word}{RESET}") } else { word.to_owned() }
        };
        let mut group: Option<Option<&str>> = None;
        for finding in &self.findings {
            let model = finding.model.as_deref();
            if group != Some(model) {
                let blank = if group.is_some() { "\n" } else { "" };
                let heading =
                    model.map_or_else(|| "repository".to_owned(), |name| format!("model {name}"));
                let heading = one_line(&heading);
                push(&mut text, format_args!("{blank}{}\n", paint(BOLD, &heading)));
                group = Some(model);
            }
            let kind = format!("{}[{}]", finding.severity, finding.rule.id);
            let kind = paint(colour(finding.severity), &kind);
            push(
                &mut text,
                format_args!(
                    "{}: {kind}: {}\n",
                    one_line(&place(finding)),
                    one_line(&finding.message)
                ),
            );
        }
        let blank = if self.findings.is_empty() { "" } else { "\n" };
        let models = if self.models == 1 { "model" } else { "models" };
        push(
            &mut text,
            format_args!("{blank}{} {models} checked: {}\n", self.models, self.counts()),
        );
        text
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes any text");
}

fn place(finding: &Finding) -> String {
    let file = finding.file.display();
    finding.position.map_or_else(|| file.to_string(), |position| format!("{file}:{position}"))
}

/// Names may hold anything; a finding is one line.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "\u{1b}[1;31m",
        Severity::Warning => "\u{1b}[1;33m",
        Severity::Note => "\u{1b}[1;36m",
    }
}
