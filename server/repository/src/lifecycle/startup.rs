//! What is still being written when the server starts.

use super::{Desired, Repository};
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
const REST: Duration = Duration::from_secs(2);

/// A start waits no longer for files to come to rest.
const LONGEST: Duration = Duration::from_secs(30);

impl Repository {
    /// Waits while the latest version of one of these models is being written and an earlier one is
    /// not: nobody would load it later. A repository that was made just now waits for nothing.
    pub(super) fn wait_for_rest(&self, names: &BTreeSet<String>, models: &BTreeMap<String, Found>) {
        let mut waited = Duration::ZERO;
        for (name, found) in models.iter().filter(|(name, _)| names.contains(*name)) {
            let Some(place) = found.in_directory() else { continue };
            while waited < LONGEST && !unfinished(&place).is_empty() {
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

/// Versions that may be written on, if there is an earlier one that is whole.
fn unfinished(place: &Place) -> BTreeSet<u64> {
    let versions = version_directories(&place.directory).unwrap_or_default();
    if versions.len() < 2 {
        return BTreeSet::new();
    }
    let Ages { young, old } = Ages::of(place, &versions);
    if old.is_empty() { BTreeSet::new() } else { young }
}

/// The versions of a model.
#[derive(Debug, Default)]
struct Ages {
    /// Those that were written to less than [`REST`] ago, and may be written on.
    young: BTreeSet<u64>,
    old: BTreeSet<u64>,
}

impl Ages {
    fn of(place: &Place, versions: &[u64]) -> Self {
        let young = |version: &u64| {
            files::written_within(place, &place.directory.join(version.to_string()), REST)
        };
        let (young, old) = versions.iter().partition(|version| young(version));
        Self { young, old }
    }
}

/// At a start, takes the versions that may be written on from what is wanted, where there are others;
/// returns the models.
pub(super) fn leave_for_later(next: &mut BTreeMap<String, Desired>) -> Vec<String> {
    // Most have one version, and their files need not be looked at.
    if next.values().all(|model| model.source.versions.len() < 2) {
        return Vec::new();
    }
    let ages = next.iter().map(|(name, Desired { source, .. })| {
        (name.clone(), Ages::of(&source.place, &source.versions))
    });
    let members = next.iter().map(|(name, model)| (name.clone(), model.source.members()));
    let left = left_for_later(ages.collect(), &members.collect());
    for (name, young) in &left {
        tracing::info!(model = %name, versions = ?young, "being written; earlier versions serve until they are whole");
        let source = &mut next.get_mut(name).expect("it is one of them").source;
        let whole = source.versions.iter().copied().filter(|version| !young.contains(version));
        let whole = whole.collect();
        source.set_versions(whole);
    }
    left.into_keys().collect()
}

/// The versions to leave for later, by model: those that may be written on, where there are others. Not of
/// what belongs to a model that has no others: what is made for each other is there in young versions
/// alone. `members` names what each ensemble is made of.
fn left_for_later(
    ages: BTreeMap<String, Ages>,
    members: &BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, BTreeSet<u64>> {
    let has_no_other = |name: &String| {
        ages.get(name).is_some_and(|ages| ages.old.is_empty() && !ages.young.is_empty())
    };
    let mut taken: BTreeSet<String> =
        ages.keys().filter(|name| has_no_other(name)).cloned().collect();
    loop {
        let before = taken.len();
        for (ensemble, of) in members {
            let along = || of.iter().chain([ensemble]);
            if along().any(|name| taken.contains(name)) {
                taken.extend(along().cloned());
            }
        }
        if taken.len() == before {
            break;
        }
    }
    let left =
        ages.into_iter().filter(|(name, ages)| !ages.young.is_empty() && !taken.contains(name));
    left.map(|(name, ages)| (name, ages.young)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_for_each_other_is_left_for_later_together() {
        let ages = |models: &[(&str, &[u64], &[u64])]| {
            let ages = models.iter().map(|(name, old, young)| {
                let (old, young) = (old.iter().copied().collect(), young.iter().copied().collect());
                ((*name).to_owned(), Ages { young, old })
            });
            ages.collect::<BTreeMap<_, _>>()
        };
        let members = |of: &[&str]| {
            let of: Vec<String> = of.iter().map(|of| (*of).to_owned()).collect();
            BTreeMap::from([("pair".to_owned(), of)])
        };
        let left = |encoder_old: &[u64], of: &[&str]| -> Vec<String> {
            let ages = ages(&[
                ("pair", &[1], &[]),
                ("encoder", encoder_old, &[4, 5]),
                ("index", &[3], &[4, 5]),
                ("still", &[1, 2], &[]),
            ]);
            left_for_later(ages, &members(of)).into_keys().collect()
        };
        assert_eq!(left(&[3], &["encoder", "index"]), ["encoder", "index"]);
        assert!(left(&[], &["encoder", "index"]).is_empty());
        assert_eq!(left(&[], &["still", "index"]), ["index"]);
    }
}
