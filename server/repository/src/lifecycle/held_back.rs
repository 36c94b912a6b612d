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

/// What changed at once and belongs to one ensemble comes at once: each such model is held by each that
/// did not load. As long as nothing of the two or of the ensemble changes, later looks at the files hold
/// the ensemble as it is, and with it what comes to it meanwhile.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<Hold, Wanted>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hold {
    ensemble: String,
    /// What stays as it was; may be the ensemble.
    held: String,
    /// What did not load.
    member: String,
}

/// What was wanted when a [`Hold`] was made.
#[derive(Debug)]
struct Wanted {
    /// What the ensemble is made of.
    members: Vec<String>,
    /// The files of what is held, and of what did not load; those from before where they cannot be read.
    files: [Option<u64>; 2],
}

/// How models stand in one look at the files.
pub(super) struct Now<'a> {
    /// What is to be wanted.
    pub(super) next: &'a BTreeMap<String, Desired>,
    /// What does not load, or cannot be read.
    pub(super) fails: &'a BTreeSet<String>,
    /// What is being written, is missing for a moment, or cannot be had.
    pub(super) unseen: &'a BTreeSet<String>,
}

impl Now<'_> {
    fn files(&self, name: &str) -> Option<u64> {
        self.next.get(name).map(|model| model.source.fingerprint)
    }

    fn members(&self, ensemble: &str) -> Option<Vec<String>> {
        self.next.get(ensemble).map(|model| model.source.members())
    }
}

impl Holds {
    /// Forgets those where the ensemble is made of other models now, or where one of the two is wanted
    /// otherwise than before or loads; returns the others.
    pub(super) fn that_stand(&mut self, now: &Now<'_>) -> Vec<Hold> {
        let (unseen, fails) = (now.unseen, now.fails);
        self.0.retain(|Hold { ensemble, held, member }, wanted| {
            let same = |name: &String, files: Option<u64>| {
                unseen.contains(name) || now.files(name) == files
            };
            now.members(ensemble).is_some_and(|members| {
                members == wanted.members || unseen.contains(ensemble) || fails.contains(ensemble)
            }) && same(held, wanted.files[0])
                && same(member, wanted.files[1])
                && (unseen.contains(member) || fails.contains(member))
        });
        self.0.keys().cloned().collect()
    }

    /// Of the models that have changed, those of an ensemble that serves are held by those of its members
    /// that do not load.
    pub(super) fn add(&mut self, changed: &[String], serves: impl Fn(&str) -> bool, now: &Now<'_>) {
        for ensemble in now.next.keys().filter(|name| serves(name)) {
            let members = now.members(ensemble).unwrap_or_default();
            let along = members.iter().chain([ensemble]).filter(|name| changed.contains(name));
            let along: BTreeSet<&String> = along.collect();
            let fails = members.iter().filter(|of| along.contains(of) && now.fails.contains(*of));
            for member in fails {
                for held in along.iter().filter(|name| **name != member) {
                    let hold = Hold {
                        ensemble: ensemble.clone(),
                        held: (*held).clone(),
                        member: member.clone(),
                    };
                    let files = [now.files(held), now.files(member)];
                    let wanted = || Wanted { members: members.clone(), files };
                    self.0.entry(hold).or_insert_with(wanted);
                }
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
/// reason. `members` names what a model is made of or was, `failed` those that did not load, `not_along` the
/// ensembles that are made of one which was to come along and did not; `holds` stand from before.
pub(super) fn held_back(
    before: &ModelSnapshot,
    after: &ModelSnapshot,
    members: &BTreeMap<String, Vec<String>>,
    failed: &BTreeSet<String>,
    not_along: BTreeMap<String, String>,
    holds: &[Hold],
) -> BTreeMap<String, Because> {
    let served =
        |name: &str| before.models.get(name).is_some_and(|model| !model.versions.is_empty());
    let moved = |name: &str| served(name) && differs(before, after, name);
    let mut held: BTreeMap<String, Because> = BTreeMap::new();
    // Ensembles whose members stay: they failed themselves, or one of their members did.
    let mut stay: Vec<(String, Because)> = Vec::new();
    for ensemble in members.keys().filter(|name| served(name) && failed.contains(*name)) {
        stay.push((ensemble.clone(), Because::Ensemble(ensemble.clone())));
    }
    for (ensemble, member) in not_along {
        if served(&ensemble) && served(&member) && !failed.contains(&ensemble) {
            stay.push((ensemble.clone(), Because::Member { ensemble, member }));
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
