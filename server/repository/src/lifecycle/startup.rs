//! What is still being written when the server starts.

use super::Repository;
use crate::{
    files,
    root::{Found, Place},
};
use hippocamp_config::version_directories;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

/// Files that were written less than this ago may be written on.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// A start waits no longer for files to come to rest.
const LONGEST: Duration = Duration::from_secs(30);

impl Repository {
    /// Waits while the latest version of one of these models is being written and an earlier one is
    /// not: nobody would load it later. A repository that was made just now waits for nothing.
    pub(super) fn wait_for_rest(&self, names: &BTreeSet<String>, models: &BTreeMap<String, Found>) {
        let mut waited = Duration::ZERO;
        for (name, found) in models.iter().filter(|(name, _)| names.contains(*name)) {
            let Some(place) = found.in_directory() else { continue };
            while waited < LONGEST && !unfinished(&place, REST).is_empty() {
                if waited.is_zero() {
                    tracing::info!(model = %name, "a version is being written; waiting until it is whole");
                }
                let pause = REST / 10;
                thread::sleep(pause);
                waited += pause;
            }
        }
    }
}

/// Versions that were written to less than `age` ago, if there is an earlier one that was not.
pub(crate) fn unfinished(place: &Place, age: Duration) -> BTreeSet<u64> {
    let Ok(versions) = version_directories(&place.directory) else { return BTreeSet::new() };
    if versions.len() < 2 {
        return BTreeSet::new();
    }
    let young = |version: &u64| {
        files::written_within(place, &place.directory.join(version.to_string()), age)
    };
    let (young, old): (BTreeSet<u64>, BTreeSet<u64>) = versions.into_iter().partition(young);
    if old.is_empty() { BTreeSet::new() } else { young }
}
