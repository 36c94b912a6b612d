//! Links: the server refuses those that lead out of the repository.

use crate::{CheckOptions, Rule, Severity, finding::Findings, view::Found};
use std::{
    fs, io,
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

const UNREADABLE: Rule = Rule {
    id: "unreadable-tree",
    severity: Severity::Error,
    summary: "a model's directory goes too deep, or holds what is neither file nor directory",
    help: "The server reads all files of a model to tell its changes, and refuses one whose directories go deeper than 32, as by a link that leads back up, or that holds a pipe, a socket or a device. Remove what is not the model's.",
};

pub(super) const RULES: [&Rule; 3] = [&LEADS_OUT, &DANGLING, &UNREADABLE];

/// Levels of directories that a model may have, as in the server.
const MAX_DEPTH: usize = 32;

/// Looks at all that the models are made of, links that lead to it included.
pub(super) fn repository(found: &Found, options: &CheckOptions, findings: &mut Findings) {
    for root in &found.roots {
        for entry in &root.entries {
            let Some(name) = entry.name.as_deref().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            // A link to a file is no model, nor is one to nothing.
            let is_model = match fs::metadata(&entry.path) {
                Ok(metadata) => metadata.is_dir(),
                Err(error) => error.kind() != io::ErrorKind::NotFound,
            };
            if !is_model {
                continue;
            }
            let mut walk = Walk { root: &root.canonical, model: name, options, findings };
            walk.entry(&entry.path, 0);
        }
    }
}

/// Over one model.
struct Walk<'a> {
    root: &'a Path,
    model: &'a str,
    options: &'a CheckOptions,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    /// Looks at `path` and what is below it; false if that has no end.
    fn entry(&mut self, path: &Path, depth: usize) -> bool {
        let Ok(metadata) = fs::symlink_metadata(path) else { return true };
        if metadata.is_symlink() && !self.link(path) {
            return true;
        }
        let Ok(metadata) = fs::metadata(path) else { return true };
        if metadata.is_file() {
            return true;
        }
        if !metadata.is_dir() {
            let message = "the server refuses the model for a pipe, a socket or a device in it";
            self.add(&UNREADABLE, path, message.to_owned());
            return true;
        }
        // What Python keeps beside its files is not the model's.
        if depth > 0 && path.file_name().is_some_and(|name| name == "__pycache__") {
            return true;
        }
        if depth > MAX_DEPTH {
            let message = format!(
                "the model's directories go deeper than {MAX_DEPTH}, which the server refuses: does a link in it lead back up?"
            );
            self.add(&UNREADABLE, path, message);
            return false;
        }
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries.iter().all(|entry| self.entry(entry, depth + 1))
    }

    /// Whether the server follows this link.
    fn link(&mut self, link: &Path) -> bool {
        let target = fs::read_link(link).unwrap_or_default();
        let target = target.display();
        match fs::canonicalize(link) {
            Err(error) => {
                let message =
                    format!("the link leads to '{target}', which cannot be read: {error}");
                self.add(&DANGLING, link, message);
                false
            }
            Ok(leads) if !self.options.external_links && !leads.starts_with(self.root) => {
                let message = format!(
                    "the link leads out of the repository, to '{target}': copy the file, mount its directory into the repository, or serve with --allow-external-links"
                );
                self.add(&LEADS_OUT, link, message);
                false
            }
            Ok(_) => true,
        }
    }

    fn add(&mut self, rule: &'static Rule, path: &Path, message: String) {
        self.findings.add(rule, Some(self.model), path.to_owned().into(), message);
    }
}
