//! What a store holds: the models and their files. Names come from outside, so each is checked before
//! it becomes a path.

use crate::{StoreError, digest::Digest};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one store.
pub(crate) const MAX_OBJECTS: usize = 100_000;

/// Files of one model.
const MAX_FILES: usize = 10_000;

/// Segments of a file's path within its model.
const MAX_DEPTH: usize = 16;

/// Bytes of one segment of a path, and of a path.
const MAX_SEGMENT: usize = 255;
const MAX_PATH: usize = 1024;

/// An object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// Below the repository's path.
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Another one with other content: the store's entity tag, or what comes nearest.
    pub(crate) tag: String,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The object that it is, below the repository's path.
    pub(crate) object: String,
    pub(crate) size: u64,
    /// As in [`Object`].
    pub(crate) tag: String,
    /// If it is known before the file is there.
    pub(crate) sha256: Option<Digest>,
}

/// The files of a model, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) files: BTreeMap<String, File>,
    /// Directories that hold no file, such as the version of an ensemble.
    pub(crate) directories: BTreeSet<String>,
}

/// All models, by name; why not, for one that cannot be here.
pub(crate) type Models = BTreeMap<String, Result<Model, StoreError>>;

/// The models that `objects` make up: one for each directory at the top. Objects at the top, and
/// directories whose names start with a dot, are none; as in a repository on disk. A name that no directory
/// can have is an error of that model alone.
pub(crate) fn models(url: &str, objects: Vec<Object>) -> Models {
    let mut models: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    let mut wrong = Models::new();
    for object in objects {
        let Some((name, _)) = object.name.split_once('/') else { continue };
        if name.starts_with('.') {
            continue;
        }
        if let Err(why) = check_name(name) {
            let error = StoreError::Name { url: url.to_owned(), name: shown(&object.name), why };
            wrong.insert(shown(name), Err(error));
            continue;
        }
        models.entry(name.to_owned()).or_default().push(object);
    }
    wrong.extend(models.into_iter().map(|(name, objects)| (name, model(url, objects))));
    wrong
}

fn model(url: &str, objects: Vec<Object>) -> Result<Model, StoreError> {
    let mut model = Model::default();
    for object in objects {
        let (_, path) = object.name.split_once('/').unwrap_or_default();
        // What consoles make to show a directory: nothing, named as the directory.
        let empty_version =
            object.size == 0 && !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit());
        if empty_version {
            model.directories.insert(path.to_owned());
            continue;
        }
        let path = path.to_owned();
        let file = File { object: object.name, size: object.size, tag: object.tag, sha256: None };
        model.files.insert(path, file);
    }
    model.check(url)?;
    Ok(model)
}

impl Model {
    /// Holds names and numbers to what a directory on disk can be.
    ///
    /// # Errors
    /// Which name is wrong, and why.
    pub(crate) fn check(&mut self, url: &str) -> Result<(), StoreError> {
        if self.files.len() + self.directories.len() > MAX_FILES {
            return Err(StoreError::TooMany {
                url: url.to_owned(),
                what: "files in one model",
                limit: MAX_FILES,
            });
        }
        let wrong =
            |name: &str, why| StoreError::Name { url: url.to_owned(), name: shown(name), why };
        for path in self.files.keys().chain(&self.directories) {
            check_path(path).map_err(|why| wrong(path, why))?;
        }
        // Every directory that a file is in. Zero bytes of that name are what shows the directory.
        let parents: BTreeSet<String> = self
            .files
            .keys()
            .chain(&self.directories)
            .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()))
            .collect();
        for parent in &parents {
            if let Some(file) = self.files.get(parent) {
                if file.size > 0 {
                    return Err(wrong(parent, "it would be a file and a directory"));
                }
                self.files.remove(parent);
            }
        }
        self.directories.retain(|directory| !parents.contains(directory));
        if let Some(both) = self.directories.iter().find(|path| self.files.contains_key(*path)) {
            return Err(wrong(both, "it would be a file and a directory"));
        }
        Ok(())
    }
}

/// Whether this can be a path of a file within a model.
///
/// # Errors
/// Why not.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH {
        return Err("it has more than 1024 bytes");
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err("it is in more than 15 directories");
    }
    path.split('/').try_for_each(check_name)
}

/// Whether this can be a name of a file or a directory.
///
/// # Errors
/// Why not.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("a part of it is empty"),
        "." | ".." => Err("it must not lead elsewhere by '.' or '..'"),
        name if name.len() > MAX_SEGMENT => Err("a part of it has more than 255 bytes"),
        name if name.contains('/') => Err("it must be one name, without '/'"),
        name if name.contains('\\') => Err("it must not have a backslash"),
        name if name.chars().any(char::is_control) => Err("it must not have control characters"),
        _ => Ok(()),
    }
}

/// A name from outside, fit for a log.
pub(crate) fn shown(name: &str) -> String {
    const SHOWN: usize = 200;
    let start: String = name.chars().take(SHOWN).collect();
    let more = if name.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("{}{more}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[(&str, u64)]) -> Models {
        let object = |(name, size): &(&str, u64)| Object {
            name: (*name).to_owned(),
            size: *size,
            tag: "t".to_owned(),
        };
        models("s3://b", names.iter().map(object).collect())
    }

    #[test]
    fn directories_at_the_top_are_models() {
        let models = listed(&[
            ("README.md", 3),
            (".git/config", 3),
            ("a/1/model.onnx", 5),
            ("a/config.pbtxt", 2),
            ("b/config.pbtxt", 2),
            ("b/1", 0),
            ("c/1", 0),
            ("c/1/x", 4),
        ]);
        let paths = |name: &str| models[name].as_ref().unwrap().files.keys().collect::<Vec<_>>();
        assert_eq!(models.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(paths("a"), ["1/model.onnx", "config.pbtxt"]);
        assert_eq!(paths("c"), ["1/x"]);
        let directories = |name: &str| models[name].as_ref().unwrap().directories.len();
        assert_eq!((directories("a"), directories("b"), directories("c")), (0, 1, 0));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let deep = "d/".repeat(16) + "x";
        for (path, why) in [
            ("../x", ".."),
            ("1/../../x", ".."),
            ("1/./x", "'.'"),
            ("1//x", "empty"),
            ("/x", "empty"),
            ("1/", "empty"),
            ("1/a\nb", "control"),
            ("1/a\u{7f}b", "control"),
            ("1\\x", "backslash"),
            (&long, "255"),
            (&deep, "15"),
        ] {
            let models = listed(&[(&format!("m/{path}"), 1)]);
            let refusal = models["m"].as_ref().unwrap_err().to_string();
            assert!(refusal.contains(why) && refusal.contains("s3://b"), "{path:?}: {refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
        let models = listed(&[("a\tb/x", 1), ("m/1/x", 1)]);
        assert!(models["a\\tb"].as_ref().unwrap_err().to_string().contains("control"));
        assert!(models["m"].is_ok(), "the others are there");
        assert!(listed(&[("../x", 1)]).is_empty(), "a name with a dot first is no model");
    }

    #[test]
    fn a_file_is_no_directory() {
        let models = listed(&[("m/1", 3), ("m/1/x", 4)]);
        assert!(models["m"].as_ref().unwrap_err().to_string().contains("a file and a directory"));
    }

    #[test]
    fn a_model_has_so_many_files() {
        let names: Vec<_> = (0..=MAX_FILES).map(|n| (format!("m/1/{n}"), 1)).collect();
        let names: Vec<_> = names.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        let models = listed(&names);
        assert!(models["m"].as_ref().unwrap_err().to_string().contains("10000 files"));
    }
}
