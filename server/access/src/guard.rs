//! The one question of a front-end: may this call be made?

use crate::{
    category::Category,
    grant::{Grant, Refusal},
    keys::ApiKeys,
    restrictions::Restrictions,
};
use std::{sync::Arc, time::SystemTime};

/// Guards one front-end.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Groups that need a header.
    pub restrictions: Restrictions,
    /// `None`: no key is asked for.
    pub keys: Option<Arc<ApiKeys>>,
}

impl Guard {
    /// Whether a call of `category` may be made; `header` finds a header by its name in small
    /// letters. The grant says which models it may be about.
    ///
    /// # Errors
    /// Why not.
    #[expect(clippy::disallowed_methods, reason = "keys expire by the calendar")]
    pub fn admit<'a>(
        &self,
        category: Category,
        header: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Grant, Refusal> {
        self.restrictions.check(category, &header)?;
        let Some(keys) = &self.keys else { return Ok(Grant::default()) };
        if keys.is_open(category) {
            // Nobody is asked: a probe with an old key is still a probe.
            return Ok(Grant::default());
        }
        let presented = presented(header).ok_or(Refusal::NoKey)?;
        keys.admit(presented, category, SystemTime::now())
    }
}

/// The key that came: `authorization: Bearer <key>`, or `x-api-key: <key>`.
fn presented<'a>(header: impl Fn(&str) -> Option<&'a [u8]>) -> Option<&'a [u8]> {
    const BEARER: &[u8] = b"bearer ";
    if let Some(value) = header("authorization")
        && let Some((scheme, key)) = value.split_at_checked(BEARER.len())
        && scheme.eq_ignore_ascii_case(BEARER)
    {
        return Some(key.trim_ascii());
    }
    header("x-api-key").map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_two_headers() {
        let check = |sent: &[(&str, &'static str)], expect: Option<&str>| {
            let header = |name: &str| {
                let found = sent.iter().find(|(sent, _)| *sent == name);
                found.map(|(_, value)| value.as_bytes())
            };
            assert_eq!(presented(header), expect.map(str::as_bytes), "{sent:?}");
        };
        check(&[("authorization", "Bearer k")], Some("k"));
        check(&[("authorization", "bearer  k ")], Some("k"));
        check(&[("x-api-key", "k")], Some("k"));
        check(&[("authorization", "Basic eDp5"), ("x-api-key", "k")], Some("k"));
        check(&[("authorization", "Bearer")], None);
        check(&[], None);
    }
}
