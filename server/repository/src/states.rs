//! Where every model version stands: the table behind the repository index. Versions report their
//! own end through the [`Retirement`] they hold.

use crate::{IndexEntry, ModelState};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

/// The reason of a version that was taken out of service on purpose, in Triton's word.
pub(crate) const UNLOADED: &str = "unloaded";

/// What is told in its place of a version that was gone back from.
const GONE_BACK: &str =
    "gone back from (rollback): it serves again when its files change, or it is loaded";

/// The table of states. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct States(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    retired: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    models: BTreeMap<String, BTreeMap<Option<u64>, State>>,
    /// Generations that have begun to load and have not ended.
    alive: usize,
    /// Generations that have ended.
    ended: u64,
    last_generation: u64,
}

#[derive(Debug)]
struct State {
    state: ModelState,
    reason: String,
    /// The generation this line speaks of; the end of an older one does not change it.
    generation: u64,
    /// It was gone back from.
    gone_back: bool,
}

impl State {
    fn new(state: ModelState, generation: u64) -> Self {
        Self { state, reason: String::new(), generation, gone_back: false }
    }

    fn is_unloaded(&self) -> bool {
        self.state == ModelState::Unavailable && self.reason == UNLOADED
    }

    /// The reason, for the index.
    fn told(&self) -> &str {
        if self.gone_back && self.is_unloaded() { GONE_BACK } else { &self.reason }
    }
}

/// Held by everything that belongs to one loaded version; when the last holder drops it, the
/// version has ended and the index says so.
#[derive(Clone)]
pub struct Retirement(Arc<Guard>);

struct Guard {
    states: States,
    name: String,
    version: u64,
    generation: u64,
}

