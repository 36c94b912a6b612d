//! Looks at the repository again and again, and loads what has changed and come to rest: half-copied
//! files change from look to look, so nothing half-copied is loaded. Pure but for the looking: the
//! time is an argument.

use crate::{
    files::{Prints, Stats, stats},
    root::Place,
};
use hippocamp_types::{Error, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What was seen of the repository so far.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    models: BTreeMap<String, Seen>,
    prints: Prints,
    /// Models that wait for others, since when.
    waiting: BTreeMap<String, Timestamp>,
    /// Models that cannot be read, as it was told, and when.
    unread: BTreeMap<String, (Timestamp, Error)>,
    looked: bool,
}

/// What was seen of one model.
#[derive(Debug)]
struct Seen {
    /// Of its files; `None` while it is not there, or cannot be read.
    stat: Option<u64>,
    since: Timestamp,
    /// What its files said when they were last at rest, and what the system knew of them then.
    rested: Option<Rest>,
    /// What was told of files that cannot be read.
    told: Option<String>,
}

/// A model whose files are at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// What the system knows of the files.
    pub(crate) stat: u64,
    /// Of their contents.
    pub(crate) entries: Stats,
}

/// What a look has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Models at rest, all of them.
    pub(crate) rests: BTreeMap<String, Rest>,
    /// Those of them that are new, or say something else than before.
    pub(crate) changed: BTreeSet<String>,
    /// Models that are gone, and have been for a while.
    pub(crate) gone: BTreeSet<String>,
    /// Models that cannot be had or whose files cannot be read, with the reason; told once for each reason.
    pub(crate) unreadable: BTreeMap<String, Error>,
    /// Nothing was looked at before.
    pub(crate) first: bool,
    /// Models that have changed and are not at rest yet: it is worth to look again soon.
    pub(crate) restless: BTreeSet<String>,
}

impl Polled {
    /// Looks at `places`, or why a model cannot be had now. A model is at rest once nothing of it has
    /// changed for `settle`; at the first look everything is.
    pub(crate) fn look(
        &mut self,
        places: &BTreeMap<String, Result<Place, Error>>,
        now: &dyn Fn() -> Timestamp,
        settle: Duration,
    ) -> Look {
        let begun = now();
        let first = !std::mem::replace(&mut self.looked, true);
        let settle = if first { Duration::ZERO } else { settle };
        let mut look = Look { first, ..Look::default() };
        self.models.retain(|name, seen| {
            if places.contains_key(name) {
                return true;
            }
            let rests = seen.rest_at(None, begun, now, settle);
            if rests {
                look.gone.insert(name.clone());
            }
            if !rests {
                look.restless.insert(name.clone());
            }
            !rests
        });
        look.gone.iter().for_each(|name| self.prints.forget(name));
        for (name, place) in places {
            let place = match place {
                Ok(place) => place,
                Err(error) => {
                    let seen = self.models.entry(name.clone());
                    let seen = seen.or_insert_with(|| Seen::new(None, begun));
                    let told = seen.tell(error.clone()).map(|told| (name.clone(), told));
                    look.unreadable.extend(told);
                    continue;
                }
            };
            let (stat, error) = match stats(place) {
                Ok(stat) => (Some(stat), None),
                Err(error) => (None, Some(error)),
            };
            let seen = self.models.entry(name.clone()).or_insert_with(|| Seen::new(stat, now()));
            let rests = seen.rest_at(stat, begun, now, settle);
            if let (Some(error), true) = (error, rests) {
                look.unreadable.extend(seen.unreadable(&error).map(|told| (name.clone(), told)));
            }
            // What cannot be read is not at rest, and no reason to look sooner once that is told.
            if !rests {
                look.restless.insert(name.clone());
            }
            let (Some(stat), true) = (stat, rests) else { continue };
            let before = seen.rested.take();
            let rest = match before.clone() {
                Some(rest) if rest.stat == stat => rest,
                _ => match self.prints.contents(name, place) {
                    Ok(entries) => Rest { stat, entries },
                    Err(error) => {
                        let told = seen.unreadable(&error).map(|told| (name.clone(), told));
                        look.unreadable.extend(told);
                        seen.rested = before;
                        continue;
                    }
                },
            };
            let told = seen.told.take().is_some();
            if told || before.is_none_or(|before| before.entries != rest.entries) {
                look.changed.insert(name.clone());
            }
            seen.rested = Some(rest.clone());
            look.rests.insert(name.clone(), rest);
        }
        let told = look.unreadable.iter();
        let ended = now();
        self.unread.extend(told.map(|(name, error)| (name.clone(), (ended, error.clone()))));
        self.unread.retain(|name, _| !look.rests.contains_key(name) && places.contains_key(name));
        look
    }

    /// Models of which it was told no longer than `longest` ago that they cannot be read, and still cannot:
    /// what was to come along with them may come to rest later.
    pub(crate) fn lately_unread(
        &self,
        now: Timestamp,
        longest: Duration,
    ) -> BTreeMap<String, Error> {
        let lately = self.unread.iter().filter(|(_, (since, _))| now.since(*since) < longest);
        lately.map(|(name, (_, error))| (name.clone(), error.clone())).collect()
    }

    /// Whether this model, which is at rest, waits for others that are not: no longer than `longest`.
    pub(crate) fn waits(&mut self, name: &str, now: Timestamp, longest: Duration) -> bool {
        let since = *self.waiting.entry(name.to_owned()).or_insert(now);
        now.since(since) < longest
    }

    /// This model need not wait any more.
    pub(crate) fn need_not_wait(&mut self, name: &str) {
        self.waiting.remove(name);
    }

