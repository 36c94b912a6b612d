//! What cannot move together: of a change that was loaded, the models that must stay as they were. Pure.

use super::Desired;
use crate::ModelSnapshot;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why a model stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// This ensemble, which is made of it, would not be served by it.
    Ensemble(String),
    /// Another member of this ensemble did not come along.
    Member {
        /// The ensemble.
        ensemble: String,
        /// What did not load.
        member: String,
    },
}

/// What the members of an ensemble that came to be changed together wait for: a model that was held, and
/// one that did not come along. As long as nothing of the two changes, later looks at the files hold the
/// ensemble as it is, and with it what comes to it meanwhile.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<Hold, Files>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hold {
    pub(super) ensemble: String,
    /// What loads, and stays as it was.
    held: String,
    /// What does not.
    pub(super) member: String,
}

/// Of what the two of a [`Hold`] would be loaded from; `None` where they would go, or cannot be read.
type Files = [Option<u64>; 2];

/// How models stand in one look at the files.
pub(super) struct Now<'a> {
    /// What is to be wanted.
    pub(super) next: &'a BTreeMap<String, Desired>,
    /// What does not load, or cannot be read.
    pub(super) fails: &'a BTreeSet<String>,
    /// What is being written, or cannot be had.
    pub(super) unseen: &'a BTreeSet<String>,
}

impl Now<'_> {
    fn files(&self, name: &str) -> Option<u64> {
        self.next.get(name).map(|model| model.source.fingerprint)
    }
}

impl Holds {
    /// Forgets those whose ensemble is made of other models now, or where one of the two is wanted
    /// otherwise than before or loads; returns the others.
    pub(super) fn that_stand(&mut self, now: &Now<'_>) -> Vec<Hold> {
        self.0.retain(|Hold { ensemble, held, member }, [files, of]| {
            let same = |name: &String, files: &Option<u64>| {
                now.unseen.contains(name) || now.files(name) == *files
            };
            now.next.get(ensemble).is_some_and(|model| model.source.members().contains(member))
                && same(held, files)
                && same(member, of)
                && (now.unseen.contains(member) || now.fails.contains(member))
        });
        self.0.keys().cloned().collect()
    }

    /// These models are held, each by an ensemble and all of `changed_not` that it is made of.
    pub(super) fn add(
        &mut self,
        held: impl Iterator<Item = (String, String)>,
        changed_not: &BTreeSet<String>,
        now: &Now<'_>,
    ) {
        for (held, ensemble) in held {
            let members = now.next.get(&ensemble).map(|model| model.source.members());
            for member in members.into_iter().flatten().filter(|of| changed_not.contains(of)) {
                let files = [now.files(&held), now.files(&member)];
                let hold = Hold { ensemble: ensemble.clone(), held: held.clone(), member };
                self.0.entry(hold).or_insert(files);
            }
        }
    }
}

/// Whether a model serves in `after` otherwise than it did in `before`.
pub(super) fn differs(before: &ModelSnapshot, after: &ModelSnapshot, name: &str) -> bool {
    let versions = |snapshot: &'_ ModelSnapshot| {
        snapshot.models.get(name).map(|model| model.versions.clone()).unwrap_or_default()
    };
    let (old, new) = (versions(before), versions(after));
    old.len() != new.len()
        || old.iter().any(|(number, old)| new.get(number).is_none_or(|new| !Arc::ptr_eq(old, new)))
}

/// Of the models that were loaded into `after`, those that must stay as they were in `before`, with the
/// reason. `members` names what a model is made of, `failed` those that did not load, `changed_not` those
/// that were to come along and did not; `holds` stand from before.
pub(super) fn held_back(
    before: &ModelSnapshot,
    after: &ModelSnapshot,
    members: &BTreeMap<String, Vec<String>>,
    failed: &BTreeSet<String>,
    changed_not: &BTreeSet<String>,
    holds: &[Hold],
) -> BTreeMap<String, Because> {
    let served =
        |name: &str| before.models.get(name).is_some_and(|model| !model.versions.is_empty());
    let moved = |name: &str| served(name) && differs(before, after, name);
    let mut held: BTreeMap<String, Because> = BTreeMap::new();
    // Ensembles whose members stay: they failed themselves, or one of their members did.
    let mut stay: Vec<(String, Because)> = Vec::new();
    for (ensemble, of) in members.iter().filter(|(name, _)| served(name)) {
        if failed.contains(ensemble) {
            stay.push((ensemble.clone(), Because::Ensemble(ensemble.clone())));
        } else if let Some(member) = of.iter().find(|of| changed_not.contains(*of) && served(of)) {
            let because = Because::Member { ensemble: ensemble.clone(), member: member.clone() };
            stay.push((ensemble.clone(), because));
        }
    }
    for Hold { ensemble, member, .. } in holds.iter().filter(|hold| served(&hold.ensemble)) {
        let because = Because::Member { ensemble: ensemble.clone(), member: member.clone() };
        stay.push((ensemble.clone(), because));
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some((name, because)) = stay.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        if moved(&name) {
            held.entry(name.clone()).or_insert_with(|| because.clone());
        }
        for member in members.get(&name).into_iter().flatten().filter(|member| moved(member)) {
            stay.push((member.clone(), because.clone()));
        }
        // What is made of what stays stays, too.
        if held.contains_key(&name) {
            let made_of = members.iter().filter(|(other, of)| of.contains(&name) && moved(other));
            stay.extend(made_of.map(|(other, _)| (other.clone(), because.clone())));
        }
    }
    held
}
