//! Control mode POLL.

use super::*;
use hippocamp_types::Timestamp;

const SETTLE: Duration = Duration::from_secs(2);

impl Fixture {
    /// Polls at that second; names that failed.
    pub(super) fn poll(&self, second: u64) -> Vec<String> {
        self.look(second).failed.into_keys().collect()
    }

    /// What was written comes to rest; models that fail.
    pub(super) fn rests(&self, second: u64) -> Vec<String> {
        self.poll(second);
        self.poll(second + 2)
    }

    fn look(&self, second: u64) -> PollOutcome {
        let now = move || Timestamp::from_nanos(second * 1_000_000_000);
        self.repository.poll(&now, SETTLE).unwrap()
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.root.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }

    /// The versions that serve.
    pub(super) fn versions(&self) -> Vec<(String, u64)> {
        let snapshot = self.repository.snapshot();
        let models = snapshot.models.iter();
        let versions =
            models.flat_map(|(name, model)| model.versions.keys().map(|v| (name.to_string(), *v)));
        let mut versions: Vec<_> = versions.collect();
        versions.sort();
        versions
    }
}

pub(super) fn lines(expect: [(&str, u64); 3]) -> Vec<(String, u64)> {
    expect.map(|(name, version)| (name.to_owned(), version)).to_vec()
}

#[test]
fn what_comes_and_goes_is_loaded_and_unloaded() {
    let fixture = Fixture::new();
    assert!(fixture.poll(0).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    fixture.loads();
    fixture.poll(1);
    assert!(fixture.loads().is_empty(), "nothing changed");

    fixture.write("n/2/model", "new");
    fixture.poll(2);
    assert!(fixture.loads().is_empty(), "it has not come to rest");
    fixture.poll(4);
    assert_eq!(fixture.loads(), ["n/2"]);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));

    // A version that appears and vanishes is never loaded.
    fixture.write("n/3/model", "newer");
    fixture.poll(5);
    fixture.remove("n/3");
    fixture.poll(6);
    fixture.poll(20);
    assert!(fixture.loads().is_empty());

    fixture.remove("n");
    fixture.poll(21);
    assert!(fixture.serves("n"));
    fixture.poll(23);
    assert!(!fixture.serves("n"));
    fixture.write("n/1/model", "");
    fixture.write("n/config.pbtxt", &model("n", ""));
    fixture.rests(24);
    assert!(fixture.serves("n"));
}

#[test]
fn what_belongs_together_waits_for_each_other() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.loads();
    fixture.write("m/2/model", "");
    fixture.poll(1);
    // The ensemble changes, too, when the member is at rest; others are not concerned.
    fixture.write("e/1/more", "");
    fixture.write("n/2/model", "");
    fixture.poll(3);
    assert!(fixture.loads().is_empty());
    fixture.poll(5);
    let mut loads = fixture.loads();
    loads.sort();
    assert_eq!(loads, ["e/1", "m/2", "n/2"]);

    // No longer than ten times as long as files settle.
    fixture.write("m/3/model", "");
    for second in 10..=32 {
        fixture.write("e/1/more", &"more".repeat(usize::try_from(second).unwrap()));
        fixture.poll(second);
        if second < 32 {
            assert!(fixture.loads().is_empty(), "{second}");
        }
    }
    assert_eq!(fixture.loads(), ["m/3", "e/1"]);
}

#[test]
fn the_index_forgets_versions_that_are_gone() {
    let fixture = Fixture::new();
    fixture.poll(0);
    for version in 2..9 {
        fixture.write(&format!("n/{version}/model"), "");
        fixture.remove(&format!("n/{}", version - 1));
        fixture.poll(version * 10);
        fixture.poll(version * 10 + 2);
    }
    let lines: Vec<String> =
        fixture.index().into_iter().filter(|line| line.starts_with("n ")).collect();
    assert_eq!(lines, ["n UNAVAILABLE unloaded", "n READY"], "of the last that was replaced, too");
}

#[test]
fn what_fails_leaves_what_serves_and_says_why() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.loads();
    fixture.write("n/1/broken", "");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["n"]);
    assert!(fixture.serves("n"));
    assert!(fixture.index().contains(&"n READY the model is broken".to_owned()));
    assert_eq!(fixture.loads(), ["n/1"]);
    fixture.poll(9);
    assert!(fixture.loads().is_empty(), "it is not tried again until something changes");

    // What is again as it was needs no load.
    fixture.remove("n/1/broken");
    fixture.poll(10);
    assert!(fixture.poll(12).is_empty());
    assert!(fixture.loads().is_empty());
    assert!(fixture.index().contains(&"n READY".to_owned()));

    fixture.write("n/config.pbtxt", "name: \"n\" nonsense: 1");
    fixture.poll(20);
    assert_eq!(fixture.poll(22), ["n"]);
    assert!(fixture.serves("n"));
    assert!(
        fixture.index().iter().any(|line| line.starts_with("n READY") && line.contains("nonsense"))
    );

    fixture.remove("n");
    fs::write(fixture.root.path().join("n"), "a file where a directory was").unwrap();
    fixture.rests(30);
    assert!(!fixture.serves("n"));
}

