//! Links: the server refuses those that lead out of the repository.

use crate::{CheckOptions, Rule, Severity, finding::Findings, view::Found};
use std::{
    fs,
    path::{Path, PathBuf},
};

const LEADS_OUT: Rule = Rule {
    id: "link-leads-out",
    severity: Severity::Error,
    summary: "a link leads out of the repository",
    help: "The server refuses the model: whoever may write into a repository is not to read other files. Copy the file, or mount its directory into the repository; with --allow-external-links links may lead out.",
};

const DANGLING: Rule = Rule {
    id: "link-dangling",
    severity: Severity::Error,
    summary: "a link leads to nothing",
    help: "The server cannot read the model's files and refuses it. Restore what the link leads to, or remove the link.",
};

pub(super) const RULES: [&Rule; 2] = [&LEADS_OUT, &DANGLING];

/// Deeper directories are not searched.
const MAX_DEPTH: usize = 16;

/// Looks at the links of every model, and at those that stand where a model should.
pub(super) fn repository(found: &Found, options: &CheckOptions, findings: &mut Findings) {
    for root in &found.roots {
        for entry in &root.entries {
            let Some(name) = entry.name.as_deref().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let mut links = Vec::new();
            gather(&entry.path, MAX_DEPTH, &mut links);
            for link in links {
                look(&link, &root.canonical, name, options, findings);
            }
        }
    }
}

fn look(link: &Path, root: &Path, model: &str, options: &CheckOptions, findings: &mut Findings) {
    let target = fs::read_link(link).unwrap_or_default();
    let target = target.display();
    let place = link.to_owned().into();
    match fs::canonicalize(link) {
        Err(error) => {
            let message = format!("the link leads to '{target}', which cannot be read: {error}");
            findings.add(&DANGLING, Some(model), place, message);
        }
        Ok(leads) if !options.external_links && !leads.starts_with(root) => {
            let message = format!(
                "the link leads out of the repository, to '{target}': copy the file, mount its directory into the repository, or serve with --allow-external-links"
            );
            findings.add(&LEADS_OUT, Some(model), place, message);
        }
        Ok(_) => {}
    }
}

/// The links at and below `path`; none is followed.
fn gather(path: &Path, depth: usize, links: &mut Vec<PathBuf>) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_symlink() {
        links.push(path.to_owned());
    } else if metadata.is_dir() && depth > 0 {
        let mut entries: Vec<_> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            gather(&entry, depth - 1, links);
        }
    }
}
