//! What cannot move together: of a change that was loaded, the models that must stay as they were. Pure.

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

/// Models that stay as they are because a member of the same ensemble did not come along: as long as both
/// stay as they are, later looks at the files hold them, too.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<String, Hold>);

#[derive(Debug)]
struct Hold {
    /// Of the files that it would be loaded from; `None` where it would go.
    fingerprint: Option<u64>,
    /// What did not come along.
    member: String,
    /// Of the files that the member was wanted with: those that failed or, where its new ones could not
    /// be read, the old ones.
    of: Option<u64>,
    /// The member's files could not be read, which is told once.
    unread: bool,
}

impl Holds {
    /// Forgets those where either of the two is wanted otherwise than before, or the member serves.
    pub(super) fn forget_changed(
        &mut self,
        wants: impl Fn(&str) -> Option<u64>,
        fails: impl Fn(&str) -> bool,
        asked: &[String],
    ) {
        self.0.retain(|name, Hold { fingerprint, member, of, unread }| {
            let unread = *unread && !asked.contains(member);
            wants(name) == *fingerprint && wants(member) == *of && (unread || fails(member))
        });
    }

    /// What did not come along.
    pub(super) fn members(&self) -> impl Iterator<Item = String> {
        self.0.values().map(|hold| hold.member.clone())
    }

    /// These models are held by these members.
    pub(super) fn add(
        &mut self,
        held: BTreeMap<String, String>,
        wants: impl Fn(&str) -> Option<u64>,
        unread: impl Fn(&str) -> bool,
    ) {
        let holds = held.into_iter().map(|(name, member)| {
            let (fingerprint, of, unread) = (wants(&name), wants(&member), unread(&member));
            (name, Hold { fingerprint, member, of, unread })
        });
        // One that stands tells what it began with.
        for (name, hold) in holds {
            self.0.entry(name).or_insert(hold);
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
/// that were to come along and did not.
pub(super) fn held_back(
    before: &ModelSnapshot,
    after: &ModelSnapshot,
    members: &BTreeMap<String, Vec<String>>,
    failed: &BTreeSet<String>,
    changed_not: &BTreeSet<String>,
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
