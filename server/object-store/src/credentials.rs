//! With which credentials a bucket is asked: those of Triton's file, else those of the environment,
//! else none, for buckets that are public. What is found is told in words, the secret never.

use crate::{StoreError, Variables, place::Place, profile};
use serde_json::Value;
use std::{
    fs,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// The file that has credentials by URL; Triton's variable.
const FILE: &str = "TRITON_CLOUD_CREDENTIAL_PATH";

/// Who gives credentials to what runs on a machine of Amazon's or Google's.
const AMAZON_METADATA: &str = "169.254.169.254:80";
const GOOGLE_METADATA: &str = "metadata.google.internal:80";

/// How long they may take to be there; they are next door.
const METADATA_TIMEOUT: Duration = Duration::from_millis(500);

const S3_ADVICE: &str = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION, name a profile in AWS_PROFILE, or a file in TRITON_CLOUD_CREDENTIAL_PATH; the key needs s3:ListBucket and s3:GetObject";
const GS_ADVICE: &str = "name a key file in GOOGLE_APPLICATION_CREDENTIALS or in the file of TRITON_CLOUD_CREDENTIAL_PATH; the account needs storage.objects.list and storage.objects.get";
const AS_ADVICE: &str = "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, AZURE_STORAGE_AUTH_TYPE=managed_identity, or name a file in TRITON_CLOUD_CREDENTIAL_PATH; the account needs to list and read blobs";

/// What the library is to be told, and what a user is.
#[derive(PartialEq, Eq)]
pub(crate) struct Access {
    /// Keys of the library's configuration.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Such as "the access key AKIA of AWS_ACCESS_KEY_ID".
    pub(crate) described: String,
    /// What to do if it is refused.
    pub(crate) advice: &'static str,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.settings.iter().map(|(key, _)| key).collect();
        f.debug_struct("Access").field("settings", &keys).field("is", &self.described).finish()
    }
}

impl Access {
    /// The credentials for `url`, which names `place`.
    ///
    /// # Errors
    /// If what should hold them does not.
    pub(crate) fn find(
        url: &str,
        place: &Place,
        variables: &Variables,
    ) -> Result<Self, StoreError> {
        let file = File::read(variables)?;
        match place {
            Place::S3 { endpoint, .. } => {
                let entry = file.as_ref().map(|file| file.entry("s3", url)).transpose()?;
                s3(endpoint.as_deref(), entry.as_ref(), variables)
            }
            Place::Gs { .. } => {
                let entry = file.as_ref().map(|file| file.entry("gs", url)).transpose()?;
                gs(entry.as_ref(), variables)
            }
            Place::As { .. } => {
                let entry = file.as_ref().map(|file| file.entry("as", url)).transpose()?;
                azure(entry.as_ref(), variables)
            }
            Place::Hub { .. } => unreachable!("a hub has a token"),
        }
    }
}

