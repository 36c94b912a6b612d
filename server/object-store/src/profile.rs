//! Profiles in the files of Amazon's command line (`~/.aws/credentials`, `~/.aws/config`): as much of
//! them as names a key.

use crate::{StoreError, Variables};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The key of a profile.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) key_id: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: Option<String>,
    /// The file that names the key.
    pub(crate) file: PathBuf,
}

/// Where the credentials of profiles are, if anybody has a home.
pub(crate) fn credentials_file(variables: &Variables) -> Option<PathBuf> {
    file(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

fn file(variables: &Variables, variable: &str, name: &str) -> Option<PathBuf> {
    variables
        .get(variable)
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(variables.get("HOME")?).join(".aws").join(name)))
}

/// The key of `profile`, if a file has it.
///
/// # Errors
/// If a file is there and cannot be read.
pub(crate) fn find(variables: &Variables, profile: &str) -> Result<Option<Profile>, StoreError> {
    let config = match file(variables, "AWS_CONFIG_FILE", "config") {
        Some(path) => {
            let sections = [format!("profile {profile}"), profile.to_owned()];
            section(&path, &sections)?.map(|section| (path, section))
        }
        None => None,
    };
    let credentials = match credentials_file(variables) {
        Some(path) => section(&path, &[profile.to_owned()])?.map(|section| (path, section)),
        None => None,
    };
    let region = config.as_ref().and_then(|(_, section)| section.get("region").cloned());
    for (file, mut section) in credentials.into_iter().chain(config) {
        if let (Some(key_id), Some(secret_key)) =
            (section.remove("aws_access_key_id"), section.remove("aws_secret_access_key"))
        {
            let session_token = section.remove("aws_session_token");
            let region = section.remove("region").or(region);
            return Ok(Some(Profile { key_id, secret_key, session_token, region, file }));
        }
    }
    Ok(None)
}

/// The values of the first of `names` that the file has.
fn section(path: &Path, names: &[String]) -> Result<Option<BTreeMap<String, String>>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StoreError::CredentialsUnreadable { path: path.to_owned(), source });
        }
    };
    let (mut found, mut inside) = (None, false);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = names.iter().any(|wanted| wanted == name.trim());
            if inside {
                found.get_or_insert_with(BTreeMap::new);
            }
        } else if let (true, false, Some((key, value))) =
            (inside, line.starts_with(['#', ';']), line.split_once('='))
        {
            let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
            found.get_or_insert_with(BTreeMap::new).insert(key, value);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_profiles() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        let credentials =
            "[default]\naws_access_key_id = A\naws_secret_access_key=B==\n\n# x\n[other]\n";
        fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        let config = "[default]\nregion = eu-west-1\n[profile third]\naws_access_key_id=C\n\
                      aws_secret_access_key=D\naws_session_token=E\n";
        fs::write(home.path().join(".aws/config"), config).unwrap();
        let variables = Variables::from([("HOME", home.path().to_str().unwrap())]);
        let key = |profile| find(&variables, profile).unwrap();
        let default = key("default").unwrap();
        assert_eq!((&*default.key_id, &*default.secret_key), ("A", "B=="));
        assert_eq!(default.region.as_deref(), Some("eu-west-1"));
        assert_eq!(key("third").unwrap().session_token.as_deref(), Some("E"));
        assert_eq!(key("other"), None);
        assert_eq!(key("none"), None);
        assert_eq!(find(&Variables::default(), "default").unwrap(), None);
    }
}
