//! SARIF 2.1.0, for code hosts that show findings beside the lines they are of.

use crate::{Finding, Report, rules};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::{Component, Path},
};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

impl Report {
    /// The report as SARIF; files are relative to `base`, the root of the sources.
    pub fn to_sarif(&self, base: &Path) -> Value {
        let index: HashMap<&str, usize> =
            rules().enumerate().map(|(index, rule)| (rule.id, index)).collect();
        let described: Vec<Value> = rules()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "name": rule.id,
                    "shortDescription": { "text": rule.summary },
                    "fullDescription": { "text": format!("{}. {}", rule.summary, rule.help) },
                    "help": { "text": rule.help },
                    "defaultConfiguration": { "level": rule.severity.name() },
                })
            })
            .collect();
        let results: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| result(finding, index[finding.rule.id], base))
            .collect();
        json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "hippocamp check",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": described,
                } },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "where the check ran" } } },
                "results": results,
            }],
        })
    }
}

fn result(finding: &Finding, index: usize, base: &Path) -> Value {
    let uri = uri(finding, base);
    let position = finding.position;
    // Code hosts want a line of every finding.
    let mut region = json!({ "startLine": position.map_or(1, |position| position.line) });
    if let Some(position) = position {
        region["startColumn"] = json!(position.column);
    }
    // Stays the same when lines move.
    let print = fingerprint(&[finding.rule.id, &uri, &finding.message]);
    let mut artifact = json!({ "uri": uri });
    if !uri.starts_with("file:") {
        artifact["uriBaseId"] = json!("%SRCROOT%");
    }
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": finding.severity.name(),
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact,
            "region": region,
        } }],
        "partialFingerprints": { "hippocamp/v1": format!("{print:016x}") },
    })
}

/// FNV-1a: the same number in every build.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The file relative to `base`, as the path of a URI; absolute if it is elsewhere.
fn uri(finding: &Finding, base: &Path) -> String {
    let file = finding.file.strip_prefix(base).unwrap_or(&finding.file);
    let mut uri = if file.is_absolute() { "file://".to_owned() } else { String::new() };
    for part in file.components() {
        let text = match part {
            Component::Normal(name) => name.to_string_lossy(),
            Component::ParentDir => "..".into(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        };
        if !uri.is_empty() {
            uri.push('/');
        }
        for &byte in text.as_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    // The base itself.
    if uri.is_empty() { ".".to_owned() } else { uri }
}
