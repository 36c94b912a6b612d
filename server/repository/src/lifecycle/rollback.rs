//! The way back: what served before the last change is loaded again, from the files that are held
//! open, together with whatever moved along.

use super::{Desired, Moves, Repository, WantedModels};
use crate::{
    RepositoryError,
    root::{namespaces_of, qualified},
    source::ModelSource,
};
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a model was loaded from before.
pub(super) struct Earlier {
    pub(super) source: ModelSource,
    /// The snapshot that replaced it, counted from 1.
    pub(super) published: u64,
}

/// The files that a model went back from.
pub(super) struct GoneBack {
    pub(super) fingerprint: u64,
    /// The versions that served and do not any more.
    left: BTreeSet<u64>,
    /// These and those that it had gone back from before, with what their files say.
    barred: BTreeMap<u64, u64>,
}

impl GoneBack {
    fn new(from: &ModelSource, to: &ModelSource) -> Self {
        let (of, serve) = (from.prints(), to.selected());
        let prints = to.prints();
        let serves =
            |version: &u64| serve.contains(version) && of.get(version) == prints.get(version);
        let left: BTreeSet<u64> =
            from.selected().into_iter().filter(|version| !serves(version)).collect();
        let barred =
            left.union(&from.barred).filter_map(|version| Some((*version, *of.get(version)?)));
        Self { fingerprint: from.fingerprint, barred: barred.collect(), left }
    }

    /// The versions that it went back from.
    pub(super) fn left(&self) -> impl Iterator<Item = u64> {
        self.left.iter().copied()
    }

    /// Versions of `source` that are as they were when they were gone back from.
    pub(super) fn barred(&self, source: &ModelSource) -> BTreeSet<u64> {
        let prints = source.prints();
        let same = self.barred.iter().filter(|(version, print)| prints.get(version) == Some(print));
        same.map(|(version, _)| *version).collect()
    }
}

/// A model that went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The model.
    pub name: String,
    /// Versions that served until now.
    pub from: Vec<u64>,
    /// Versions that serve again; of another generation where they are the same.
    pub to: Vec<u64>,
}

impl Repository {
    /// Loads what served before the last change of `name`, with all that changed in the same step and
    /// belongs to it: an ensemble and its members go back together. Returns them when they serve.
    ///
    /// # Errors
    /// If nothing earlier is kept, or it does not load any more; what serves goes on.
    pub fn roll_back(&self, name: &str) -> Result<Vec<RolledBack>, Error> {
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        if !wanted.models.contains_key(name) {
            return Err(not_loaded(&wanted, name).into());
        }
        let nothing = || RepositoryError::NoEarlier { name: name.to_owned() };
        let names = along(&wanted, name).ok_or_else(nothing)?;
        let mut next = wanted.models.clone();
        let mut gone_back = BTreeMap::new();
        for name in &names {
            let source = restore(name, &wanted.earlier[name].source)?;
            let desired = next.get_mut(name).expect("what is earlier is wanted");
            if desired.source.fingerprint != source.fingerprint {
                gone_back.insert(name.clone(), GoneBack::new(&desired.source, &source));
            }
            *desired = Desired { source, explicit: desired.explicit };
        }
        if gone_back.is_empty() {
            return Err(nothing().into());
        }
        let from: Vec<Vec<u64>> = names.iter().map(|name| self.serving_versions(name)).collect();
        let moves = Moves { asked: &names, together: true, all: true, ..Moves::default() };
        let mut failed = self.carry_out(&mut wanted, next, &BTreeMap::new(), &moves);
        let mut because = std::iter::once(name).chain(names.iter().map(String::as_str));
        if let Some(error) = because.find_map(|name| failed.remove(name)) {
            return Err(error.context(format_args!("rollback failed for model '{name}': ")));
        }
        wanted.earlier.retain(|earlier, _| !names.contains(earlier));
        wanted.gone_back.extend(gone_back);
        tracing::warn!(models = names.join(", "), "went back to what served before");
        let rolled_back = names.into_iter().zip(from).map(|(name, from)| {
            let to = self.serving_versions(&name);
            let left = from.iter().copied().filter(|version| !to.contains(version));
            self.states.gone_back(&name, left);
            RolledBack { name, from, to }
        });
        Ok(rolled_back.collect())
    }

    /// Versions of a model that take requests, in order.
    pub(super) fn serving_versions(&self, name: &str) -> Vec<u64> {
        let snapshot = self.published.load();
        let model = snapshot.models.get(name);
        model.map(|model| model.versions.keys().copied().collect()).unwrap_or_default()
    }
}

/// Why there is no such model to go back.
fn not_loaded(wanted: &WantedModels, name: &str) -> RepositoryError {
    let mut namespaces = namespaces_of(wanted.models.keys().map(String::as_str), name);
    let name = name.to_owned();
    match namespaces.next() {
        Some(first) => RepositoryError::Namespaces { full: qualified(first, &name), name },
        None => RepositoryError::NotLoaded { name },
    }
}

/// The models that changed together with `name` and are connected with it through ensembles.
fn along(wanted: &WantedModels, name: &str) -> Option<Vec<String>> {
    let published = wanted.earlier.get(name)?.published;
    let moved =
        |name: &str| wanted.earlier.get(name).is_some_and(|earlier| earlier.published == published);
    let members = |name: &str| -> Vec<String> {
        let now = wanted.models.get(name).map(|model| model.source.members());
        let before = wanted.earlier.get(name).map(|earlier| earlier.source.members());
        now.into_iter().chain(before).flatten().collect()
    };
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        if !moved(&name) || !found.insert(name.clone()) {
            continue;
        }
        open.extend(wanted.earlier.keys().filter(|of| members(of).contains(&name)).cloned());
        open.extend(members(&name));
    }
    Some(found.into_iter().collect())
}

/// What a model was loaded from, with its files where they can be loaded.
fn restore(name: &str, earlier: &ModelSource) -> Result<ModelSource, RepositoryError> {
    let mut source = earlier.clone();
    source.stats = None;
    let Some(kept) = source.kept.clone() else {
        // What came with a call stands where it was.
        let stands = source.temporary.is_some();
        return stands
            .then_some(source)
            .ok_or_else(|| RepositoryError::NoEarlier { name: name.to_owned() });
    };
    let unkept = |reason| RepositoryError::Earlier { name: name.to_owned(), reason };
    // What was gone back to before stands where it was, too.
    if source.temporary.is_none() {
        let (temporary, place) = kept.restore(&source.config.name).map_err(unkept)?;
        source.temporary = Some(Arc::new(temporary));
        source.place = place;
    }
    // What was only touched says what it said, which is known of files that are polled.
    if let Some(path) = kept.written().map_err(unkept)?
        && !source.says_the_same(&source.place)
    {
        return Err(RepositoryError::Written { name: name.to_owned(), path: path.to_owned() });
    }
    Ok(source)
}
