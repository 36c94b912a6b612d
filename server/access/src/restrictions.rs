//! Groups of calls that need a certain header: Triton's `--http-restricted-api` and
//! `--grpc-restricted-protocol`.

use crate::{
    category::{Category, UnknownCategory},
    grant::Refusal,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What callers of each group must send.
#[derive(Clone, Debug, Default)]
pub struct Restrictions([Option<Required>; Category::ALL.len()]);

#[derive(Clone, Debug)]
struct Required {
    header: String,
    /// Of the value: comparing digests tells nothing of its length.
    digest: [u8; 32],
}

/// A restriction is not written as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    /// A part is missing.
    #[error("expected <group>[,<group>...]:<header>=<value>, got '{0}'")]
    Form(String),
    /// A group is not known.
    #[error(transparent)]
    Category(#[from] UnknownCategory),
    /// A group is restricted twice.
    #[error("'{0}' is restricted twice: a group of calls has one header")]
    Twice(Category),
}

impl Restrictions {
    /// Adds `<group>[,<group>...]:<header>=<value>`; `prefix` comes before the header's name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, text: &str, prefix: &str) -> Result<(), RestrictionError> {
        let form = || RestrictionError::Form(text.to_owned());
        let (groups, pair) = text.split_once(':').ok_or_else(form)?;
        let (header, value) = pair.split_once('=').ok_or_else(form)?;
        if groups.is_empty() || header.is_empty() || value.is_empty() {
            return Err(form());
        }
        let required = Required {
            header: format!("{prefix}{header}").to_ascii_lowercase(),
            digest: Sha256::digest(value).into(),
        };
        for name in groups.split(',') {
            let category = Category::among(Category::OF_TRITON, name)?;
            let place = &mut self.0[category as usize];
            if place.is_some() {
                return Err(RestrictionError::Twice(category));
            }
            *place = Some(required.clone());
        }
        Ok(())
    }

    /// The headers that open groups.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(|required| required.header.as_str())
    }

    /// Whether a call of `category` may be made with these headers.
    ///
    /// # Errors
    /// If the header is missing or has another value; in constant time for values of one length.
    pub(crate) fn check<'a>(
        &self,
        category: Category,
        header: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<(), Refusal> {
        let Some(required) = &self.0[category as usize] else { return Ok(()) };
        let sent = header(&required.header).map(|value| <[u8; 32]>::from(Sha256::digest(value)));
        if sent.is_some_and(|sent| sent.ct_eq(&required.digest).into()) {
            return Ok(());
        }
        Err(Refusal::Restricted { header: required.header.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_needs_its_header() {
        let mut restrictions = Restrictions::default();
        restrictions.add("health,model-repository:Admin-Key=a=b", "triton-grpc-protocol-").unwrap();
        let header = "triton-grpc-protocol-admin-key";
        let check = |category, sent: Option<&'static [u8]>| {
            restrictions.check(category, |name| sent.filter(|_| name == header))
        };
        assert_eq!(check(Category::Inference, None), Ok(()));
        assert_eq!(check(Category::Health, Some(b"a=b")), Ok(()));
        let refused = Err(Refusal::Restricted { header: header.to_owned() });
        assert_eq!(check(Category::Health, Some(b"a=c")), refused);
        assert_eq!(check(Category::ModelRepository, None), refused);
    }

    #[test]
    fn wrong_restrictions_say_why() {
        for (text, part) in [
            ("health", "expected <group>"),
            ("health:key", "expected <group>"),
            ("health:=value", "expected <group>"),
            (":key=value", "expected <group>"),
            ("healt:key=value", "'healt' is no group of calls: expected one of health, metadata"),
            ("health,health:key=value", "'health' is restricted twice"),
            ("documentation:key=value", "'documentation' is no group"),
        ] {
            let error = Restrictions::default().add(text, "").unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