#[test]
fn what_python_writes_beside_its_files_is_no_change() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.loads();
    fixture.write("n/1/__pycache__/model.cpython-311.pyc", "compiled");
    fixture.rests(1);
    assert!(fixture.loads().is_empty());
    assert!(!fixture.look(5).restless);
}

#[test]
fn what_never_served_and_is_gone_leaves_the_server_ready() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("x/config.pbtxt", "nonsense: 1");
    fixture.rests(1);
    assert!(!fixture.repository.all_ready());
    fixture.remove("x");
    fixture.rests(10);
    assert!(fixture.repository.all_ready());

    let explicit = Fixture::new();
    explicit.write("n/1/broken", "");
    explicit.load("n").unwrap_err();
    assert!(!explicit.repository.all_ready());
    explicit.repository.unload("n", false);
    assert!(explicit.repository.all_ready());
}

#[test]
fn an_ensemble_and_its_members_move_together_or_not_at_all() {
    let fixture = Fixture::new();
    fixture.poll(0);
    let before = fixture.versions();
    // The member is good; the ensemble that is made of it is not.
    fixture.write("m/2/model", "new");
    fixture.write("e/1/broken", "");
    fixture.write("n/2/model", "of no ensemble");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["e", "m"]);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));
    let reason =
        "it would load, but ensemble 'e', which is made of it, would not: both stay as they were";
    assert!(
        fixture.index().iter().any(|line| line.starts_with("m ") && line.ends_with(reason)),
        "{:?}",
        fixture.index()
    );

    fixture.remove("e/1/broken");
    fixture.poll(4);
    assert!(fixture.poll(6).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 2)]));
    assert!(before != fixture.versions());

    // An ensemble that never served holds nobody back.
    let steps = r#"ensemble_scheduling { step { model_name: "n" model_version: -1
        input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }"#;
    fixture.write("f/config.pbtxt", &model("f", steps));
    fixture.write("f/1/broken", "");
    fixture.write("n/3/model", "newest");
    fixture.poll(7);
    assert_eq!(fixture.poll(9), ["f"]);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 3)]));
}

#[test]
fn what_was_touched_still_moves_with_its_member() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.loads();
    fixture.remove("e/1/.keep");
    fixture.write("e/1/.keep", "");
    fixture.poll(1);
    assert!(fixture.poll(3).is_empty());
    assert!(fixture.loads().is_empty(), "its content is what it was");
    fixture.write("m/2/model", "new");
    fixture.poll(4);
    assert!(fixture.poll(6).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 1)]));
}

#[test]
fn an_ensemble_that_vanishes_while_its_member_changes() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("m/2/model", "new");
    fixture.poll(1);
    fixture.remove("e");
    // Whether it is gone for good is not known yet: it goes on, and its member with it.
    assert!(fixture.poll(3).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    assert!(fixture.poll(5).is_empty());
    assert_eq!(fixture.versions(), [("m".to_owned(), 2), ("n".to_owned(), 1)]);
}

#[test]
fn an_ensemble_that_fails_holds_what_it_was_made_of() {
    let fixture = Fixture::new();
    fixture.poll(0);
    let of_n = fixture.root.path().join("e/config.pbtxt");
    let text = fs::read_to_string(&of_n).unwrap().replace("model_name: \"m\"", "model_name: \"n\"");
    fs::write(of_n, text).unwrap();
    fixture.write("e/1/broken", "");
    fixture.write("m/2/model", "new");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["e", "m"], "e goes on as it was, made of m");
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
}

#[test]
fn what_is_written_while_it_loads_is_not_served() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("n/2/growing", "part");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["n"]);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    assert!(fixture.index().iter().any(|line| line.contains("written while it was loaded")));
    // It is at rest, and whole, once nobody writes any more.
    fixture.write("n/2/model", "whole");
    fixture.remove("n/2/growing");
    fixture.poll(4);
    assert!(fixture.poll(6).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn nothing_is_loaded_once_everything_was_unloaded() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.repository.unload_all();
    fixture.write("n/2/model", "late");
    fixture.rests(1);
    assert!(!fixture.serves("n"));
}
