//! What makes a change of a bucket one step: an object that names every file with its content. It is
//! uploaded last, so what it does not name yet is not seen, and what it names is verified.

use crate::{
    StoreError,
    digest::{Digest, Hasher},
    listing::{File, Model, Models, Object, check_name, check_path, shown},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    io::Read as _,
    path::Path,
};

/// Its name, at the top of the repository.
pub const FILE: &str = "hippocamp-manifest.json";

/// The largest that is read.
pub(crate) const MAX_BYTES: u64 = 32 << 20;

/// The one format there is.
const VERSION: u32 = 1;

/// Directories below each other that a model may have.
const MAX_DEPTH: usize = 16;

/// All that a repository in a bucket holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of this format: 1.
    #[serde(default = "version")]
    pub version: u32,
    /// Directory below the repository's path that the models stand in; empty for the path itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// By name.
    pub models: BTreeMap<String, ManifestModel>,
}

/// A model of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestModel {
    /// By their paths within the model, such as `1/model.onnx`.
    pub files: BTreeMap<String, ManifestFile>,
    /// Directories that hold no file, such as the version of an ensemble.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub directories: BTreeSet<String>,
}

/// A file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

fn version() -> u32 {
    VERSION
}

/// The manifest of a model repository on disk, to be uploaded after its files.
///
/// # Errors
/// If the directory cannot be read, or holds what cannot be in a manifest.
pub fn of_directory(path: &Path) -> Result<Manifest, StoreError> {
    let mut manifest =
        Manifest { version: VERSION, prefix: String::new(), models: BTreeMap::new() };
    for (name, entry) in entries(path)? {
        // As the repository sees it.
        if name.starts_with('.') || !entry.is_dir() {
            continue;
        }
        let mut model = ManifestModel::default();
        walk(&entry, "", MAX_DEPTH, &mut model)?;
        manifest.models.insert(name, model);
    }
    Ok(manifest)
}

fn walk(
    directory: &Path,
    within: &str,
    depth: usize,
    model: &mut ManifestModel,
) -> Result<(), StoreError> {
    let unreadable = |source| StoreError::Unreadable { path: directory.to_owned(), source };
    if depth == 0 {
        return Err(unreadable(io::Error::other("it is in too many directories")));
    }
    let entries = entries(directory)?;
    if entries.is_empty() && !within.is_empty() {
        model.directories.insert(within.to_owned());
    }
    for (name, entry) in entries {
        let path = if within.is_empty() { name } else { format!("{within}/{name}") };
        if entry.is_dir() {
            walk(&entry, &path, depth - 1, model)?;
            continue;
        }
        let (sha256, size) = digest_of(&entry)
            .map_err(|source| StoreError::Unreadable { path: entry.clone(), source })?;
        model.files.insert(path, ManifestFile { sha256: sha256.to_string(), size });
    }
    Ok(())
}

/// What stands in a directory, by name.
fn entries(directory: &Path) -> Result<BTreeMap<String, std::path::PathBuf>, StoreError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Unreadable { path, source }
    };
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name =
            name.ok_or("a name must be UTF-8").and_then(|name| check_name(&name).map(|()| name));
        let name = name.map_err(|why| unreadable(&path)(io::Error::other(why)))?;
        entries.insert(name, path);
    }
    Ok(entries)
}

pub(crate) fn digest_of(file: &Path) -> io::Result<(Digest, u64)> {
    let mut file = fs::File::open(file)?;
    let (mut hasher, mut size, mut piece) = (Hasher::default(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((hasher.finish(), size)),
            read => {
                hasher.update(&piece[..read]);
                size += read as u64;
            }
        }
    }
}

