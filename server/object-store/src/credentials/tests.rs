//! Which credentials are found where.

use super::*;

fn access(url: &str, variables: &Variables) -> Result<Access, StoreError> {
    Access::find(url, &Place::parse(url).unwrap(), variables)
}

fn setting<'a>(access: &'a Access, key: &str) -> Option<&'a str> {
    let mut found = access.settings.iter().filter(|(name, _)| *name == key);
    found.next_back().map(|(_, value)| value.as_str())
}

/// Triton's file with this content, found by its variable.
fn with_file(content: &str) -> (tempfile::NamedTempFile, Variables) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, content).unwrap();
    let variables = Variables::from([(FILE, file.path().to_str().unwrap())]);
    (file, variables)
}

#[test]
fn keys_of_the_environment() {
    let variables = Variables::from([
        ("AWS_ACCESS_KEY_ID", "AKIA1"),
        ("AWS_SECRET_ACCESS_KEY", "hidden"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-north-1"),
        ("AWS_ENDPOINT_URL", "http://other:1"),
    ]);
    let of_bucket = access("s3://b/x", &variables).unwrap();
    assert_eq!(setting(&of_bucket, "secret_access_key"), Some("hidden"));
    assert_eq!(setting(&of_bucket, "region"), Some("eu-north-1"));
    assert_eq!(setting(&of_bucket, "endpoint"), Some("http://other:1"));
    assert_eq!(of_bucket.described, "the access key AKIA1 of AWS_ACCESS_KEY_ID");
    assert!(!format!("{of_bucket:?} {variables:?}").contains("hidden"));
    // The URL names the server.
    let of_server = access("s3://host:9000/b", &variables).unwrap();
    assert_eq!(setting(&of_server, "endpoint"), None);

    let azure = Variables::from([("AZURE_STORAGE_ACCOUNT", "a2"), ("AZURE_STORAGE_KEY", "k")]);
    let azure = access("as://a1/c", &azure).unwrap();
    assert_eq!(
        (setting(&azure, "account_name"), setting(&azure, "access_key")),
        (Some("a2"), Some("k"))
    );
}

#[test]
fn public_buckets_need_none() {
    let variables = Variables::from([("AWS_EC2_METADATA_DISABLED", "true")]);
    for url in ["s3://host:9000/b", "s3://b", "as://a/c"] {
        let access = access(url, &variables).unwrap();
        assert_eq!(setting(&access, "skip_signature"), Some("true"), "{url}");
        assert!(access.described.starts_with("no credentials"), "{}", access.described);
    }
}

#[test]
fn the_longest_name_in_tritons_file_counts() {
    let (_file, variables) = with_file(
        r#"{"s3": {
            "": {"key_id": "ALL", "secret_key": "s", "region": "r", "session_token": "", "profile": ""},
            "s3://b": {"key_id": "B", "secret_key": "s", "session_token": "t"},
            "s3://b/deep": {"key_id": "DEEP", "secret_key": "s"}
        }}"#,
    );
    let check = |url, expected| {
        let access = access(url, &variables).unwrap();
        assert_eq!(setting(&access, "access_key_id"), Some(expected), "{url}");
        assert!(access.described.contains(expected), "{}", access.described);
    };
    check("s3://other/x", "ALL");
    check("s3://b/x", "B");
    check("s3://b/deep/x", "DEEP");
    assert_eq!(setting(&access("s3://b/x", &variables).unwrap(), "session_token"), Some("t"));
    assert_eq!(setting(&access("s3://o", &variables).unwrap(), "session_token"), None);

    let refusal = access("as://a/c", &variables).unwrap_err().to_string();
    assert!(refusal.contains("section \"as\"") && refusal.contains("as://a/c"), "{refusal}");
}

#[test]
fn managed_identity_of_azure() {
    let (_file, variables) = with_file(
        r#"{"as": {"as://a/c": {"account_str": "x", "auth_type": "managed_identity", "client_id": "id"}}}"#,
    );
    let access = access("as://a/c/models", &variables).unwrap();
    assert_eq!(setting(&access, "client_id"), Some("id"));
    assert_eq!(setting(&access, "skip_signature"), None);
}

#[test]
fn what_is_wrong_with_the_file_is_named() {
    for (content, url, expected) in [
        ("{\"s3\": secret", "s3://b", "line 1, column 8"),
        (r#"{"s3": "secret"}"#, "s3://b", "\"s3\": expected an object, got a text"),
        (r#"{"s3": {"": "secret"}}"#, "s3://b", "\"s3\" / \"\": expected an object"),
        (
            r#"{"s3": {"": {"key_id": 1, "secret_key": "secret"}}}"#,
            "s3://b",
            "\"s3\" / \"\" / \"key_id\": expected a text, got a number",
        ),
        (r#"{"s3": {"": {"secret_key": "secret"}}}"#, "s3://b", "/ \"key_id\": expected a text"),
        (r#"{"gs": {"": {"path": "secret"}}}"#, "gs://b", "the path of a key file"),
        (
            r#"{"as": {"": {"auth_type": "other"}}}"#,
            "as://a/c",
            "/ \"auth_type\": expected key, managed_identity or default, got 'other'",
        ),
    ] {
        let (file, variables) = with_file(content);
        let refusal = access(url, &variables).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{content}: {refusal}");
        assert!(refusal.contains(file.path().to_str().unwrap()), "{refusal}");
        assert!(!refusal.contains("secret\""), "{refusal}");
    }
    let missing = Variables::from([(FILE, "/nowhere/at/all")]);
    assert!(access("s3://b", &missing).unwrap_err().to_string().contains("/nowhere/at/all"));
    let missing = Variables::from([("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")]);
    assert!(access("gs://b", &missing).unwrap_err().to_string().contains("/nowhere"));
    let lost = Variables::from([("AWS_PROFILE", "lost"), ("HOME", "/nowhere")]);
    let refusal = access("s3://b", &lost).unwrap_err().to_string();
    assert!(
        refusal.contains("'lost'") && refusal.contains("/nowhere/.aws/credentials"),
        "{refusal}"
    );
}