fn s3(
    endpoint: Option<&str>,
    entry: Option<&Entry<'_>>,
    variables: &Variables,
) -> Result<Access, StoreError> {
    let mut settings = Vec::new();
    let mut copy = |key, variable| {
        if let Some(value) = variables.get(variable) {
            settings.push((key, value.to_owned()));
        }
    };
    copy("region", "AWS_REGION");
    // Triton's is the one that counts.
    copy("region", "AWS_DEFAULT_REGION");
    copy("request_payer", "AWS_REQUEST_PAYER");
    if endpoint.is_none() {
        copy("endpoint", "AWS_ENDPOINT_URL");
        copy("aws_endpoint_url_s3", "AWS_ENDPOINT_URL_S3");
    }
    let mut key = |id: &str, secret: &str, token: Option<&str>, region: Option<&str>| {
        settings.push(("access_key_id", id.to_owned()));
        settings.push(("secret_access_key", secret.to_owned()));
        settings.extend(token.map(|token| ("session_token", token.to_owned())));
        settings.extend(region.map(|region| ("region", region.to_owned())));
    };
    let found = |settings, described| Ok(Access { settings, described, advice: S3_ADVICE });
    let mut profile = None;
    if let Some(entry) = entry {
        let id = entry.text("key_id")?;
        let secret = entry.text("secret_key")?;
        let (token, region) = (entry.text("session_token")?, entry.text("region")?);
        match (id, secret) {
            (Some(id), Some(secret)) => {
                key(id, secret, token, region);
                return found(settings, format!("the access key {id} of {}", entry.shown()));
            }
            (None, None) => {}
            (id, _) => {
                let lacking = if id.is_some() { "secret_key" } else { "key_id" };
                return Err(entry.wrong(lacking, "a text, since its pair is there", "none"));
            }
        }
        profile = entry.text("profile")?.map(|name| (name, entry.shown()));
    } else if let (Some(id), Some(secret)) =
        (variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY"))
    {
        key(id, secret, variables.get("AWS_SESSION_TOKEN"), None);
        return found(settings, format!("the access key {id} of AWS_ACCESS_KEY_ID"));
    }
    let named = profile
        .or_else(|| variables.get("AWS_PROFILE").map(|name| (name, "AWS_PROFILE".to_owned())));
    let name = named.as_ref().map_or("default", |(name, _)| name);
    match (profile::find(variables, name)?, named) {
        (Some(found_profile), _) => {
            let region = if variables.get("AWS_DEFAULT_REGION").is_some() {
                None
            } else {
                found_profile.region.as_deref()
            };
            let token = found_profile.session_token.as_deref();
            key(&found_profile.key_id, &found_profile.secret_key, token, region);
            let file = found_profile.file.display();
            return found(
                settings,
                format!("the access key {} of profile '{name}' in '{file}'", found_profile.key_id),
            );
        }
        (None, Some((name, named_by))) => {
            let path = profile::credentials_file(variables).unwrap_or_default();
            return Err(StoreError::NoProfile { profile: name.to_owned(), path, named_by });
        }
        (None, None) => {}
    }
    let roles = [
        ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("container_credentials_relative_uri", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ("container_credentials_full_uri", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ];
    for (_, variable) in roles {
        if variables.get(variable).is_some() {
            let more = [
                ("role_arn", "AWS_ROLE_ARN"),
                ("role_session_name", "AWS_ROLE_SESSION_NAME"),
                ("endpoint_url_sts", "AWS_ENDPOINT_URL_STS"),
                ("container_authorization_token_file", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            ];
            for (key, variable) in roles.into_iter().chain(more) {
                settings.extend(variables.get(variable).map(|value| (key, value.to_owned())));
            }
            return found(settings, format!("the role that {variable} leads to"));
        }
    }
    // A server of one's own gives no roles.
    let disabled = variables.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true");
    if endpoint.is_none() && !disabled && is_there(AMAZON_METADATA) {
        return found(settings, "the role of this machine".to_owned());
    }
    settings.push(("skip_signature", "true".to_owned()));
    found(settings, "no credentials, as for a public bucket".to_owned())
}

fn gs(entry: Option<&Entry<'_>>, variables: &Variables) -> Result<Access, StoreError> {
    let mut settings: Vec<_> = variables
        .get("GOOGLE_BASE_URL")
        .map(|url| ("base_url", url.to_owned()))
        .into_iter()
        .collect();
    let (path, named_by) = match entry {
        Some(entry) => (entry.path()?, entry.shown()),
        None => (
            variables.get("GOOGLE_APPLICATION_CREDENTIALS"),
            "GOOGLE_APPLICATION_CREDENTIALS".to_owned(),
        ),
    };
    let described = if let Some(path) = path {
        fs::metadata(path)
            .map_err(|source| StoreError::CredentialsUnreadable { path: path.into(), source })?;
        settings.push(("application_credentials", path.to_owned()));
        format!("the key file '{path}' of {named_by}")
    } else if has_google_default(variables) {
        "the application default credentials of this user".to_owned()
    } else if is_there(GOOGLE_METADATA) {
        "the service account of this machine".to_owned()
    } else {
        settings.push(("skip_signature", "true".to_owned()));
        "no credentials, as for a public bucket".to_owned()
    };
    Ok(Access { settings, described, advice: GS_ADVICE })
}

/// What `gcloud auth application-default login` writes; the library reads it by itself.
fn has_google_default(variables: &Variables) -> bool {
    variables.get("HOME").is_some_and(|home| {
        Path::new(home).join(".config/gcloud/application_default_credentials.json").exists()
    })
}

fn azure(entry: Option<&Entry<'_>>, variables: &Variables) -> Result<Access, StoreError> {
    let (account, key, auth_type, client_id, named_by) = match entry {
        Some(entry) => (
            entry.text("account_str")?,
            entry.text("account_key")?,
            entry.text("auth_type")?,
            entry.text("client_id")?,
            entry.shown(),
        ),
        None => (
            variables.get("AZURE_STORAGE_ACCOUNT"),
            variables.get("AZURE_STORAGE_KEY"),
            variables.get("AZURE_STORAGE_AUTH_TYPE"),
            variables.get("AZURE_STORAGE_CLIENT_ID"),
            "AZURE_STORAGE_KEY".to_owned(),
        ),
    };
    let mut settings = Vec::new();
    let mut set = |key, value: Option<&str>| {
        settings.extend(value.map(|value| (key, value.to_owned())));
    };
    // As in Triton, it goes before the one in the URL.
    set("account_name", account);
    set("endpoint", variables.get("AZURE_STORAGE_ENDPOINT"));
    let described = match (auth_type, key) {
        (Some("managed_identity"), _) => {
            set("client_id", client_id);
            "the managed identity of this machine".to_owned()
        }
        (Some("default"), _) => {
            for (key, variable) in [
                ("client_id", "AZURE_CLIENT_ID"),
                ("client_secret", "AZURE_CLIENT_SECRET"),
                ("tenant_id", "AZURE_TENANT_ID"),
                ("federated_token_file", "AZURE_FEDERATED_TOKEN_FILE"),
            ] {
                set(key, variables.get(variable));
            }
            "the identity of AZURE_CLIENT_ID, or that of this machine".to_owned()
        }
        (None | Some("key"), Some(key)) => {
            set("access_key", Some(key));
            format!("the account key of {named_by}")
        }
        (None | Some("key"), None) => {
            set("skip_signature", Some("true"));
            "no credentials, as for a public container".to_owned()
        }
        (Some(other), _) => {
            let expected = "key, managed_identity or default";
            return Err(match entry {
                Some(entry) => entry.wrong("auth_type", expected, &format!("'{other}'")),
                None => StoreError::Variable {
                    variable: "AZURE_STORAGE_AUTH_TYPE",
                    expected,
                    value: other.to_owned(),
                },
            });
        }
    };
    Ok(Access { settings, described, advice: AS_ADVICE })
}

/// Whether somebody listens there.
fn is_there(address: &str) -> bool {
    let addresses: Vec<SocketAddr> =
        address.to_socket_addrs().into_iter().flatten().take(2).collect();
    addresses.iter().any(|address| TcpStream::connect_timeout(address, METADATA_TIMEOUT).is_ok())
}

/// Triton's file.
struct File {
    path: PathBuf,
    content: Value,
}

impl File {
    fn read(variables: &Variables) -> Result<Option<Self>, StoreError> {
        let Some(path) = variables.get(FILE).map(PathBuf::from) else { return Ok(None) };
        let unreadable = |source| StoreError::CredentialsUnreadable { path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let content = serde_json::from_str(&text).map_err(|error| StoreError::CredentialField {
            path: path.clone(),
            place: "the file".to_owned(),
            expected: "JSON with the sections \"gs\", \"s3\" and \"as\"".to_owned(),
            // Neither the text nor a part of it: it is secret.
            got: format!("a fault in line {}, column {}", error.line(), error.column()),
        })?;
        Ok(Some(Self { path, content }))
    }

    /// The entry of `section` whose name is the longest that `url` starts with.
    fn entry(&self, section: &'static str, url: &str) -> Result<Entry<'_>, StoreError> {
        let none = || StoreError::NoCredentialFor {
            path: self.path.clone(),
            section,
            url: url.to_owned(),
        };
        let entries = match self.content.get(section) {
            None => return Err(none()),
            Some(Value::Object(entries)) => entries,
            Some(other) => {
                return Err(StoreError::CredentialField {
                    path: self.path.clone(),
                    place: format!("\"{section}\""),
                    expected: "an object".to_owned(),
                    got: kind(other).to_owned(),
                });
            }
        };
        let longest = entries
            .iter()
            .filter(|(name, _)| url.starts_with(name.as_str()))
            .max_by_key(|(name, _)| name.len());
        let (name, value) = longest.ok_or_else(none)?;
        Ok(Entry { path: &self.path, section, name, value })
    }
}

/// What the file has for a URL.
struct Entry<'a> {
    path: &'a Path,
    section: &'static str,
    name: &'a str,
    value: &'a Value,
}

impl<'a> Entry<'a> {
    /// A field that is text; as in Triton, an empty one is none.
    fn text(&self, field: &str) -> Result<Option<&'a str>, StoreError> {
        let Value::Object(fields) = self.value else {
            return Err(self.wrong_kind("an object"));
        };
        match fields.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.wrong(field, "a text", kind(other))),
        }
    }

    /// The entry itself, as the path of a file.
    fn path(&self) -> Result<Option<&'a str>, StoreError> {
        match self.value {
            Value::String(path) => Ok(Some(path.as_str()).filter(|path| !path.is_empty())),
            _ => Err(self.wrong_kind("the path of a key file")),
        }
    }

    fn shown(&self) -> String {
        format!("\"{}\" / \"{}\" in '{}'", self.section, self.name, self.path.display())
    }

    fn wrong_kind(&self, expected: &str) -> StoreError {
        StoreError::CredentialField {
            path: self.path.to_owned(),
            place: format!("\"{}\" / \"{}\"", self.section, self.name),
            expected: expected.to_owned(),
            got: kind(self.value).to_owned(),
        }
    }

    fn wrong(&self, field: &str, expected: &str, got: &str) -> StoreError {
        StoreError::CredentialField {
            path: self.path.to_owned(),
            place: format!("\"{}\" / \"{}\" / \"{field}\"", self.section, self.name),
            expected: expected.to_owned(),
            got: got.to_owned(),
        }
    }
}

/// A value told without its content, which may be secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