impl States {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().expect("nothing panics under this lock")
    }

    /// A version begins to load; a version that serves meanwhile goes on to be shown as READY.
    pub(crate) fn loading(&self, name: &str, version: u64) -> Retirement {
        let mut table = self.table();
        table.alive += 1;
        table.last_generation += 1;
        let generation = table.last_generation;
        let versions = table.models.entry(name.to_owned()).or_default();
        versions.remove(&None);
        let serves =
            versions.get(&Some(version)).is_some_and(|line| line.state == ModelState::Ready);
        if !serves {
            versions.insert(Some(version), State::new(ModelState::Loading, generation));
        }
        Retirement(Arc::new(Guard {
            states: self.clone(),
            name: name.to_owned(),
            version,
            generation,
        }))
    }

    /// The version of `retirement` serves from now on.
    pub(crate) fn ready(&self, retirement: &Retirement) {
        let guard = &retirement.0;
        let mut table = self.table();
        let versions = table.models.entry(guard.name.clone()).or_default();
        let new = || State::new(ModelState::Ready, guard.generation);
        let line = versions.entry(Some(guard.version)).or_insert_with(new);
        // Publishing tells every version; one that served before keeps what its last reload left.
        if line.generation != guard.generation || line.state != ModelState::Ready {
            *line = new();
        }
    }

    /// The version of `retirement` no longer takes requests.
    pub(crate) fn unloading(&self, retirement: &Retirement) {
        let guard = &retirement.0;
        let mut table = self.table();
        if let Some(line) = table.line(&guard.name, guard.version)
            && line.generation == guard.generation
        {
            line.state = ModelState::Unloading;
            line.reason.clear();
        }
    }

    /// A load failed. A version that serves goes on to be shown as READY, with the reason.
    pub(crate) fn failed(&self, name: &str, version: Option<u64>, reason: &str) {
        let mut table = self.table();
        let versions = table.models.entry(name.to_owned()).or_default();
        let serves = versions.values().any(|line| line.state == ModelState::Ready);
        let version = if serves && version.is_none() {
            // Not beside one that has gone.
            let newest = versions.iter().rfind(|(_, line)| !line.is_unloaded());
            newest.and_then(|(version, _)| *version)
        } else {
            version
        };
        let line =
            versions.entry(version).or_insert_with(|| State::new(ModelState::Unavailable, 0));
        if line.state != ModelState::Ready {
            line.state = ModelState::Unavailable;
        }
        reason.clone_into(&mut line.reason);
    }

    /// A model is no longer in the repository: only what serves of it, and goes, is still shown.
    pub(crate) fn forget(&self, name: &str) {
        let mut table = self.table();
        if let Some(versions) = table.models.get_mut(name) {
            versions.retain(|_, line| line.state != ModelState::Unavailable);
            versions.values_mut().for_each(|line| line.reason.clear());
        }
    }

    /// A model was taken out of service on purpose: what failed of it is no fault any more.
    pub(crate) fn unloaded(&self, name: &str) {
        self.table().clear_faults(name);
    }

    /// A model was loaded. With `whole` as its files say, so that nothing is wrong with it any more.
    /// Versions that were unloaded and are none of `versions`, those that stand in the repository, are
    /// not shown any more.
    pub(crate) fn succeeded(&self, name: &str, versions: &[u64], whole: bool) {
        let mut table = self.table();
        if whole {
            table.clear_faults(name);
        }
        table.forget_gone(name, versions);
    }

    /// The files of a model are again those that serve, with `versions` in the repository: nothing is wrong
    /// with it any more. Whether anything was.
    pub(crate) fn mended(&self, name: &str, versions: &[u64]) -> bool {
        let mut table = self.table();
        let Some(lines) = table.models.get_mut(name) else { return false };
        let faulty = lines.values().any(|line| !line.reason.is_empty() && !line.is_unloaded());
        let ready = lines.values_mut().filter(|line| line.state == ModelState::Ready);
        ready.for_each(|line| line.reason.clear());
        table.clear_faults(name);
        table.forget_gone(name, versions);
        faulty
    }

    /// These versions of a model were gone back from.
    pub(crate) fn gone_back(&self, name: &str, versions: impl Iterator<Item = u64>) {
        let mut table = self.table();
        let lines = table.models.entry(name.to_owned()).or_default();
        for version in versions {
            let unloaded =
                || State { reason: UNLOADED.to_owned(), ..State::new(ModelState::Unavailable, 0) };
            lines.entry(Some(version)).or_insert_with(unloaded).gone_back = true;
        }
    }

    /// Lines of the index, ordered by name and version, for the models that were ever loaded.
    pub(crate) fn entries(&self) -> Vec<IndexEntry> {
        let table = self.table();
        let lines = table.models.iter().flat_map(|(name, versions)| {
            versions.iter().map(|(&version, line)| IndexEntry {
                // A name with its namespace is known here alone.
                name: name.rsplit('/').next().unwrap_or(name).to_owned(),
                version,
                state: Some(line.state),
                reason: line.told().to_owned(),
            })
        });
        lines.collect()
    }

    /// Whether every model has a version that serves, or was unloaded on purpose. A version that failed
    /// beside one that serves makes nothing unready.
    pub(crate) fn all_ready(&self) -> bool {
        let table = self.table();
        let fine = |line: &State| match line.state {
            ModelState::Ready | ModelState::Unloading => true,
            ModelState::Loading => false,
            ModelState::Unavailable => line.reason == UNLOADED,
        };
        table.models.values().all(|versions| {
            versions.values().any(|line| line.state == ModelState::Ready)
                || versions.values().all(fine)
        })
    }

    /// Waits until every version has ended; false if some have not within `timeout`.
    pub(crate) fn wait_retired(&self, timeout: Duration) -> bool {
        let table = self.table();
        let (table, _timed_out) = self
            .0
            .retired
            .wait_timeout_while(table, timeout, |table| table.alive > 0)
            .expect("nothing panics under this lock");
        table.alive == 0
    }
}

impl States {
    /// Waits until more than `seen` generations have ended, and returns how many have.
    pub(crate) fn wait_ended(&self, seen: u64) -> u64 {
        let table = self.table();
        let waiting = self.0.retired.wait_while(table, |table| table.ended <= seen);
        waiting.expect("nothing panics under this lock").ended
    }
}

impl Table {
    /// Lines of versions that failed and do not serve.
    fn clear_faults(&mut self, name: &str) {
        if let Some(versions) = self.models.get_mut(name) {
            versions.retain(|_, line| line.state != ModelState::Unavailable || line.is_unloaded());
        }
    }

    /// Lines of versions that were unloaded and do not stand in the repository any more.
    fn forget_gone(&mut self, name: &str, versions: &[u64]) {
        if let Some(lines) = self.models.get_mut(name) {
            lines.retain(|version, line| {
                let stands = version.is_none_or(|version| versions.contains(&version));
                stands || !line.is_unloaded()
            });
        }
    }

