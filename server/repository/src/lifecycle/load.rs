//! The load of models: several of a wave at a time, all versions of a model or none.

use super::{Desired, Repository};
use crate::{
    LoadOrder, ModelSnapshot, ModelVersion, RepositoryError, keep::Kept, snapshot::ServingModel,
    source::ModelSource,
};
use hippocamp_types::Error;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// A model that was loaded.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) model: ServingModel,
    /// Its files, for the way back; `None` if they are kept elsewhere, or cannot be.
    pub(super) kept: Option<Arc<Kept>>,
    /// Versions that it could be loaded from.
    pub(super) available: Vec<u64>,
}

impl Repository {
    /// The threads that load. They live as long as the server: what a model allocates while it is loaded
    /// lives long, and the pages of threads that come and go would be left half full at each load.
    fn loaders(&self) -> &ThreadPool {
        self.loaders.get_or_init(|| {
            ThreadPoolBuilder::new()
                .num_threads(self.options.load_threads.max(1))
                .thread_name(|place| format!("loader-{place}"))
                .build()
                .expect("a server that has no threads to load with cannot serve")
        })
    }

    /// Does `work` on each of the threads that load.
    pub fn on_each_loader(&self, work: impl Fn() + Sync) {
        self.loaders().broadcast(|_| work());
    }

    /// Loads the models of one wave, several at a time. With a `floor`, versions between the latest and
    /// what serves there are tried, too.
    pub(super) fn load_wave(
        &self,
        wave: &[String],
        next: &BTreeMap<String, Desired>,
        after: &ModelSnapshot,
        failed: &BTreeMap<String, Error>,
        floor: Option<&ModelSnapshot>,
    ) -> Vec<(String, Result<Loaded, Error>)> {
        let queue = Mutex::new(wave.iter());
        let results = Mutex::new(Vec::with_capacity(wave.len()));
        let work = || {
            loop {
                let name = queue.lock().expect("nothing panics under this lock").next();
                let Some(name) = name else { break };
                let loading = Loading { repository: self, name, source: &next[name].source };
                let result = loading.load(after, failed, floor);
                results
                    .lock()
                    .expect("nothing panics under this lock")
                    .push((name.clone(), result));
            }
        };
        let threads = self.options.load_threads.clamp(1, wave.len().max(1));
        self.loaders().scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
        results.into_inner().expect("nothing panics under this lock")
    }
}

/// One model that is being loaded.
struct Loading<'a> {
    repository: &'a Repository,
    /// What it is called here.
    name: &'a str,
    source: &'a ModelSource,
}

