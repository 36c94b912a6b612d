//! From what is wanted now to what shall be: plan, load wave by wave, publish once.

use super::{
    Desired, Repository, WantedModels,
    load::Loaded,
    poll::held_back,
    rollback::{Earlier, replaced},
};
use crate::{ModelSnapshot, RepositoryError, plan};
use hippocamp_types::Error;
use std::{collections::BTreeMap, sync::Arc};

/// How a change is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves<'a> {
    /// Models that a user, or a change of their files, has named.
    pub(super) asked: &'a [String],
    /// An ensemble and its members move together or not at all.
    pub(super) together: bool,
    /// Nothing serves yet: better an earlier version of a model than none.
    pub(super) start_up: bool,
}

impl Repository {
    /// Goes from what is wanted to `next`. What failed keeps what served before and stays wanted as it
    /// was. Returns the failures by name; at start-up only those of models that do not serve.
    pub(super) fn carry_out(
        &self,
        wanted: &mut WantedModels,
        mut next: BTreeMap<String, Desired>,
        moves: &Moves<'_>,
    ) -> BTreeMap<String, Error> {
        let before = self.published.load_full();
        let serving = before
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
            tracing::info!(model = %name, "model unloaded");
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
        let mut loaded = Vec::new();
        for wave in &steps.load {
            for (name, result) in self.load_wave(wave, &next, &after, &failed, moves.start_up) {
                match result {
                    Ok(Loaded { model, kept, available }) => {
                        after.models.insert(Arc::from(name.as_str()), model);
                        loaded.push((name, kept, available));
                    }
                    Err(error) => drop(failed.insert(name, error)),
                }
            }
        }
        if moves.start_up {
            for (name, stepped) in self.step_back(&mut after, &next, &mut failed) {
                loaded.retain(|(loaded, ..)| *loaded != name);
                loaded.push((name, stepped.kept, stepped.available));
            }
        }
        if moves.together {
            self.hold_back(&before, &mut after, wanted, &next, &mut failed);
        }
        self.publish(&before, after);
        for (name, error) in &failed {
            self.loader.ended(name, Some(error));
            tracing::error!(model = %name, error = %error, "model failed to load");
            match wanted.models.get(name).cloned() {
                Some(old) => next.insert(name.clone(), old),
                None => next.remove(name),
            };
        }
        wanted.published += 1;
        self.remember(wanted, &before, &next);
        for (name, kept, available) in loaded {
            if failed.contains_key(&name) {
                continue;
            }
            self.loader.ended(&name, None);
            self.states.forget_gone(&name, &next[&name].source.versions);
            let source = &mut next.get_mut(&name).expect("what is loaded is wanted").source;
            if source.versions != available {
                source.versions = available;
                // What its files offer is another thing: it is tried again when anything changes.
                source.fingerprint = behind(source.fingerprint);
            }
            if let Some(kept) = kept {
                source.kept = Some(Arc::new(kept));
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
        for (name, ensemble) in held_back(before, after, &members, failed) {
            after.models.insert(Arc::from(name.as_str()), before.models[name.as_str()].clone());
            let error = Error::invalid(format!(
                "it would load, but ensemble '{ensemble}', which is made of it, would not: both stay as they were"
            ));
            self.states.failed(&name, None, error.message());
            failed.insert(name, error);
        }
    }

    /// The one swap.
    fn publish(&self, before: &ModelSnapshot, after: ModelSnapshot) {
        for (name, old) in &before.models {
            let new = after.models.get(name).map(|model| &model.versions);
            let gone = old
                .versions
                .iter()
                .filter(|(version, _)| new.is_none_or(|versions| !versions.contains_key(version)));
            gone.for_each(|(_, version)| self.states.unloading(&version.retirement));
        }
        for version in after.models.values().flat_map(|model| model.versions.values()) {
            self.states.ready(&version.retirement);
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
        for name in replaced(before, &after) {
            if let Some(old) = wanted.models.get(&name) {
                let source = old.source.clone();
                let published = wanted.published;
                wanted.earlier.insert(name, Earlier { source, published });
            }
        }
        wanted.earlier.retain(|name, _| next.contains_key(name));
        wanted.gone_back.retain(|name, _| next.contains_key(name));
    }
}

/// The fingerprint of a model that serves less than its files offer.
pub(super) fn behind(fingerprint: u64) -> u64 {
    !fingerprint
}
