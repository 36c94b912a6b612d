//! The models of one server: which are wanted, which serve, and the calls that change it. Called by
//! `core` for start-up and for model control. How a change is carried out is in [`carry_out`] and
//! [`load`], what a poll makes of the files in [`poll`], the way back in [`rollback`].

mod carry_out;
mod held_back;
mod load;
mod poll;
mod rollback;
mod startup;
mod step_back;
mod want;

pub use poll::PollOutcome;
pub use rollback::RolledBack;

use crate::{
    IndexEntry, LoadOverrides, ModelLoader, ModelSnapshot, ModelState, RepositoryError, Root,
    Wanted,
    poll::Polled,
    root::{self, Found},
    source::ModelSource,
    states::States,
};
use arc_swap::ArcSwap;
use carry_out::Moves;
use held_back::Holds;
use hippocamp_types::{Error, pattern};
use rayon::ThreadPool;
use rollback::{Earlier, GoneBack};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use want::Wants;

/// How a repository is read.
#[derive(Clone, Debug)]
pub struct RepositoryOptions {
    /// `--model-repository`, once or more.
    pub roots: Vec<Root>,
    /// `--allow-external-links`: links may lead out of a directory.
    pub external_links: bool,
    /// `--model-namespacing`: roots are namespaces, and may hold models of one name.
    pub namespaces: bool,
    /// `--model-config-name`.
    pub config_name: Option<String>,
    /// `--model-load-thread-count`.
    pub load_threads: usize,
    /// `--model-load-retry-count`: how often a load that failed is tried again.
    pub load_retries: u32,
    /// Files that all models together hold open for the way back.
    pub kept_files: usize,
}

/// The models of one server: which are wanted, which serve, and the way from one to the other.
pub struct Repository {
    options: RepositoryOptions,
    loader: Arc<dyn ModelLoader>,
    /// Held for the whole of a load or unload: they happen one after the other.
    wanted: Mutex<WantedModels>,
    /// Held for the whole of a poll.
    polled: Mutex<Polled>,
    /// Everything was taken out of service: a poll that is under way loads nothing any more.
    closed: AtomicBool,
    published: ArcSwap<ModelSnapshot>,
    states: States,
    /// Threads that load, once there is something to load.
    loaders: OnceLock<ThreadPool>,
    /// Names that stores were last seen to hold: the index asks none.
    stored: Mutex<BTreeSet<String>>,
}