/// Whether this can be the `prefix` of a manifest; empty for none.
///
/// # Errors
/// Why not.
pub fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    if prefix.is_empty() { Ok(()) } else { check_path(prefix.trim_end_matches('/')) }
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(url: &str, text: &[u8]) -> Result<Self, StoreError> {
        let wrong = |why| StoreError::Manifest { url: url.to_owned(), file: FILE, why };
        let manifest: Self =
            serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        if manifest.version != VERSION {
            let got = manifest.version;
            return Err(wrong(format!("expected \"version\": {VERSION}, got {got}")));
        }
        check_prefix(&manifest.prefix)
            .map_err(|why| wrong(format!("\"prefix\" '{}': {why}", shown(&manifest.prefix))))?;
        for name in manifest.models.keys() {
            check_name(name)
                .and_then(
                    |()| if name.starts_with('.') { Err("it starts with a dot") } else { Ok(()) },
                )
                .map_err(|why| wrong(format!("model '{}': {why}", shown(name))))?;
        }
        Ok(manifest)
    }

    /// The models that it names, their files being `objects`.
    pub(crate) fn models(self, url: &str, objects: Vec<Object>) -> Models {
        let objects: HashMap<_, _> =
            objects.into_iter().map(|object| (object.name, (object.size, object.tag))).collect();
        let prefix = self.prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let model = |name: &str, told: ManifestModel| {
            let wrong = |why| StoreError::Manifest { url: url.to_owned(), file: FILE, why };
            let mut model = Model { directories: told.directories, ..Model::default() };
            for (path, told) in told.files {
                let object = format!("{prefix}{name}/{path}");
                let sha256 = Digest::parse(&told.sha256).ok_or_else(|| {
                    wrong(format!(
                        "\"sha256\" of '{}': expected 64 hexadecimal digits, got '{}'",
                        shown(&object),
                        shown(&told.sha256)
                    ))
                })?;
                let (size, tag) = objects.get(&object).ok_or_else(|| {
                    wrong(format!(
                        "it names '{}', which is not there: upload it before the manifest",
                        shown(&object)
                    ))
                })?;
                if *size != told.size {
                    return Err(wrong(format!(
                        "it gives '{}' {} bytes, but there are {size}: upload the file that the manifest was made of",
                        shown(&object),
                        told.size
                    )));
                }
                let file = File { object, size: *size, tag: tag.clone(), sha256: Some(sha256) };
                model.files.insert(path, file);
            }
            model.check(url)?;
            Ok(model)
        };
        self.models
            .into_iter()
            .map(|(name, told)| {
                let model = model(&name, told);
                (name, model)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn object(name: &str, size: u64) -> Object {
        Object { name: name.to_owned(), size, tag: "t".to_owned() }
    }

    #[test]
    fn a_directory_has_one_that_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("m/1")).unwrap();
        fs::create_dir_all(directory.path().join("ensemble/1")).unwrap();
        fs::create_dir_all(directory.path().join(".git")).unwrap();
        fs::write(directory.path().join("m/1/x"), "abc").unwrap();
        fs::write(directory.path().join("README.md"), "abc").unwrap();
        let manifest = of_directory(directory.path()).unwrap();
        let text = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse("s3://b", &text).unwrap(), manifest);
        assert_eq!(manifest.models["m"].files["1/x"], ManifestFile { sha256: SHA.into(), size: 3 });
        assert!(manifest.models["ensemble"].directories.contains("1"));
        assert_eq!(manifest.models.len(), 2);
    }

    #[test]
    fn it_names_all_that_is_seen() {
        let text = format!(
            r#"{{"prefix": "v2/", "models": {{"m": {{"files": {{"1/x": {{"sha256": "{SHA}", "size": 3}}}}}}}}}}"#
        );
        let manifest = Manifest::parse("s3://b", text.as_bytes()).unwrap();
        let models =
            manifest.clone().models("s3://b", vec![object("v2/m/1/x", 3), object("n/1/x", 3)]);
        assert_eq!(models.keys().collect::<Vec<_>>(), ["m"]);
        let file = &models["m"].as_ref().unwrap().files["1/x"];
        assert_eq!(file.object, "v2/m/1/x");
        assert_eq!(file.sha256.unwrap().to_string(), SHA);

        let refusal = |objects| {
            manifest.clone().models("s3://b", objects)["m"].as_ref().unwrap_err().to_string()
        };
        assert!(refusal(vec![]).contains("'v2/m/1/x', which is not there"));
        assert!(refusal(vec![object("v2/m/1/x", 4)]).contains("3 bytes, but there are 4"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("{", "EOF"),
            (r#"{"models": {}, "model": 1}"#, "unknown field `model`"),
            (r#"{"version": 2, "models": {}}"#, "expected \"version\": 1, got 2"),
            (r#"{"prefix": "../x", "models": {}}"#, "\"prefix\" '../x'"),
            (r#"{"models": {"a/b": {"files": {}}}}"#, "model 'a/b'"),
            (r#"{"models": {"..": {"files": {}}}}"#, "model '..'"),
        ] {
            match Manifest::parse("s3://b", text.as_bytes()) {
                Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
                // A slash in a name is refused with the file's path.
                Ok(_) => panic!("{text} was taken"),
            }
        }
        let text = r#"{"models": {"m": {"files": {"../x": {"sha256": "SHA", "size": 3}}}}}"#;
        for (sha, object_name, expected) in
            [(SHA, "m/../x", "'..'"), ("+1", "m/../x", "64 hexadecimal digits")]
        {
            let manifest = Manifest::parse("s3://b", text.replace("SHA", sha).as_bytes()).unwrap();
            let models = manifest.models("s3://b", vec![object(object_name, 3)]);
            let refusal = models["m"].as_ref().unwrap_err().to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
