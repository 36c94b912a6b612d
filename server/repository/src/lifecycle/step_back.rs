//! A start over versions that do not belong together: an encoder is there in its next version, its index
//! not yet. A server that had gone on would serve the versions before, so one that starts does, too.

use super::{Desired, Repository, load::Loaded};
use crate::ModelSnapshot;
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Members of one ensemble that are tried in an earlier version; each costs a load.
const MAX_MEMBERS: usize = 16;

impl Repository {
    /// Where an ensemble does not load with the latest versions of what it is made of, tries the versions
    /// before: of one member after the other, then of all. Takes the first that serves the ensemble and
    /// all others that served. Returns what was loaded: members in an earlier version, and ensembles.
    pub(super) fn step_back(
        &self,
        after: &mut ModelSnapshot,
        next: &BTreeMap<String, Desired>,
        failed: &mut BTreeMap<String, Error>,
    ) -> Vec<(String, Loaded)> {
        let mut stepped = Vec::new();
        let ensembles: Vec<String> = failed.keys().cloned().collect();
        for ensemble in ensembles {
            let Some(because) = failed.get(&ensemble).cloned() else { continue };
            let earlier = earlier_versions(after, next, &ensemble);
            let mut trials: Vec<BTreeMap<String, Vec<u64>>> = earlier
                .iter()
                .map(|(name, versions)| [(name.clone(), versions.clone())].into())
                .collect();
            if earlier.len() > 1 {
                trials.push(earlier);
            }
            let mut trials = trials.iter();
            let taken = trials.find_map(|earlier| self.trial(after, next, earlier, &ensemble));
            let Some(Trial { snapshot, members, ensembles }) = taken else { continue };
            for (name, loaded) in members {
                let newest = after.models[name.as_str()].versions.keys().next_back().copied();
                let error = Error::invalid(format!(
                    "it loads, but ensemble '{ensemble}' does not with it: the version before serves ({because})"
                ));
                self.states.failed(&name, newest, error.message());
                self.loader.ended(&name, Some(&error));
                tracing::error!(model = %name, version = newest, %error, "an earlier version serves");
                stepped.push((name, loaded));
            }
            for (ensemble, loaded) in ensembles {
                failed.remove(&ensemble);
                stepped.push((ensemble, loaded));
            }
            *after = snapshot;
        }
        stepped
    }

    /// Loads these members in an earlier version, and the ensembles that are made of them; `None` if
    /// `wanted` does not load then, or an ensemble that did does not any more.
    fn trial(
        &self,
        after: &ModelSnapshot,
        next: &BTreeMap<String, Desired>,
        earlier: &BTreeMap<String, Vec<u64>>,
        wanted: &str,
    ) -> Option<Trial> {
        let mut next = next.clone();
        let mut snapshot = after.clone();
        let mut members = Vec::new();
        for (name, versions) in earlier {
            next.get_mut(name)?.source.set_versions(versions.clone());
            let loaded = self.load_one(name, &next, &snapshot).ok()?;
            snapshot.models.insert(Arc::from(name.as_str()), loaded.model.clone());
            members.push((name.clone(), loaded));
        }
        let mut ensembles = Vec::new();
        for ensemble in made_of(&next, earlier.keys()) {
            let served =
                after.models.get(ensemble.as_str()).is_some_and(|model| !model.versions.is_empty());
            match self.load_one(&ensemble, &next, &snapshot) {
                Ok(loaded) => {
                    snapshot.models.insert(Arc::from(ensemble.as_str()), loaded.model.clone());
                    ensembles.push((ensemble, loaded));
                }
                Err(_) if served || ensemble == wanted => return None,
                Err(_) => {}
            }
        }
        Some(Trial { snapshot, members, ensembles })
    }

    fn load_one(
        &self,
        name: &str,
        next: &BTreeMap<String, Desired>,
        snapshot: &ModelSnapshot,
    ) -> Result<Loaded, Error> {
        let mut results =
            self.load_wave(&[name.to_owned()], next, snapshot, &BTreeMap::new(), false);
        results.pop().expect("a wave of one gives one result").1
    }
}

/// What a trial has loaded.
struct Trial {
    snapshot: ModelSnapshot,
    members: Vec<(String, Loaded)>,
    ensembles: Vec<(String, Loaded)>,
}

/// Of what an ensemble is made, the models that have versions before those that serve.
fn earlier_versions(
    after: &ModelSnapshot,
    next: &BTreeMap<String, Desired>,
    ensemble: &str,
) -> BTreeMap<String, Vec<u64>> {
    let mut earlier = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = next.get(ensemble).map(|model| model.source.members()).unwrap_or_default();
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(model) = next.get(&name) else { continue };
        open.extend(model.source.members());
        let serving =
            after.models.get(name.as_str()).and_then(|model| model.versions.keys().next_back());
        let Some(newest) = serving else { continue };
        let before: Vec<u64> =
            model.source.versions.iter().copied().filter(|version| version < newest).collect();
        if !before.is_empty() && earlier.len() < MAX_MEMBERS {
            earlier.insert(name, before);
        }
    }
    earlier
}

/// The ensembles that are made of these models, members first.
fn made_of<'a>(
    next: &BTreeMap<String, Desired>,
    models: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let mut touched: BTreeSet<String> = models.cloned().collect();
    let mut ordered = Vec::new();
    loop {
        let more: Vec<String> = next
            .iter()
            .filter(|(name, model)| {
                !touched.contains(*name)
                    && model.source.members().iter().any(|member| touched.contains(member))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        touched.extend(more.iter().cloned());
        ordered.extend(more);
    }
    // One that is made of a later one comes after it: few, so that a sort by insertion will do.
    let mut sorted: Vec<String> = Vec::with_capacity(ordered.len());
    while let Some(place) = ordered.iter().position(|name| {
        next[name].source.members().iter().all(|member| member == name || !ordered.contains(member))
    }) {
        sorted.push(ordered.remove(place));
    }
    sorted
}