impl Loading<'_> {
    fn load(
        &self,
        after: &ModelSnapshot,
        failed: &BTreeMap<String, Error>,
        floor: Option<&ModelSnapshot>,
    ) -> Result<Loaded, Error> {
        self.members(after, failed)?;
        // One whose files are gone is no version to stay with.
        let serves = floor
            .and_then(|floor| newest(floor, self.name))
            .filter(|version| self.source.versions.contains(version));
        // With the versions that are left to select from.
        let mut source = self.source.clone();
        let mut first = None;
        loop {
            let selected = source.selected();
            if selected.is_empty() {
                return Err(match first {
                    Some(error) => error,
                    None => self.fail(
                        None,
                        RepositoryError::NoVersion {
                            name: source.config.name.clone(),
                            directory: source.place.directory.clone(),
                        }
                        .into(),
                    ),
                });
            }
            let loading = Loading { source: &source, ..*self };
            match loading.versions(&selected, after) {
                Ok(loaded) => return Ok(Loaded { available: source.versions, ..loaded }),
                Err((_, error)) if floor.is_none() || !source.takes_latest() => return Err(error),
                Err((version, error)) => {
                    // As if it had never come: then the version before would serve.
                    let left = source.versions.iter().copied();
                    let left =
                        left.filter(|other| *other != version && !source.barred.contains(other));
                    let left = left.collect();
                    source.set_versions(left);
                    if serves.is_some_and(|serves| source.selected().last() <= Some(&serves)) {
                        return Err(first.unwrap_or(error));
                    }
                    if let (Some(next), None) = (source.selected().last(), &first) {
                        let (model, next) = (self.name, *next);
                        tracing::error!(model, version, %error, next, "version failed to load; an earlier one is tried");
                        self.repository.loader.ended(self.name, Some(&error));
                    }
                    first.get_or_insert(error);
                }
            }
        }
    }

    /// Whether everything serves that an ensemble is made of.
    fn members(
        &self,
        after: &ModelSnapshot,
        failed: &BTreeMap<String, Error>,
    ) -> Result<(), Error> {
        for member in self.source.members() {
            let serves =
                after.models.get(member.as_str()).is_some_and(|model| !model.versions.is_empty());
            if !serves {
                let because = failed
                    .get(&member)
                    .map(|error| format!(". Model '{member}' loading failed with error: {error}"))
                    .unwrap_or_default();
                let error = Error::invalid(format!(
                    "ensemble '{}' depends on '{member}' which has no loaded version{because}",
                    self.name
                ));
                return Err(self.fail(None, error));
            }
        }
        Ok(())
    }

    /// Loads these versions; the one that failed, and why.
    fn versions(&self, versions: &[u64], after: &ModelSnapshot) -> Result<Loaded, (u64, Error)> {
        let source = self.source;
        let mut model = ServingModel { versions: BTreeMap::new(), fingerprint: source.fingerprint };
        for &version in versions {
            let mut loaded = self.version(version, after).map_err(|error| (version, error))?;
            loaded.temporary.clone_from(&source.temporary);
            model.versions.insert(version, Arc::new(loaded));
        }
        let latest = versions.last().copied().unwrap_or_default();
        // Before it is asked whether they have changed, so that these are the files that were loaded.
        let kept = source.temporary.is_none().then(|| {
            Kept::open(&source.place, versions, self.repository.options.kept_files)
                .inspect_err(|error| {
                    tracing::warn!(model = %self.name, %error, "there will be no way back to this generation");
                })
                .ok()
        });
        // Of a model that is polled nothing may have been written since it was at rest.
        if source.was_written(versions) {
            let error = "its files were written while it was loaded: it is loaded again once they have come to rest";
            return Err((latest, self.fail(None, Error::invalid(error))));
        }
        Ok(Loaded { model, kept: kept.flatten().map(Arc::new), available: Vec::new() })
    }

    /// Loads one version, and tries again as often as it may.
    fn version(&self, version: u64, after: &ModelSnapshot) -> Result<ModelVersion, Error> {
        let member = |member: &str, version| {
            after.resolve(member, version).ok().map(|model| model.config.clone())
        };
        let (source, states) = (self.source, &self.repository.states);
        let mut tries_left = self.repository.options.load_retries;
        loop {
            let order = LoadOrder {
                name: &source.config.name,
                namespace: source.namespace.as_deref(),
                version,
                directory: &source.place.directory,
                config: source.config.clone(),
                member: &member,
                retirement: states.loading(self.name, version),
            };
            match self.repository.loader.load(order) {
                Ok(loaded) => return Ok(loaded),
                Err(error) if tries_left == 0 => return Err(self.fail(Some(version), error)),
                Err(error) => {
                    let model = self.name;
                    tracing::warn!(model, version, %error, tries_left, "load failed; it is tried again");
                    tries_left -= 1;
                }
            }
        }
    }

    fn fail(&self, version: Option<u64>, error: Error) -> Error {
        let error = self.source.with_remedy(error);
        self.repository.states.failed(self.name, version, error.message());
        error
    }
}

/// The newest version of a model that serves.
pub(super) fn newest(snapshot: &ModelSnapshot, name: &str) -> Option<u64> {
    snapshot.models.get(name)?.versions.keys().next_back().copied()
}
