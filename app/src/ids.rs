//! Ids of our own making, 32 hexadecimal digits: of recommendations, and of feedback whose client
//! names none. Unlike any other by the random keys of this process; no secret.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A new one.
pub(crate) fn new() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let half = |keys: &RandomState| {
        let mut hasher = keys.build_hasher();
        hasher.write_u64(number);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(&KEYS.0), half(&KEYS.1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_two_are_alike() {
        let ids: BTreeSet<String> = (0..10_000).map(|_| super::new()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