    fn line(&mut self, name: &str, version: u64) -> Option<&mut State> {
        self.models.get_mut(name)?.get_mut(&Some(version))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = self.states.table();
        table.alive -= 1;
        table.ended += 1;
        if let Some(line) = table.line(&self.name, self.version)
            && line.generation == self.generation
            && line.state != ModelState::Unavailable
        {
            line.state = ModelState::Unavailable;
            UNLOADED.clone_into(&mut line.reason);
        }
        drop(table);
        self.states.0.retired.notify_all();
    }
}

impl fmt::Debug for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retirement({} version {})", self.0.name, self.0.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(states: &States) -> Vec<(Option<u64>, ModelState, String)> {
        states.entries().into_iter().map(|e| (e.version, e.state.unwrap(), e.reason)).collect()
    }

    #[test]
    fn a_version_reports_its_own_end() {
        let states = States::default();
        let first = states.loading("m", 1);
        assert_eq!(lines(&states), [(Some(1), ModelState::Loading, String::new())]);
        states.ready(&first);
        let in_flight = first.clone();
        states.unloading(&first);
        drop(first);
        assert_eq!(lines(&states), [(Some(1), ModelState::Unloading, String::new())]);
        assert!(!states.wait_retired(Duration::ZERO));
        drop(in_flight);
        assert_eq!(lines(&states), [(Some(1), ModelState::Unavailable, "unloaded".to_owned())]);
        assert!(states.wait_retired(Duration::ZERO));
    }

    #[test]
    fn the_end_of_an_old_generation_does_not_touch_the_new() {
        let states = States::default();
        let old = states.loading("m", 1);
        states.ready(&old);
        let new = states.loading("m", 1);
        assert_eq!(lines(&states)[0].1, ModelState::Ready);
        states.ready(&new);
        drop(old);
        assert_eq!(lines(&states), [(Some(1), ModelState::Ready, String::new())]);
    }

    #[test]
    fn a_failed_reload_leaves_what_serves_ready_and_says_why() {
        let states = States::default();
        let old = states.loading("m", 1);
        states.ready(&old);
        drop(states.loading("m", 1));
        states.failed("m", Some(1), "corrupt");
        assert_eq!(lines(&states), [(Some(1), ModelState::Ready, "corrupt".to_owned())]);
        states.failed("n", None, "broken config");
        assert_eq!(lines(&states)[1], (None, ModelState::Unavailable, "broken config".to_owned()));
    }

    #[test]
    fn a_reason_stands_beside_what_serves_and_not_beside_what_is_gone() {
        let states = States::default();
        let (first, second) = (states.loading("m", 1), states.loading("m", 2));
        states.ready(&first);
        states.ready(&second);
        drop(second);
        states.failed("m", None, "broken config");
        let unloaded = (Some(2), ModelState::Unavailable, "unloaded".to_owned());
        let broken = (Some(1), ModelState::Ready, "broken config".to_owned());
        assert_eq!(lines(&states), [broken, unloaded.clone()]);
        assert!(states.mended("m", &[1, 2]) && !states.mended("m", &[1, 2]));
        let ready = (Some(1), ModelState::Ready, String::new());
        assert_eq!(lines(&states), [ready.clone(), unloaded]);
        assert!(!states.mended("m", &[1]));
        assert_eq!(lines(&states), [ready]);
    }

    #[test]
    fn what_was_gone_back_from_says_so_until_it_is_loaded() {
        let states = States::default();
        let (first, second) = (states.loading("m", 1), states.loading("m", 2));
        states.ready(&second);
        states.ready(&first);
        states.unloading(&second);
        states.gone_back("m", [2].into_iter());
        assert_eq!(lines(&states)[1], (Some(2), ModelState::Unloading, String::new()));
        drop(second);
        assert_eq!(lines(&states)[1], (Some(2), ModelState::Unavailable, GONE_BACK.to_owned()));
        let again = states.loading("m", 2);
        states.ready(&again);
        drop(again);
        assert_eq!(lines(&states)[1].2, UNLOADED);
        assert!(states.all_ready());
    }
}
