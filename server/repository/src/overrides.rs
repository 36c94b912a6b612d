//! Models that come with the load call: `config` and `file:<version>/<name>` parameters become a
//! model directory that lives as long as the model.

use crate::{
    RepositoryError,
    root::Found,
    source::{self, ModelSource},
};
use bytes::Bytes;
use hippocamp_config::from_json;
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};
use tempfile::TempDir;

/// Bytes in the name of a directory.
const LONGEST_NAME: usize = 255;

/// What a load call may bring along instead of what stands in the repository.
#[derive(Clone, Debug, Default)]
pub struct LoadOverrides {
    /// `config`: the model configuration as JSON.
    pub config: Option<String>,
    /// (`file:<version>/<name>`, contents): the version's files; the repository's are then not used.
    pub files: Vec<(String, Bytes)>,
}

impl LoadOverrides {
    /// Whether the repository's model is to be loaded as it stands.
    pub fn is_empty(&self) -> bool {
        self.config.is_none() && self.files.is_empty()
    }
}

/// The model `name` made of `overrides`, over what the repository holds of it.
///
/// # Errors
/// If the configuration does not parse, a file's name leaves the model, or a file cannot be written.
pub(crate) fn source(
    name: &str,
    found: Option<&Found>,
    overrides: &LoadOverrides,
) -> Result<ModelSource, RepositoryError> {
    let Some(json) = &overrides.config else {
        return Err(RepositoryError::OverrideWithoutConfig);
    };
    let config = from_json(json)?;
    if overrides.files.is_empty() {
        let found = found.ok_or_else(|| RepositoryError::Unknown { name: name.to_owned() })?;
        return source::with_config(name, found.place()?, config);
    }
    check(name)?;
    let root =
        TempDir::with_prefix("hippocamp-model-").map_err(|source| write_error("", source))?;
    // The model's directory has the model's name: backends see it.
    let model = root.path().join(name);
    for (file, contents) in &overrides.files {
        let path = model.join(relative(file)?);
        let parent = path.parent().expect("a relative path inside the model has a parent");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, contents))
            .map_err(|source| write_error(file, source))?;
    }
    source::temporary(name, root, config)
}

/// A name that a client made up becomes a directory's: it has to be one name, or files would be
/// written elsewhere.
fn check(name: &str) -> Result<(), RepositoryError> {
    let mut parts = Path::new(name).components();
    let alone = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    if alone && name.len() <= LONGEST_NAME && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(RepositoryError::ModelName { name: name.to_owned() })
}

/// The path after `file:`, if it has a version, a name, and stays inside the model.
fn relative(file: &str) -> Result<PathBuf, RepositoryError> {
    let wrong = || RepositoryError::OverrideName { file: file.to_owned() };
    let path = Path::new(file.strip_prefix("file:").unwrap_or(file));
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !inside || path.components().count() < 2 {
        return Err(wrong());
    }
    Ok(path.to_owned())
}

fn write_error(file: &str, reason: io::Error) -> RepositoryError {
    RepositoryError::OverrideWrite { file: file.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_model() {
        assert_eq!(relative("file:1/model.onnx").unwrap(), Path::new("1/model.onnx"));
        assert_eq!(relative("1/sub/x.bin").unwrap(), Path::new("1/sub/x.bin"));
        for bad in
            ["file:", "file:model.onnx", "file:/etc/passwd", "file:../x", "file:1/../../x", ""]
        {
            assert!(matches!(relative(bad), Err(RepositoryError::OverrideName { .. })), "{bad}");
        }
    }

    #[test]
    fn the_name_of_a_model_is_one_name() {
        let elsewhere = TempDir::new().unwrap();
        let absolute = elsewhere.path().join("m");
        let long = "x".repeat(256);
        let files = vec![("file:1/x".to_owned(), Bytes::new())];
        let overrides = LoadOverrides { config: Some("{}".to_owned()), files };
        for bad in [
            "",
            ".",
            "..",
            "../m",
            "a/b",
            "a/",
            "/",
            "a\0b",
            "a\nb",
            &long,
            absolute.to_str().unwrap(),
        ] {
            let refused = source(bad, None, &overrides);
            assert!(matches!(refused, Err(RepositoryError::ModelName { .. })), "{bad}");
        }
        assert!(!absolute.exists());
        for good in ["m", "né", "a.b", "..m", &long[1..]] {
            check(good).unwrap();
        }
    }

    #[test]
    fn files_need_a_config() {
        let overrides =
            LoadOverrides { config: None, files: vec![("file:1/x".to_owned(), Bytes::new())] };
        assert!(matches!(
            source("m", None, &overrides),
            Err(RepositoryError::OverrideWithoutConfig)
        ));
    }
}
