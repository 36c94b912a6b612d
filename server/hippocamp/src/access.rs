//! Who may call what, and which headers reach a backend, as the flags say.

use crate::{
    arguments::Arguments,
    command::{KeyCommand, NewKey},
};
use anyhow::{Context as _, ensure};
use hippocamp_access::{ApiKeys, Category, Guard, Restrictions};
use hippocamp_core::ForwardedHeaders;
use std::sync::Arc;

/// What gRPC metadata begin with that open a restricted group, as in Triton.
const GRPC_PREFIX: &str = "triton-grpc-protocol-";

/// Who may call what.
#[derive(Debug)]
pub(crate) struct AccessSettings {
    pub(crate) keys: Option<Arc<ApiKeys>>,
    http: Restrictions,
    grpc: Restrictions,
    pub(crate) http_forwarded: ForwardedHeaders,
    pub(crate) grpc_forwarded: ForwardedHeaders,
}

impl AccessSettings {
    /// Reads the flags, and the file of keys.
    ///
    /// # Errors
    /// Which flag, or what in the file, is wrong.
    pub(crate) fn new(given: &Arguments) -> anyhow::Result<Self> {
        let restrictions = |texts: &[String], prefix: &str, flag: &str| {
            let mut restrictions = Restrictions::default();
            for text in texts {
                restrictions.add(text, prefix).with_context(|| flag.to_owned())?;
            }
            anyhow::Ok(restrictions)
        };
        let keys = given.api_keys.clone().map(ApiKeys::new).transpose().context("--api-keys")?;
        let http = restrictions(&given.http_restricted_api, "", "--http-restricted-api")?;
        let grpc = restrictions(
            &given.grpc_restricted_protocol,
            GRPC_PREFIX,
            "--grpc-restricted-protocol",
        )?;
        // What opens this server is not for its backends.
        let of_keys: &[&str] = if keys.is_some() { &["authorization", "x-api-key"] } else { &[] };
        let forwarded = |pattern: &Option<String>,
                         restrictions: &Restrictions,
                         flag: &'static str| {
            let of_keys = of_keys.iter().map(|&name| name.to_owned());
            let withheld = of_keys.chain(restrictions.headers().map(str::to_owned)).collect();
            ForwardedHeaders::new(pattern.as_deref().unwrap_or_default(), withheld).context(flag)
        };
        Ok(Self {
            keys: keys.map(Arc::new),
            http_forwarded: forwarded(
                &given.http_header_forward_pattern,
                &http,
                "--http-header-forward-pattern",
            )?,
            grpc_forwarded: forwarded(
                &given.grpc_header_forward_pattern,
                &grpc,
                "--grpc-header-forward-pattern",
            )?,
            http,
            grpc,
        })
    }

    pub(crate) fn http(&self) -> Guard {
        Guard { restrictions: self.http.clone(), keys: self.keys.clone() }
    }

    pub(crate) fn grpc(&self) -> Guard {
        Guard { restrictions: self.grpc.clone(), keys: self.keys.clone() }
    }

    pub(crate) fn metrics(&self) -> Guard {
        Guard { restrictions: Restrictions::default(), keys: self.keys.clone() }
    }
}

/// `hippocamp key`: what to print.
///
/// # Errors
/// If a group is not known, or the system has no random numbers.
pub(crate) fn key_command(command: KeyCommand) -> anyhow::Result<String> {
    let KeyCommand::New(NewKey { name, category, model }) = command;
    ensure!(!name.is_empty(), "expected a name for the key, which log and errors call it by");
    let categories = category.iter().map(|name| name.parse()).collect::<Result<Vec<Category>, _>>();
    let key = hippocamp_access::NewKey::draw(name, categories.context("--category")?, model)
        .context("cannot draw a key")?;
    Ok(format!(
        "The key, which is shown this once; its holder sends it as 'authorization: Bearer <key>':\n\n{}\n\n\
         Its entry for the file of --api-keys:\n\n{}",
        key.key,
        key.entry()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_told_once_and_kept_as_a_digest() {
        let wanted = NewKey {
            name: "web".to_owned(),
            category: vec!["inference".to_owned()],
            model: vec!["recommend_*".to_owned()],
        };
        let told = key_command(KeyCommand::New(wanted.clone())).unwrap();
        let (shown, entry) = told.split_once("Its entry").unwrap();
        assert!(shown.contains("\nhippocamp_") && !entry.contains("hippocamp_"), "{told}");
        assert!(entry.contains("categories = [\"inference\"]\nmodels = [\"recommend_*\"]\n"));

        let wrong = NewKey { category: vec!["inferense".to_owned()], ..wanted };
        let error = format!("{:#}", key_command(KeyCommand::New(wrong)).unwrap_err());
        assert!(error.starts_with("--category: 'inferense' is no group of calls"), "{error}");
    }
}
