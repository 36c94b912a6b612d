//! The way of a load: desired state, plan, steps, one swap. Called by `core` for start-up and for
//! model control.

use crate::{
    IndexEntry, LoadOverrides, ModelSnapshot, ModelState, ModelVersion, RepositoryError,
    Retirement, Wanted, overrides, plan,
    poll::Polled,
    prints,
    snapshot::ServingModel,
    source::{self, ModelSource},
    states::{self, States},
};
use arc_swap::ArcSwap;
use hippocamp_config::{ModelConfig, select_versions};
use hippocamp_proto::inference as proto;
use hippocamp_types::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Makes a version of a model serve: `core`, with the backends behind it.
pub trait ModelLoader: Send + Sync {
    /// Loads one version. Everything that it starts holds a clone of the order's retirement.
    ///
    /// # Errors
    /// Why it cannot be loaded, for the index.
    fn load(&self, order: LoadOrder<'_>) -> Result<ModelVersion, Error>;
}

/// One version to load.
pub struct LoadOrder<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The version's number.
    pub version: u64,
    /// The model's directory.
    pub directory: &'a Path,
    /// Prepared, to be completed by the backend.
    pub config: proto::ModelConfig,
    /// For ensembles: the configuration of a member, in a version or in its latest.
    pub member: &'a dyn Fn(&str, Option<u64>) -> Option<ModelConfig>,
    /// To be held by everything that belongs to the version.
    pub retirement: Retirement,
}

impl std::fmt::Debug for LoadOrder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoadOrder({} version {})", self.name, self.version)
    }
}

/// How a repository is read.
#[derive(Clone, Debug)]
pub struct RepositoryOptions {
    /// `--model-repository`, once or more.
    pub roots: Vec<PathBuf>,
    /// `--model-config-name`.
    pub config_name: Option<String>,
    /// `--model-load-thread-count`.
    pub load_threads: usize,
}

/// The models of one server: which are wanted, which serve, and the way from one to the other.
pub struct Repository {
    options: RepositoryOptions,
    loader: Arc<dyn ModelLoader>,
    /// Held for the whole of a load or unload: they happen one after the other.
    wanted: Mutex<BTreeMap<String, Desired>>,
    /// Held for the whole of a poll.
    polled: Mutex<Polled>,
    /// Everything was taken out of service: a poll that is under way loads nothing any more.
    closed: AtomicBool,
    published: ArcSwap<ModelSnapshot>,
    states: States,
}

/// A model that is wanted, with what it is to be loaded from.
#[derive(Clone)]
struct Desired {
    source: ModelSource,
    /// Named by a user; otherwise wanted only as a member of an ensemble.
    explicit: bool,
}

impl Desired {
    fn wanted(&self) -> Wanted {
        Wanted { fingerprint: self.source.fingerprint, members: self.source.members() }
    }
}

impl Repository {
    /// A repository from which nothing is loaded yet.
    pub fn new(options: RepositoryOptions, loader: Arc<dyn ModelLoader>) -> Self {
        Self {
            options,
            loader,
            wanted: Mutex::default(),
            polled: Mutex::default(),
            closed: AtomicBool::new(false),
            published: ArcSwap::default(),
            states: States::default(),
        }
    }

