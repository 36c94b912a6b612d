//! From what is wanted now to what shall be: plan, load wave by wave, publish once.

use super::{
    Desired, Repository, WantedModels,
    held_back::{Because, Hold, Now, differs, held_back},
    load::Loaded,
    rollback::Earlier,
};
use crate::{ModelSnapshot, RepositoryError, plan};
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How a change is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves<'a> {
    /// Models that a user, or a change of their files, has named.
    pub(super) asked: &'a [String],
    /// An ensemble and its members move together or not at all.
    pub(super) together: bool,
    /// All that was asked for, or nothing.
    pub(super) all: bool,
    /// Where the latest version does not load, one before it serves that does and is later than what
    /// serves now.
    pub(super) fall_back: bool,
    /// A look at the files: what is in the repository, and was not seen at rest in it.
    pub(super) unseen: Option<&'a BTreeSet<String>>,
}

impl Repository {
    /// Goes from what is wanted to `next`. What failed keeps what served before and stays wanted as it
    /// was. `refused` could not even be read. Returns the failures by name; not those of versions where
    /// another one is taken into service instead.
    pub(super) fn carry_out(
        &self,
        wanted: &mut WantedModels,
        mut next: BTreeMap<String, Desired>,
        refused: &BTreeMap<String, Error>,
        moves: &Moves<'_>,
    ) -> BTreeMap<String, Error> {
        let before = self.published.load_full();
        let serving: BTreeMap<String, u64> = before
            .models
            .iter()
            .filter(|(_, model)| !model.versions.is_empty())
            .map(|(name, model)| (name.to_string(), model.fingerprint))
            .collect();
        let desired = next.iter().map(|(name, model)| (name.clone(), model.wanted())).collect();
        let steps = plan(&serving, &desired);

        let mut after = ModelSnapshot::clone(&before);
        for name in &steps.unload {
            let model = after.models.get_mut(name.as_str()).expect("the plan unloads what serves");
            model.versions.clear();
            self.states.unloaded(name);
            if next.contains_key(name) {
                tracing::warn!(ensemble = %name, "unloaded: a model that it is made of is gone; it comes back with it");
            } else {
                tracing::info!(model = %name, "model unloaded");
            }
        }
        let mut failed = BTreeMap::new();
        for (name, blocked) in steps.blocked {
            // An ensemble whose member was unloaded goes with it, and waits for it without noise.
            let waits =
                wanted.models.get(&name).is_some_and(|old| old.wanted() == next[&name].wanted());
            if !waits || moves.asked.contains(&name) {
                self.states.failed(&name, None, &blocked.to_string());
                failed.insert(name, RepositoryError::from(blocked).into());
            }
        }
        let floor = moves.fall_back.then_some(&*before);
        let mut loaded: BTreeMap<String, Loaded> = BTreeMap::new();
        for wave in &steps.load {
            let wave: Vec<String> =
                wave.iter().filter(|name| changes(&before, &after, &next, name)).cloned().collect();
            for (name, result) in self.load_wave(&wave, &next, &after, &failed, floor) {
                match result {
                    Ok(model) => {
                        after.models.insert(Arc::from(name.as_str()), model.model.clone());
                        loaded.insert(name, model);
                    }
                    Err(error) => drop(failed.insert(name, error)),
                }
            }
        }
        if let Some(floor) = floor {
            loaded.extend(self.step_back(floor, &mut after, &next, &mut failed));
        }
        if moves.together {
            let fails = failed.keys().chain(refused.keys()).cloned().collect();
            // What was to change along and did not; what has long been broken holds nobody ...
            let changed_not = moves.asked.iter().filter(|name| BTreeSet::contains(&fails, *name));
            let changed_not: BTreeSet<String> = changed_not.cloned().collect();
            // ... but the ensembles that waited for it then.
            let now = moves.unseen.map(|unseen| Now { next: &next, fails: &fails, unseen });
            let holds = now.as_ref().map(|now| wanted.holds.that_stand(now)).unwrap_or_default();
            self.hold_back(&before, &mut after, wanted, &next, (&changed_not, &holds), &mut failed);
            if let Some(now) = &now {
                let serves = |name: &str| serving.contains_key(name);
                wanted.holds.add(moves.asked, serves, now);
            }
        }
        for (name, error) in &failed {
            self.loader.ended(name, Some(error));
            tracing::error!(model = %name, error = %error, "model failed to load");
            match wanted.models.get(name).cloned() {
                Some(old) => next.insert(name.clone(), old),
                None => next.remove(name),
            };
        }
        if moves.all && moves.asked.iter().any(|name| failed.contains_key(name)) {
            return failed;
        }
        self.publish(&before, after);
        wanted.published += 1;
        self.remember(wanted, &before, &next);
        for (name, Loaded { kept, available, .. }) in loaded {
            if failed.contains_key(&name) {
                continue;
            }
            self.loader.ended(&name, None);
            let source = &mut next.get_mut(&name).expect("what is loaded is wanted").source;
            let before = wanted.models.get(&name).map(|before| before.source.fingerprint);
            if before != Some(source.fingerprint) {
                wanted.gone_back.remove(&name);
            }
            let whole = source.versions == available;
            self.states.succeeded(&name, &source.versions, whole);
            if !whole {
                source.set_versions(available);
            }
            if kept.is_some() {
                source.kept = kept;
            }
        }
        wanted.models = next;
        failed
    }