    /// The next look takes this model as changed: it was written while it was loaded.
    pub(crate) fn again(&mut self, name: &str) {
        if let Some(seen) = self.models.get_mut(name) {
            seen.rested = None;
        }
    }
}

impl Seen {
    fn new(stat: Option<u64>, since: Timestamp) -> Self {
        Self { stat, since, rested: None, told: None }
    }

    /// What is to be told of files that cannot be read, unless it was.
    fn unreadable(&mut self, error: &std::io::Error) -> Option<Error> {
        self.tell(Error::invalid(format!("its files cannot be read: {error}")))
    }

    /// The error, unless it was told. That the model is right again will have to be told, too.
    fn tell(&mut self, error: Error) -> Option<Error> {
        if self.told.as_deref() == Some(error.message()) {
            return None;
        }
        self.told = Some(error.message().to_owned());
        Some(error)
    }

    /// Whether nothing has changed for `settle`, in a look that has `begun` then, or all is as it was when
    /// it was last at rest.
    fn rest_at(
        &mut self,
        stat: Option<u64>,
        begun: Timestamp,
        now: &dyn Fn() -> Timestamp,
        settle: Duration,
    ) -> bool {
        if self.stat != stat {
            // Since it was seen: a look may take long, and what was written meanwhile has not rested.
            (self.stat, self.since) = (stat, now());
        }
        let as_it_was = self.rested.as_ref().is_some_and(|rest| Some(rest.stat) == stat);
        as_it_was || begun.since(self.since) >= settle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Bounds;
    use std::{cell::Cell, fs};

    const SETTLE: Duration = Duration::from_secs(2);

    /// A repository of one model, and a way to look at it.
    struct Repository {
        root: tempfile::TempDir,
        polled: Polled,
    }

    impl Repository {
        fn new() -> Self {
            Self { root: tempfile::tempdir().unwrap(), polled: Polled::default() }
        }

        fn write(&self, content: &str) {
            fs::create_dir_all(self.root.path().join("m/1")).unwrap();
            fs::write(self.root.path().join("m/1/model"), content).unwrap();
        }

        /// Changed, gone, restless at that second.
        fn look(&mut self, second: u64) -> (bool, bool, bool) {
            let directory = self.root.path().join("m");
            let bounds = Bounds::inside(self.root.path()).unwrap();
            let exists = directory.exists();
            let place = Ok(Place { directory, bounds });
            let places = exists.then(|| ("m".to_owned(), place));
            let now = move || Timestamp::from_nanos(second * 1_000_000_000);
            let look = self.polled.look(&places.into_iter().collect(), &now, SETTLE);
            (look.changed.contains("m"), look.gone.contains("m"), !look.restless.is_empty())
        }
    }

    #[test]
    fn what_changes_is_loaded_once_it_rests() {
        let mut repository = Repository::new();
        repository.write("a");
        assert_eq!(repository.look(0), (true, false, false), "the first look takes what is there");
        assert_eq!(repository.look(1), (false, false, false));
        for second in 2..6 {
            repository.write(&"part ".repeat(usize::try_from(second).unwrap()));
            assert_eq!(repository.look(second), (false, false, true), "it is still being written");
        }
        assert_eq!(repository.look(6), (false, false, true));
        assert_eq!(repository.look(7), (true, false, false));
        assert_eq!(repository.look(8), (false, false, false), "once");
        // The same content in another file is no change.
        let (file, copy) =
            (repository.root.path().join("m/1/model"), repository.root.path().join("copy"));
        fs::copy(&file, &copy).unwrap();
        fs::rename(&copy, &file).unwrap();
        assert_eq!(repository.look(9), (false, false, true));
        assert_eq!(repository.look(20), (false, false, false));
        repository.polled.again("m");
        assert_eq!(repository.look(21), (true, false, false));
    }

    #[test]
    fn what_is_written_during_a_long_look_has_not_rested() {
        let mut repository = Repository::new();
        repository.write("a");
        repository.look(0);
        repository.write("longer");
        let place = Place {
            directory: repository.root.path().join("m"),
            bounds: Bounds::inside(repository.root.path()).unwrap(),
        };
        let places = BTreeMap::from([("m".to_owned(), Ok(place))]);
        // Each reading of the clock is three seconds later.
        let clock = Cell::new(10);
        let now = || Timestamp::from_nanos(clock.replace(clock.get() + 3) * 1_000_000_000);
        assert!(!repository.polled.look(&places, &now, SETTLE).restless.is_empty());
        // It was seen at second 13.
        assert_eq!(repository.look(14), (false, false, true));
        assert_eq!(repository.look(15), (true, false, false));
    }

    #[test]
    fn what_comes_into_an_empty_repository_has_to_rest_too() {
        let mut repository = Repository::new();
        assert_eq!(repository.look(0), (false, false, false));
        repository.write("a");
        assert_eq!(repository.look(1), (false, false, true));
        assert_eq!(repository.look(3), (true, false, false));
    }

    #[test]
    fn what_vanishes_for_a_moment_goes_on() {
        let mut repository = Repository::new();
        repository.write("a");
        repository.look(0);
        let (here, away) = (repository.root.path().join("m"), repository.root.path().join("away"));
        fs::rename(&here, &away).unwrap();
        assert_eq!(repository.look(1), (false, false, true));
        fs::rename(&away, &here).unwrap();
        assert_eq!(repository.look(2), (false, false, false));
        fs::remove_dir_all(&here).unwrap();
        assert_eq!(repository.look(5), (false, false, true));
        assert_eq!(repository.look(7), (false, true, false));
        assert_eq!(repository.look(8), (false, false, false), "once");
    }
}
