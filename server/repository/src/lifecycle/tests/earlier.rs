//! The way back.

use super::{polling::lines, *};

impl Fixture {
    /// The models that went back.
    pub(super) fn roll_back(&self, name: &str) -> Vec<String> {
        let rolled_back = self.repository.roll_back(name).unwrap();
        rolled_back.into_iter().map(|model| model.name).collect()
    }

    /// What the file says that `name` was loaded from.
    fn says(&self, name: &str) -> String {
        let snapshot = self.repository.snapshot();
        let model = snapshot.resolve(name, None).unwrap();
        fs::read_to_string(model.directory.join(model.version.to_string()).join("model")).unwrap()
    }

    pub(super) fn replace(&self, path: &str, text: &str) {
        self.write("next", text);
        fs::rename(self.root.path().join("next"), self.root.path().join(path)).unwrap();
    }
}

#[test]
fn what_served_before_serves_again_though_its_files_are_gone() {
    let fixture = Fixture::new();
    fixture.write("n/1/model", "one");
    fixture.poll(0);
    let nothing = fixture.repository.roll_back("n").unwrap_err();
    assert!(nothing.message().contains("no earlier generation of model 'n' is kept"), "{nothing}");

    fixture.replace("n/1/model", "two");
    fixture.rests(1);
    assert_eq!(fixture.says("n"), "two");
    assert_eq!(fixture.roll_back("n"), ["n"]);
    assert_eq!(fixture.says("n"), "one");
    assert!(fixture.repository.roll_back("n").is_err(), "it goes back one generation");

    // The files it went back from are not loaded again, whatever else changes ...
    fixture.write("m/2/model", "");
    fixture.rests(4);
    assert_eq!(fixture.says("n"), "one");
    // ... until they change.
    fixture.replace("n/1/model", "three");
    fixture.rests(7);
    assert_eq!(fixture.says("n"), "three");
    assert_eq!(fixture.roll_back("n"), ["n"]);
    assert_eq!(fixture.says("n"), "one");
}

#[test]
fn what_was_written_in_place_is_not_gone_back_to() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("n/1/model", "written over");
    fixture.rests(1);
    let error = fixture.repository.roll_back("n").unwrap_err();
    assert!(error.message().contains("'1/model' was written in place"), "{error}");
    assert_eq!(fixture.says("n"), "written over");
}

#[test]
fn what_was_only_touched_is_gone_back_to() {
    let fixture = Fixture::new();
    fixture.write("n/1/model", "one");
    fixture.poll(0);
    fixture.write("n/2/model", "two");
    fixture.rests(1);
    for touched in ["n/1/model", "n/config.pbtxt"] {
        let file =
            fs::File::options().append(true).open(fixture.root.path().join(touched)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    fixture.roll_back("n");
    assert_eq!(fixture.says("n"), "one");
    let index = fixture.index();
    assert!(index.iter().any(|line| line.starts_with("n UNAVAILABLE gone back from")), "{index:?}");
}

#[test]
fn what_was_gone_back_from_is_no_fault_once_it_is_mended() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("n/2/model", "two");
    fixture.rests(1);
    fixture.roll_back("n");
    let gone_back = fixture.index();
    assert!(
        gone_back.iter().any(|line| line.starts_with("n UNAVAILABLE gone back from")),
        "{gone_back:?}"
    );

    // A configuration that cannot be read, and a version that does not load.
    let config = model("n", "");
    for (broken, mended) in [("n/config.pbtxt", Some(&config)), ("n/2/broken", None)] {
        fixture.replace(broken, "no such thing");
        fixture.rests(10);
        assert_ne!(fixture.index(), gone_back, "{broken} is told");
        match mended {
            Some(text) => fixture.replace(broken, text),
            None => fixture.remove(broken),
        }
        fixture.rests(13);
        assert_eq!(fixture.index(), gone_back);
        assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    }
}

#[test]
fn what_was_gone_back_from_does_not_step_in_for_what_is_broken() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("n/2/model", "two");
    fixture.rests(1);
    fixture.roll_back("n");
    let one = lines([("e", 1), ("m", 1), ("n", 1)]);
    fixture.write("n/3/broken", "");
    fixture.rests(4);
    assert_eq!(fixture.versions(), one);
    // Nor where it had stepped in before it was gone back from.
    fixture.write("n/2/model", "another two");
    fixture.rests(10);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));
    fixture.roll_back("n");
    fixture.write("m/1/model", "something else");
    fixture.rests(20);
    assert_eq!(fixture.versions(), one);
}

#[test]
fn what_was_gone_back_from_twice_stays_out_twice() {
    let fixture = Fixture::new();
    fixture.poll(0);
    for (version, second) in [(2, 1), (3, 10)] {
        fixture.write(&format!("n/{version}/model"), &version.to_string());
        fixture.rests(second);
        fixture.roll_back("n");
    }
    fixture.write("n/4/broken", "");
    fixture.rests(20);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
}

#[test]
fn versions_that_serve_again_are_not_those_gone_back_from() {
    let fixture = Fixture::new();
    let latest_two = "version_policy { latest { num_versions: 2 } }";
    fixture.write("n/config.pbtxt", &(model("n", "") + latest_two));
    fixture.write("n/2/model", "two");
    fixture.poll(0);
    fixture.write("n/3/model", "three");
    fixture.rests(1);
    fixture.roll_back("n");
    let of_n = || -> Vec<u64> {
        fixture.versions().into_iter().filter(|(name, _)| name == "n").map(|(_, v)| v).collect()
    };
    assert_eq!(of_n(), [1, 2]);
    fixture.write("n/4/model", "four");
    fixture.write("n/5/broken", "");
    fixture.rests(10);
    assert_eq!(of_n(), [2, 4]);
}

#[test]
fn what_was_written_over_is_not_gone_back_to_twice() {
    let fixture = Fixture::new();
    fixture.write("n/1/model", "one");
    fixture.poll(0);
    for (version, second) in [(2, 1), (3, 10)] {
        fixture.write(&format!("n/{version}/model"), "next");
        fixture.rests(second);
        if version == 2 {
            fixture.roll_back("n");
        }
    }
    fixture.write("n/1/model", "written over");
    let error = fixture.repository.roll_back("n").unwrap_err();
    assert!(error.message().contains("'1/model' was written in place"), "{error}");
}

#[test]
fn what_moved_together_goes_back_together() {
    let fixture = Fixture::new();
    fixture.write("m/1/model", "one");
    fixture.poll(0);
    fixture.write("m/2/model", "two");
    fixture.write("n/2/model", "of no ensemble");
    fixture.rests(1);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 2)]));
    fixture.loads();
    assert_eq!(fixture.roll_back("e"), ["e", "m"]);
    assert_eq!(fixture.loads(), ["m/1", "e/1"]);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));
    assert_eq!(fixture.says("m"), "one");
    fixture.poll(20);
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn explicit_loads_can_be_taken_back() {
    let fixture = Fixture::new();
    fixture.write("n/1/model", "one");
    fixture.load("n").unwrap();
    fixture.replace("n/1/model", "two");
    fixture.load("n").unwrap();
    fixture.repository.roll_back("n").unwrap();
    assert_eq!(fixture.says("n"), "one");
    fixture.load("n").unwrap();
    assert_eq!(fixture.says("n"), "two", "whoever asks for the files gets them");
    let unknown = fixture.repository.roll_back("nope").unwrap_err();
    assert!(unknown.message().contains("'nope'"), "{unknown}");
}