/// What is wanted, and what was.
#[derive(Default)]
struct WantedModels {
    models: BTreeMap<String, Desired>,
    /// What served before the models that do, by model.
    earlier: BTreeMap<String, Earlier>,
    /// Models that went back, with the files that they went back from: these are not loaded by a poll
    /// before others have been.
    gone_back: BTreeMap<String, GoneBack>,
    /// Models that stay as they are because another one that was to come along did not: until one of the
    /// two changes, a poll holds them back.
    holds: Holds,
    /// Snapshots that were published so far.
    published: u64,
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
            loaders: OnceLock::new(),
            stored: Mutex::default(),
        }
    }

    /// What serves right now.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<ModelSnapshot>> {
        self.published.load()
    }

    /// Loads every model of the repository, at start-up.
    ///
    /// # Errors
    /// If the repository cannot be listed. Models that fail are in the result, by name.
    pub fn load_all(&self) -> Result<BTreeMap<String, Error>, RepositoryError> {
        self.load_named(&["*".to_owned()])
    }

    /// Loads the models that fit these patterns (`*` is any text) and what they are made of, at
    /// start-up: where the latest version of a model does not load, the one before it serves.
    ///
    /// # Errors
    /// If the repository cannot be listed. Models that do not serve are in the result, by name.
    pub fn load_named(
        &self,
        patterns: &[String],
    ) -> Result<BTreeMap<String, Error>, RepositoryError> {
        let models = self.scan()?;
        let mut failed = BTreeMap::new();
        let mut names = BTreeSet::new();
        for pattern in patterns {
            let mut fitting = models.keys().filter(|name| pattern::fits(pattern, name)).peekable();
            match (fitting.peek(), pattern.contains('*')) {
                (None, true) if pattern != "*" => {
                    let error = RepositoryError::NoMatch { pattern: pattern.clone() };
                    failed.insert(pattern.clone(), Error::from(error));
                }
                (None, false) => {
                    let error = RepositoryError::NoSuch { name: pattern.clone() };
                    failed.insert(pattern.clone(), self.refuse(pattern, error.into()));
                }
                _ => names.extend(fitting.cloned()),
            }
        }
        if models.is_empty() && !patterns.is_empty() {
            self.warn_of_emptiness();
        }
        self.wait_for_rest(&names, &models);
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut wants =
            Wants { models: &models, next: wanted.models.clone(), failed, asked: names.clone() };
        for name in &names {
            if let Err(error) = self.want(&mut wants, name, None) {
                wants.failed.insert(name.clone(), self.refuse(name, error.into()));
            }
        }
        let Wants { next, mut failed, .. } = wants;
        let asked: Vec<String> = names.into_iter().collect();
        let moves = Moves { asked: &asked, fall_back: true, ..Moves::default() };
        let more = self.carry_out(&mut wanted, next, &failed, &moves);
        failed.extend(more);
        Ok(failed)
    }

    /// Loads one model and what it is made of; returns when it serves.
    ///
    /// # Errors
    /// Why it does not serve, or does not serve as it now stands.
    pub fn load(&self, name: &str, with: &LoadOverrides) -> Result<(), Error> {
        let models = self.scan()?;
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut wants = Wants {
            models: &models,
            next: wanted.models.clone(),
            failed: BTreeMap::new(),
            asked: BTreeSet::new(),
        };
        if let Err(error) = self.want(&mut wants, name, Some(with)) {
            let error = Error::from(error);
            return Err(if models.contains_key(name) { self.refuse(name, error) } else { error });
        }
        let Wants { next, failed: refused, asked, .. } = wants;
        let asked: Vec<String> = asked.into_iter().collect();
        let moves = Moves { asked: &asked, together: true, ..Moves::default() };
        let mut failed = self.carry_out(&mut wanted, next, &refused, &moves);
        if let Some(error) = failed.remove(name) {
            return Err(error.context(format_args!("load failed for model '{name}': ")));
        }
        // It serves, but by a member that is not what the repository holds.
        for member in asked {
            if let Some(error) = failed.remove(&member).or_else(|| refused.get(&member).cloned()) {
                return Err(error.context(format_args!(
                    "load failed for model '{member}', and '{name}' serves with it as it was: "
                )));
            }
        }
        wanted.gone_back.remove(name);
        Ok(())
    }

    /// Unloads one model, and the ensembles that need it; with `dependents`, also those members of
    /// it that nobody asked for by name and no other model needs. Returns when no new request can
    /// reach it; requests in flight are still served. Unloading what is not loaded is no error.
    pub fn unload(&self, name: &str, dependents: bool) {
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        let mut next = wanted.models.clone();
        let Some(removed) = next.remove(name) else {
            // It may have failed to load: nobody wants it any more.
            self.states.unloaded(name);
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
        self.carry_out(&mut wanted, next, &BTreeMap::new(), &Moves::default());
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
        let known: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let mut names = root::names_in_directories(&self.options.roots)?;
        names.extend(self.stored.lock().expect("nothing panics under this lock").iter().cloned());
        let unknown = names.into_iter().filter(|name| !known.contains(name));
        entries.extend(unknown.map(|name| IndexEntry {
            name,
            version: None,
            state: None,
            reason: String::new(),
        }));
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    /// Whether every model serves that is wanted: nothing is loading for the first time, and nothing
    /// that serves no version failed to load.
    pub fn all_ready(&self) -> bool {
        self.states.all_ready()
    }

    /// Whether a load or unload is under way.
    pub fn is_busy(&self) -> bool {
        self.wanted.try_lock().is_err()
    }

    /// Takes every model out of service, for good where they are polled; requests in flight are still served.
    pub fn unload_all(&self) {
        let mut wanted = self.wanted.lock().expect("a load does not panic while it holds the lock");
        self.closed.store(true, Ordering::Relaxed);
        self.carry_out(&mut wanted, BTreeMap::new(), &BTreeMap::new(), &Moves::default());
    }

    /// Waits until every version that was taken out of service has ended; false if some have not
    /// within `timeout`.
    pub fn wait_retired(&self, timeout: Duration) -> bool {
        self.states.wait_retired(timeout)
    }

    /// Waits until more than `seen` versions that were loaded have ended, and returns how many have.
    pub fn wait_ended(&self, seen: u64) -> u64 {
        self.states.wait_ended(seen)
    }

    fn warn_of_emptiness(&self) {
        let roots: Vec<String> = self.options.roots.iter().map(Root::name).collect();
        let roots = roots.join(", ");
        tracing::warn!(%roots, "there is no model in the repository: expected <model>/config.pbtxt or <model>/1/model.onnx below it");
    }

    /// What stands in the repository now.
    fn scan(&self) -> Result<BTreeMap<String, Found>, RepositoryError> {
        let RepositoryOptions { roots, namespaces, external_links, .. } = &self.options;
        let models = root::scan(roots, *namespaces, *external_links)?;
        let stored = roots.iter().any(|root| matches!(root, Root::Store { .. }));
        if stored {
            let names = models.values().map(|found| found.name.clone()).collect();
            *self.stored.lock().expect("nothing panics under this lock") = names;
        }
        Ok(models)
    }

    /// A model of the repository that cannot even be read.
    fn refuse(&self, name: &str, error: Error) -> Error {
        self.states.failed(name, None, error.message());
        self.loader.ended(name, Some(&error));
        tracing::error!(model = %name, %error, "model failed to load");
        error
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

#[cfg(test)]
mod tests;
