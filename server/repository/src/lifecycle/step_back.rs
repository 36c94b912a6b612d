//! Versions that do not belong together: an encoder is there in its next version, its index not yet. A
//! server that had seen each version as it came would serve the last ones that fit, so one that starts over
//! them, or finds several at once, does, too.

use super::{
    Desired, Repository,
    load::{Loaded, newest},
};
use crate::ModelSnapshot;
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Combinations of earlier versions that are tried for one ensemble.
const MAX_TRIALS: usize = 64;

/// Versions of one model that are stepped back over.
const MAX_STEPS: usize = 8;

/// Members in the versions that were tried, by name and number of steps: each is loaded once.
type Tried = BTreeMap<(String, usize), Option<Loaded>>;

impl Repository {
    /// Where an ensemble does not load with the latest versions of what it is made of, tries the versions
    /// before, those with the fewest steps back first. Takes the first that serves the ensemble and all
    /// others that served. Goes no further back than to what serves in `floor`. Returns what was loaded:
    /// members in an earlier version, and ensembles.
    pub(super) fn step_back(
        &self,
        floor: &ModelSnapshot,
        after: &mut ModelSnapshot,
        next: &BTreeMap<String, Desired>,
        failed: &mut BTreeMap<String, Error>,
    ) -> Vec<(String, Loaded)> {
        let mut stepped = Vec::new();
        let ensembles: Vec<String> = failed.keys().cloned().collect();
        for ensemble in ensembles {
            let Some(because) = failed.get(&ensemble).cloned() else { continue };
            let earlier = earlier_versions(floor, after, next, &ensemble);
            let most: Vec<usize> =
                earlier.iter().map(|(_, versions)| versions.len().min(MAX_STEPS)).collect();
            let mut tried = Tried::new();
            let taken = combinations(&most, MAX_TRIALS).into_iter().find_map(|steps| {
                let earlier = earlier.iter().zip(&steps).filter(|(_, steps)| **steps > 0);
                let earlier: Vec<Earlier<'_>> = earlier
                    .map(|((name, versions), &steps)| {
                        let versions = &versions[..=versions.len() - steps];
                        Earlier { name, versions, steps }
                    })
                    .collect();
                self.trial(after, next, &earlier, &ensemble, &mut tried)
            });
            let Some(Trial { snapshot, members, ensembles }) = taken else { continue };
            for (name, loaded) in members {
                let newest = newest(after, &name);
                let error = Error::invalid(format!(
                    "it loads, but ensemble '{ensemble}' does not with it: an earlier version serves ({because})"
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
        earlier: &[Earlier<'_>],
        wanted: &str,
        tried: &mut Tried,
    ) -> Option<Trial> {
        let mut next = next.clone();
        let mut snapshot = after.clone();
        let mut members = Vec::new();
        for Earlier { name, versions, steps } in earlier {
            next.get_mut(*name)?.source.set_versions(versions.to_vec());
            let loaded = tried
                .entry(((*name).clone(), *steps))
                .or_insert_with(|| self.load_one(name, &next, &snapshot).ok())
                .clone()?;
            snapshot.models.insert(Arc::from(name.as_str()), loaded.model.clone());
            members.push(((*name).clone(), loaded));
        }
        let mut ensembles = Vec::new();
        for ensemble in made_of(&next, earlier.iter().map(|earlier| earlier.name)) {
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
            self.load_wave(&[name.to_owned()], next, snapshot, &BTreeMap::new(), None);
        results.pop().expect("a wave of one gives one result").1
    }
}

/// What a trial has loaded.
struct Trial {
    snapshot: ModelSnapshot,
    members: Vec<(String, Loaded)>,
    ensembles: Vec<(String, Loaded)>,
}

/// A member that is tried in an earlier version.
struct Earlier<'a> {
    name: &'a String,
    /// Those that are left to select from, ascending.
    versions: &'a [u64],
    steps: usize,
}

/// Of what an ensemble is made, the models that have versions before those that serve: their versions
/// from the first to that before the newest that serves, ascending; none that serves in `floor`, or before it.
fn earlier_versions(
    floor: &ModelSnapshot,
    after: &ModelSnapshot,
    next: &BTreeMap<String, Desired>,
    ensemble: &str,
) -> Vec<(String, Vec<u64>)> {
    let mut earlier = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = next.get(ensemble).map(|model| model.source.members()).unwrap_or_default();
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(model) = next.get(&name) else { continue };
        open.extend(model.source.members());
        if !model.source.takes_latest() {
            continue;
        }
        let Some(serving) = newest(after, &name) else { continue };
        let lowest = newest(floor, &name).filter(|version| model.source.versions.contains(version));
        let between = |version: &u64| {
            *version < serving && Some(*version) > lowest && !model.source.barred.contains(version)
        };
        let before: Vec<u64> = model.source.versions.iter().copied().filter(between).collect();
        if !before.is_empty() {
            earlier.push((name, before));
        }
    }
    earlier
}

/// Numbers of steps back for each of several models that can take at most so many, the fewest in all
/// first; `count` of them at most.
fn combinations(most: &[usize], count: usize) -> Vec<Vec<usize>> {
    fn extend(
        most: &[usize],
        left: usize,
        steps: &mut Vec<usize>,
        count: usize,
        found: &mut Vec<Vec<usize>>,
    ) {
        let Some((first, rest)) = most.split_first() else {
            if left == 0 && found.len() < count {
                found.push(steps.clone());
            }
            return;
        };
        for step in (0..=left.min(*first)).rev() {
            if found.len() < count {
                steps.push(step);
                extend(rest, left - step, steps, count, found);
                steps.pop();
            }
        }
    }
    let mut found = Vec::new();
    for all in 1..=most.iter().sum() {
        extend(most, all, &mut Vec::new(), count, &mut found);
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_steps_come_first() {
        assert_eq!(combinations(&[2, 1], 9), [[1, 0], [0, 1], [2, 0], [1, 1], [2, 1]]);
        assert_eq!(combinations(&[3], 2), [[1], [2]]);
        assert!(combinations(&[], 9).is_empty());
        assert_eq!(combinations(&[8; 20], 64).len(), 64);
    }
}