    /// What cannot move together stays as it was.
    fn hold_back(
        &self,
        before: &ModelSnapshot,
        after: &mut ModelSnapshot,
        wanted: &WantedModels,
        next: &BTreeMap<String, Desired>,
        (changed_not, holds): (&BTreeSet<String>, &[Hold]),
        failed: &mut BTreeMap<String, Error>,
    ) {
        // Of what an ensemble is made now and of what it was: one that fails goes on as it was.
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, model) in next.iter().chain(wanted.models.iter()) {
            let of = model.source.members();
            if !of.is_empty() {
                members.entry(name.clone()).or_default().extend(of);
            }
        }
        let not_along = next.iter().filter_map(|(name, model)| {
            let member = model.source.members().into_iter().find(|of| changed_not.contains(of))?;
            Some((name.clone(), member))
        });
        let not_along = not_along.collect();
        let not: BTreeSet<String> = failed.keys().cloned().collect();
        for (name, because) in held_back(before, after, &members, &not, not_along, holds) {
            after.models.insert(Arc::from(name.as_str()), before.models[name.as_str()].clone());
            let would = if next.contains_key(&name) { "load" } else { "go" };
            let error = Error::invalid(match because {
                Because::Ensemble(ensemble) => format!(
                    "it would {would}, but ensemble '{ensemble}', which is made of it, would not: both stay as they were"
                ),
                Because::Member { ensemble, member } => format!(
                    "it would {would}, but '{member}', which ensemble '{ensemble}' is made of, too, does not load: all of it stays as it was"
                ),
            });
            self.states.failed(&name, None, error.message());
            failed.insert(name, error);
        }
    }

    /// The one swap.
    fn publish(&self, before: &ModelSnapshot, after: ModelSnapshot) {
        // First, so that a server that goes from one version to the next is never unready.
        for version in after.models.values().flat_map(|model| model.versions.values()) {
            self.states.ready(&version.retirement);
        }
        for (name, old) in &before.models {
            let new = after.models.get(name).map(|model| &model.versions);
            let gone = old
                .versions
                .iter()
                .filter(|(version, _)| new.is_none_or(|versions| !versions.contains_key(version)));
            gone.for_each(|(_, version)| self.states.unloading(&version.retirement));
        }
        self.published.store(Arc::new(after));
    }

    /// What was replaced can be gone back to; what is gone cannot.
    fn remember(
        &self,
        wanted: &mut WantedModels,
        before: &ModelSnapshot,
        next: &BTreeMap<String, Desired>,
    ) {
        let after = self.published.load();
        let serves = |snapshot: &ModelSnapshot, name: &str| {
            snapshot.models.get(name).is_some_and(|model| !model.versions.is_empty())
        };
        let both = before.models.keys().filter(|name| serves(before, name) && serves(&after, name));
        for name in both.filter(|name| differs(before, &after, name)) {
            if let Some(old) = wanted.models.get(&**name) {
                let earlier = Earlier { source: old.source.clone(), published: wanted.published };
                wanted.earlier.insert(name.to_string(), earlier);
            }
        }
        wanted.earlier.retain(|name, _| next.contains_key(name));
        wanted.gone_back.retain(|name, _| next.contains_key(name));
    }
}

/// Whether there is anything to load: an ensemble none of whose members came to be another is what it was.
fn changes(
    before: &ModelSnapshot,
    after: &ModelSnapshot,
    next: &BTreeMap<String, Desired>,
    name: &str,
) -> bool {
    let source = &next[name].source;
    let serves = |snapshot: &ModelSnapshot| {
        let model = snapshot.models.get(name);
        model.is_some_and(|model| {
            !model.versions.is_empty() && model.fingerprint == source.fingerprint
        })
    };
    !serves(before) || source.members().iter().any(|member| differs(before, after, member))
}