    /// What serves right now.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<ModelSnapshot>> {
        self.published.load()
    }

    /// Loads every model of the repository.
    ///
    /// # Errors
    /// If the repository cannot be listed. Models that fail are in the result, by name.
    pub fn load_all(&self) -> Result<BTreeMap<String, Error>, RepositoryError> {
        let names: Vec<String> = source::scan(&self.options.roots)?.into_keys().collect();
        self.load_named(&names)
    }

    /// Loads these models and what they are made of, as they stand in the repository.
    ///
    /// # Errors
    /// If the repository cannot be listed. Models that fail are in the result, by name.
    pub fn load_named(&self, names: &[String]) -> Result<BTreeMap<String, Error>, RepositoryError> {
        let directories = source::scan(&self.options.roots)?;
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut next = wanted.clone();
        let mut failed = BTreeMap::new();
        for name in names {
            if let Err(error) = self.want(&mut next, &directories, name, None) {
                self.states.failed(name, None, &error.to_string());
                failed.insert(name.clone(), Error::from(error));
            }
        }
        failed.extend(self.carry_out(&mut wanted, next, names, false));
        Ok(failed)
    }

    /// Loads one model and what it is made of; returns when it serves.
    ///
    /// # Errors
    /// Why it does not serve, or does not serve as it now stands.
    pub fn load(&self, name: &str, with: &LoadOverrides) -> Result<(), Error> {
        let directories = source::scan(&self.options.roots)?;
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut next = wanted.clone();
        if let Err(error) = self.want(&mut next, &directories, name, Some(with)) {
            if directories.contains_key(name) {
                self.states.failed(name, None, &error.to_string());
            }
            return Err(error.into());
        }
        let mut failed = self.carry_out(&mut wanted, next, &[name.to_owned()], false);
        match failed.remove(name) {
            None => Ok(()),
            Some(error) => Err(error.context(format_args!("load failed for model '{name}': "))),
        }
    }

    /// Unloads one model, and the ensembles that need it; with `dependents`, also those members of
    /// it that nobody asked for by name and no other model needs. Returns when no new request can
    /// reach it; requests in flight are still served. Unloading what is not loaded is no error.
    pub fn unload(&self, name: &str, dependents: bool) {
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut next = wanted.clone();
        let Some(removed) = next.remove(name) else {
            return;
        };
        if dependents {
            let mut orphans = removed.source.members();
            while let Some(orphan) = orphans.pop() {
                let needed = next.values().any(|model| model.source.members().contains(&orphan));
                if !needed && next.get(&orphan).is_some_and(|model| !model.explicit) {
                    let gone = next.remove(&orphan).expect("it was found above");
                    orphans.extend(gone.source.members());
                }
            }
        }
        // Ensembles that need the model stay wanted: they serve again when it does.
        self.carry_out(&mut wanted, next, &[], false);
    }

    /// Every model of the repository with its state, ordered by name and version; with
    /// `ready_only`, only versions that serve.
    ///
    /// # Errors
    /// If the repository cannot be listed.
    pub fn index(&self, ready_only: bool) -> Result<Vec<IndexEntry>, RepositoryError> {
        let mut entries = self.states.entries();
        if ready_only {
            entries.retain(|entry| entry.state == Some(ModelState::Ready));
            return Ok(entries);
        }
        let known: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let unknown: Vec<IndexEntry> = source::scan(&self.options.roots)?
            .into_keys()
            .filter(|name| !known.contains(name.as_str()))
            .map(|name| IndexEntry { name, version: None, state: None, reason: String::new() })
            .collect();
        entries.extend(unknown);
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    /// Whether nothing is loading and nothing failed to load.
    pub fn all_ready(&self) -> bool {
        self.states.entries().iter().all(|entry| match entry.state {
            Some(ModelState::Ready | ModelState::Unloading) | None => true,
            Some(ModelState::Loading) => false,
            Some(ModelState::Unavailable) => entry.reason == states::UNLOADED,
        })
    }

    /// Whether a load or unload is under way.
    pub fn is_busy(&self) -> bool {
        self.wanted.try_lock().is_err()
    }

    /// Takes every model out of service, for good where they are polled; requests in flight are still served.
    pub fn unload_all(&self) {
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        self.closed.store(true, Ordering::Relaxed);
        self.carry_out(&mut wanted, BTreeMap::new(), &[], false);
    }

    /// Waits until every version that was taken out of service has ended; false if some have not
    /// within `timeout`.
    pub fn wait_retired(&self, timeout: Duration) -> bool {
        self.states.wait_retired(timeout)
    }

    /// Adds `name` and, if it is an ensemble, its members to what is wanted.
    fn want(
        &self,
        wanted: &mut BTreeMap<String, Desired>,
        directories: &BTreeMap<String, PathBuf>,
        name: &str,
        with: Option<&LoadOverrides>,
    ) -> Result<(), RepositoryError> {
        let directory = directories.get(name).map(PathBuf::as_path);
        let source = match with {
            Some(with) if !with.is_empty() => {
                overrides::source(name, directory, with).map(|mut source| {
                    // What a call brings is always loaded, whatever served before.
                    source.fingerprint = next_override();
                    source
                })?
            }
            _ => {
                let directory =
                    directory.ok_or_else(|| RepositoryError::Unknown { name: name.to_owned() })?;
                source::read(name, directory, self.options.config_name.as_deref())?
            }
        };
        let members = source.members();
        wanted.insert(name.to_owned(), Desired { source, explicit: true });
        let mut missing: Vec<String> = members;
        while let Some(member) = missing.pop() {
            if wanted.contains_key(&member) {
                continue;
            }
            // A member that is not in the repository is reported by the plan, with the ensemble's name.
            let Some(directory) = directories.get(&member) else { continue };
            match source::read(&member, directory, self.options.config_name.as_deref()) {
                Ok(source) => {
                    missing.extend(source.members());
                    wanted.insert(member, Desired { source, explicit: false });
                }
                Err(error) => self.states.failed(&member, None, &error.to_string()),
            }
        }
        Ok(())
    }

    /// Goes from `current` to `next`: plan, load wave by wave, publish once. What failed keeps what
    /// served before and stays wanted as it was. With `together`, so do its members where it is an
    /// ensemble. Returns the failures by name.
    fn carry_out(
        &self,
        current: &mut BTreeMap<String, Desired>,
        mut next: BTreeMap<String, Desired>,
        asked: &[String],
        together: bool,
    ) -> BTreeMap<String, Error> {
        let before = self.published.load_full();
        let serving = before
            .models
            .iter()
            .filter(|(_, model)| !model.versions.is_empty())
            .map(|(name, model)| (name.to_string(), model.fingerprint))
            .collect();
        let wanted = next.iter().map(|(name, model)| (name.clone(), model.wanted())).collect();
        let steps = plan(&serving, &wanted);

        let mut after = ModelSnapshot::clone(&before);
        for name in &steps.unload {
            let model = after.models.get_mut(name.as_str()).expect("the plan unloads what serves");
            model.versions.clear();
            tracing::info!(model = %name, "model unloaded");
        }
        let mut failed = BTreeMap::new();
        for (name, blocked) in steps.blocked {
            // An ensemble whose member was unloaded goes with it, and waits for it without noise.
            let waits = current.get(&name).is_some_and(|old| old.wanted() == next[&name].wanted());
            if !waits || asked.contains(&name) {
                self.states.failed(&name, None, &blocked.to_string());
                failed.insert(name, RepositoryError::from(blocked).into());
            }
        }
        for wave in &steps.load {
            for (name, result) in self.load_wave(wave, &next, &after, &failed) {
                match result {
                    Ok(model) => {
                        let name: Arc<str> = Arc::from(name);
                        after.models.insert(name, model);
                    }
                    Err(error) => {
                        failed.insert(name, error);
                    }
                }
            }
        }
        if together {
            // Of what an ensemble is made now and of what it was: one that fails goes on as it was.
            let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, model) in next.iter().chain(current.iter()) {
                let of = model.source.members();
                if !of.is_empty() {
                    members.entry(name.clone()).or_default().extend(of);
                }
            }
            for (name, ensemble) in poll::held_back(&before, &after, &members, &failed) {
                after.models.insert(Arc::from(name.as_str()), before.models[name.as_str()].clone());
                let error = Error::invalid(format!(
                    "it would load, but ensemble '{ensemble}', which is made of it, would not: both stay as they were"
                ));
                self.states.failed(&name, None, error.message());
                failed.insert(name, error);
            }
        }
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
        for (name, error) in &failed {
            tracing::error!(model = %name, error = %error, "model failed to load");
            match current.remove(name) {
                Some(old) => next.insert(name.clone(), old),
                None => next.remove(name),
            };
        }
        *current = next;
        failed
    }

    /// Loads the models of one wave, several at a time.
    fn load_wave(
        &self,
        wave: &[String],
        next: &BTreeMap<String, Desired>,
        after: &ModelSnapshot,
        failed: &BTreeMap<String, Error>,
    ) -> Vec<(String, Result<ServingModel, Error>)> {
        let queue = Mutex::new(wave.iter());
        let results = Mutex::new(Vec::with_capacity(wave.len()));
        let work = || {
            loop {
                let name = queue.lock().expect("nothing panics under this lock").next();
                let Some(name) = name else { break };
                let result = self.load_model(name, &next[name].source, after, failed);
                results
                    .lock()
                    .expect("nothing panics under this lock")
                    .push((name.clone(), result));
            }
        };
        let threads = self.options.load_threads.clamp(1, wave.len().max(1));
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        results.into_inner().expect("nothing panics under this lock")
    }

    /// Loads every version that the model's policy selects; all or nothing.
    fn load_model(
        &self,
        name: &str,
        source: &ModelSource,
        after: &ModelSnapshot,
        failed: &BTreeMap<String, Error>,
    ) -> Result<ServingModel, Error> {
        let fail = |version, error: Error| {
            let error = source.with_remedy(error);
            self.states.failed(name, version, error.message());
            error
        };
        for member in source.members() {
            let serves =
                after.models.get(member.as_str()).is_some_and(|model| !model.versions.is_empty());
            if !serves {
                let because = failed
                    .get(&member)
                    .map(|error| format!(". Model '{member}' loading failed with error: {error}"))
                    .unwrap_or_default();
                let error = Error::invalid(format!(
                    "ensemble '{name}' depends on '{member}' which has no loaded version{because}"
                ));
                return Err(fail(None, error));
            }
        }
        let versions = select_versions(source.config.version_policy.as_ref(), &source.versions);
        if versions.is_empty() {
            let error = RepositoryError::NoVersion {
                name: name.to_owned(),
                directory: source.directory.clone(),
            };
            return Err(fail(None, error.into()));
        }
        let member = |member: &str, version| {
            after.resolve(member, version).ok().map(|model| model.config.clone())
        };
        let mut model = ServingModel { versions: BTreeMap::new(), fingerprint: source.fingerprint };
        for version in versions {
            let retirement = self.states.loading(name, version);
            let order = LoadOrder {
                name,
                version,
                directory: &source.directory,
                config: source.config.clone(),
                member: &member,
                retirement,
            };
            let mut loaded = self.loader.load(order).map_err(|error| fail(Some(version), error))?;
            loaded.temporary.clone_from(&source.temporary);
            model.versions.insert(version, Arc::new(loaded));
        }
        // Of a model that is polled nothing may have been written since it was at rest.
        if source.stat.is_some() && prints::stats(&source.directory).ok() != source.stat {
            let error = "its files were written while it was loaded: it is loaded again once they have come to rest";
            return Err(fail(None, Error::invalid(error)));
        }
        Ok(model)
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A fingerprint that no files have, different each time.
fn next_override() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

mod poll;

pub use poll::PollOutcome;

#[cfg(test)]
mod tests;
