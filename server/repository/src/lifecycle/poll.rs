//! The way of a poll: what has changed and come to rest is loaded, what is gone is unloaded, and an
//! ensemble and its members move together or not at all.

use super::{Desired, Repository, source};
use crate::{
    ModelSnapshot, RepositoryError,
    poll::{Polled, Rest},
    prints::stats,
};
use hippocamp_types::{Error, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// What a poll has done.
#[derive(Debug, Default)]
pub struct PollOutcome {
    /// Models that failed to load; what served before goes on.
    pub failed: BTreeMap<String, Error>,
    /// Files were being written: it is worth to poll again as soon as they may have come to rest.
    pub restless: bool,
}

impl Repository {
    /// Looks at the repository, and loads and unloads what has changed since the last look and has not
    /// for `settle`. The first poll loads everything.
    ///
    /// # Errors
    /// If the repository cannot be listed; then nothing changes.
    pub fn poll(&self, now: Timestamp, settle: Duration) -> Result<PollOutcome, RepositoryError> {
        let directories = source::scan(&self.options.roots)?;
        let mut polled = self.polled.lock().expect("a poll does not panic while it holds the lock");
        let look = polled.look(&directories, now, settle);
        let restless = look.restless;
        if look.changed.is_empty() && look.gone.is_empty() {
            return Ok(PollOutcome { failed: BTreeMap::new(), restless });
        }
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        if self.closed.load(Ordering::Relaxed) {
            return Ok(PollOutcome::default());
        }
        let mut next = wanted.clone();
        for name in &look.gone {
            next.remove(name);
            self.states.forget(name);
        }
        let mut failed = BTreeMap::new();
        // What failed before is tried again whenever anything has changed: it may have waited for that.
        for (name, rest) in &look.rests {
            let known = next.get_mut(name).filter(|known| known.source.fingerprint == rest.print);
            if let Some(known) = known {
                // Written anew with what it said before, it may still be loaded with a member.
                known.source.stat = Some(rest.stat);
                // What it failed with is told again if it is tried again.
                self.states.mended(name);
                continue;
            }
            let read = source::read(name, &directories[name], self.options.config_name.as_deref());
            match read {
                Ok(mut source) => {
                    source.fingerprint = rest.print;
                    source.stat = Some(rest.stat);
                    next.insert(name.clone(), Desired { source, explicit: true });
                }
                Err(error) => {
                    self.states.failed(name, None, &error.to_string());
                    tracing::error!(model = %name, %error, "model failed to load");
                    failed.insert(name.clone(), error.into());
                }
            }
        }
        let changed: Vec<String> = look.changed.into_iter().collect();
        failed.extend(self.carry_out(&mut wanted, next, &changed, true));
        look_again(&mut polled, &directories, &look.rests, &failed);
        Ok(PollOutcome { failed, restless })
    }
}

/// Models that were written while they were loaded are looked at again.
fn look_again(
    polled: &mut Polled,
    directories: &BTreeMap<String, PathBuf>,
    rests: &BTreeMap<String, Rest>,
    failed: &BTreeMap<String, Error>,
) {
    for name in failed.keys() {
        let now = directories.get(name).and_then(|directory| stats(directory).ok());
        if rests.get(name).map(|rest| rest.stat) != now {
            polled.again(name);
        }
    }
}

/// Of the models that were loaded into `after`, those that must stay as they were in `before`, because
/// an ensemble that served would not be served by them any more; with the ensemble that is in the way.
/// `members` names what a model is made of, `failed` those that did not load.
pub(super) fn held_back(
    before: &ModelSnapshot,
    after: &ModelSnapshot,
    members: &BTreeMap<String, Vec<String>>,
    failed: &BTreeMap<String, Error>,
) -> BTreeMap<String, String> {
    let served =
        |name: &str| before.models.get(name).is_some_and(|model| !model.versions.is_empty());
    let moved = |name: &str| match (before.models.get(name), after.models.get(name)) {
        (Some(old), Some(new)) => {
            old.versions.iter().any(|(version, old)| {
                new.versions.get(version).is_none_or(|new| !Arc::ptr_eq(old, new))
            }) || old.versions.len() != new.versions.len()
        }
        _ => false,
    };
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    let mut stay: Vec<(String, String)> = failed
        .keys()
        .filter(|name| served(name) && members.contains_key(*name))
        .map(|name| (name.clone(), name.clone()))
        .collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some((name, because)) = stay.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        // What it is made of stays with it, and so do the other ensembles that are made of that.
        for member in members.get(&name).into_iter().flatten().filter(|member| moved(member)) {
            held.entry(member.clone()).or_insert_with(|| because.clone());
            stay.push((member.clone(), because.clone()));
            for (ensemble, of) in members {
                if of.contains(member) && moved(ensemble) {
                    held.entry(ensemble.clone()).or_insert_with(|| because.clone());
                    stay.push((ensemble.clone(), because.clone()));
                }
            }
        }
    }
    held
}
