//! The way of a poll: what has changed and come to rest is loaded, what is gone is unloaded, and an
//! ensemble and its members move together or not at all.

use super::{Desired, Moves, Repository, WantedModels, startup::leave_for_later};
use crate::{
    RepositoryError,
    files::{Stats, stats, total},
    poll::{Look, Polled, Rest},
    root::{Found, Place},
};
use hippocamp_types::{Error, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::Duration,
};

/// A model waits at most so many times as long as files settle for others that belong to it.
const PATIENCE: u32 = 10;

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
    /// for `settle`; `now` tells the time. The first poll loads everything.
    ///
    /// # Errors
    /// If the repository cannot be listed; then nothing changes.
    pub fn poll(
        &self,
        now: &dyn Fn() -> Timestamp,
        settle: Duration,
    ) -> Result<PollOutcome, RepositoryError> {
        let models = self.scan()?;
        let place = |found: &Found| found.place().map_err(Error::from);
        let places = models.iter().map(|(name, found)| (name.clone(), place(found))).collect();
        let mut polled = self.polled.lock().expect("a poll does not panic while it holds the lock");
        let mut look = polled.look(&places, now, settle);
        if look.first && models.is_empty() {
            self.warn_of_emptiness();
        }
        let mut outcome =
            PollOutcome { restless: !look.restless.is_empty(), ..PollOutcome::default() };
        let unreadable = std::mem::take(&mut look.unreadable);
        for (name, error) in unreadable.clone() {
            let error = self.refuse(&name, error);
            outcome.failed.insert(name, error);
        }
        if look.changed.is_empty() && look.gone.is_empty() {
            return Ok(outcome);
        }
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        if self.closed.load(Ordering::Relaxed) {
            return Ok(PollOutcome::default());
        }
        for name in wait_for(&look, &wanted) {
            if polled.waits(&name, now(), settle * PATIENCE) {
                look.rests.remove(&name);
                look.changed.remove(&name);
                polled.again(&name);
            }
        }
        look.changed.iter().for_each(|name| polled.need_not_wait(name));
        if look.changed.is_empty() && look.gone.is_empty() {
            return Ok(outcome);
        }
        let mut next = wanted.models.clone();
        // One that was held back when it went goes when it can.
        let went = |name: &&String| !models.contains_key(*name) && !look.restless.contains(*name);
        for name in wanted.models.keys().filter(went).chain(&look.gone) {
            next.remove(name);
            self.states.forget(name);
        }
        // What failed before is tried again whenever anything has changed: it may have waited for that.
        for (name, rest) in &look.rests {
            let mut source = match self.read(&models, &models[name]) {
                Ok(source) => source,
                Err(error) => {
                    outcome.failed.insert(name.clone(), self.refuse(name, error.into()));
                    continue;
                }
            };
            let stats = source.set_entries(rest.entries.clone());
            // Nothing fits them if they have been written since they were at rest.
            // Files of a store are fetched whole, and other processes may link them meanwhile.
            let whole = if total(&stats) == rest.stat { stats } else { Stats::new() };
            source.stats = (!models[name].is_stored()).then_some(whole);
            let gone_back = wanted.gone_back.get(name);
            if let Some(gone_back) = gone_back.filter(|back| back.fingerprint == source.fingerprint)
            {
                // They may have been broken in between.
                if self.states.mended(name, &source.versions) {
                    let serve = self.serving_versions(name);
                    let left = gone_back.left().filter(|version| !serve.contains(version));
                    self.states.gone_back(name, left);
                    tracing::info!(model = %name, "its files are again those that were gone back from: nothing is wrong with it any more");
                }
                continue;
            }
            source.barred =
                gone_back.map(|gone_back| gone_back.barred(&source)).unwrap_or_default();
            let known = next.get_mut(name);
            if let Some(known) =
                known.filter(|known| known.source.fingerprint == source.fingerprint)
            {
                wanted.gone_back.remove(name);
                // Written anew with what it said before, it may still be loaded with a member.
                known.source.place = source.place;
                known.source.versions = source.versions;
                known.source.stats = source.stats;
                known.source.temporary = None;
                // What it failed with is told again if it is tried again.
                if self.states.mended(name, &known.source.versions) {
                    tracing::info!(model = %name, "its files are again those that serve: nothing is wrong with it any more");
                }
                continue;
            }
            next.insert(name.clone(), Desired { source, explicit: true });
        }
        if look.first {
            for name in leave_for_later(&mut next) {
                polled.again(&name);
                outcome.restless = true;
            }
        }
        // What cannot be read does not come along, and holds what it was to come along with.
        let mut refused = polled.lately_unread(now(), settle * PATIENCE);
        refused.extend(unreadable);
        let asked: Vec<String> = look.changed.into_iter().chain(refused.keys().cloned()).collect();
        refused.extend(outcome.failed.clone());
        let unseen = models.keys().chain(&look.restless);
        let unseen = unseen.filter(|name| !look.rests.contains_key(*name)).cloned().collect();
        let moves = Moves {
            asked: &asked,
            together: true,
            fall_back: true,
            unseen: Some(&unseen),
            ..Moves::default()
        };
        let failed = self.carry_out(&mut wanted, next, &refused, &moves);
        look_again(&mut polled, &models, &look.rests, &failed);
        outcome.failed.extend(failed);
        Ok(outcome)
    }
}

/// Models that have changed and are at rest, but belong through ensembles to some that are not: what is
/// made for each other comes together.
fn wait_for(look: &Look, wanted: &WantedModels) -> Vec<String> {
    let mut belong: BTreeSet<&str> = look.restless.iter().map(String::as_str).collect();
    loop {
        let before = belong.len();
        for (name, model) in &wanted.models {
            let members = model.source.members();
            let of_this =
                || members.iter().filter_map(|member| wanted.models.get_key_value(member));
            let touched = belong.contains(name.as_str())
                || members.iter().any(|member| belong.contains(member.as_str()));
            if touched && !members.is_empty() {
                belong.insert(name);
                belong.extend(of_this().map(|(member, _)| member.as_str()));
            }
        }
        if belong.len() == before {
            break;
        }
    }
    look.changed.iter().filter(|name| belong.contains(name.as_str())).cloned().collect()
}

/// Models that were written while they were loaded are looked at again.
fn look_again(
    polled: &mut Polled,
    models: &BTreeMap<String, Found>,
    rests: &BTreeMap<String, Rest>,
    failed: &BTreeMap<String, Error>,
) {
    let now = |found: &Found| found.place().ok().and_then(|place: Place| stats(&place).ok());
    for name in failed.keys() {
        if rests.get(name).map(|rest| rest.stat) != models.get(name).and_then(now) {
            polled.again(name);
        }
    }
}
