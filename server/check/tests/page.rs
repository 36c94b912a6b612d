//! docs/check.md lists the rules there are, as `--list-rules` does.
#![forbid(unsafe_code)]

use hippocamp_check::{Rule, rules};
use std::{fs, path::Path};

#[test]
fn the_page_lists_the_rules() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/check.md");
    let page = fs::read_to_string(page).unwrap();
    // A page would take <model> for a tag.
    let shown = |text: &str| text.replace('<', "&lt;");
    let row = |rule: &Rule| {
        let (summary, help) = (shown(rule.summary), shown(rule.help));
        format!("| `{}` | {} | {summary} | {help} |\n", rule.id, rule.severity)
    };
    let table: String = rules().map(row).collect();
    let listed: String = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(listed == table, "docs/check.md is to list the rules like this:\n{table}");
}
