//! An ensemble and its members, over several looks.

use super::{polling::lines, *};
use std::os::unix::fs::symlink;

/// An ensemble of these models, one after the other.
fn ensemble_of(name: &str, members: &[&str]) -> String {
    let tensor = |at: usize| match at {
        0 => "X".to_owned(),
        _ if at == members.len() => "Y".to_owned(),
        _ => format!("between{at}"),
    };
    let step = |(at, of): (usize, &&str)| {
        let (from, to) = (tensor(at), tensor(at + 1));
        format!(
            r#"step {{ model_name: "{of}" model_version: -1
            input_map {{ key: "X" value: "{from}" }} output_map {{ key: "Y" value: "{to}" }} }}"#
        )
    };
    let steps: String = members.iter().enumerate().map(step).collect();
    model(name, &format!("ensemble_scheduling {{ {steps} }}"))
}

impl Fixture {
    /// The ensemble `e` is made of `m` and `n`; `o` and `p` belong to none.
    fn of_two() -> Self {
        let fixture = Self::new();
        fixture.write("e/config.pbtxt", &ensemble_of("e", &["m", "n"]));
        for name in ["o", "p"] {
            fixture.write(&format!("{name}/config.pbtxt"), &model(name, ""));
            fixture.write(&format!("{name}/1/model"), "");
        }
        fixture.poll(0);
        fixture
    }

    /// The same, where version 2 of `m` is broken and that of `n` waits for it.
    fn of_two_that_wait() -> Self {
        let fixture = Self::of_two();
        fixture.write("m/2/broken", "");
        fixture.write("n/2/model", "");
        fixture.poll(1);
        assert_eq!(fixture.poll(3), ["e", "m", "n"]);
        assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
        fixture
    }

    /// The versions of `e`, `m` and `n` that serve.
    fn pair(&self) -> Vec<(String, u64)> {
        let mut versions = self.versions();
        versions.retain(|(name, _)| !["o", "p"].contains(&&**name));
        versions
    }

    /// `o` changes, and everything that failed is tried again.
    fn something_else_changes(&self, second: u64) {
        self.write(&format!("o/{second}/model"), "");
        self.rests(second);
    }
}

#[test]
fn a_pair_that_is_held_stays_so_whatever_else_changes() {
    let fixture = Fixture::of_two_that_wait();
    for second in [10, 20] {
        fixture.something_else_changes(second);
        assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
    }
    // Another version of the one that is held was not to come along with what is broken ...
    fixture.write("n/3/model", "");
    fixture.rests(30);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 3)]));
    // ... and what is mended comes.
    fixture.remove("m/2/broken");
    assert!(fixture.rests(40).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 3)]));
}

#[test]
fn it_stays_so_while_its_other_half_is_being_mended() {
    let fixture = Fixture::of_two_that_wait();
    fixture.write("o/2/model", "");
    fixture.poll(10);
    fixture.remove("m/2/broken");
    fixture.write("m/2/model", "half of");
    fixture.poll(12);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
    assert!(fixture.poll(14).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 2)]));
}

#[test]
fn it_stays_so_until_all_its_other_halves_are_mended() {
    let fixture = Fixture::of_two();
    fixture.write("e/config.pbtxt", &ensemble_of("e", &["m", "p", "n"]));
    fixture.rests(1);
    fixture.write("m/2/broken", "");
    fixture.write("p/2/broken", "");
    fixture.write("n/2/model", "");
    fixture.rests(10);
    fixture.remove("m/2/broken");
    fixture.rests(20);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
    fixture.remove("p/2/broken");
    assert!(fixture.rests(30).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 2)]));
}

#[test]
fn it_stays_so_though_its_other_half_is_missing_for_a_moment() {
    let fixture = Fixture::of_two_that_wait();
    let (here, away) = (fixture.root.path().join("m"), fixture.root.path().join(".away"));
    fixture.write("o/2/model", "");
    fixture.poll(10);
    fs::rename(&here, &away).unwrap();
    fixture.poll(12);
    fs::rename(&away, &here).unwrap();
    fixture.rests(14);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
}

#[test]
fn one_that_belongs_to_two_ensembles_waits_for_both() {
    let fixture = Fixture::of_two();
    fixture.write("f/config.pbtxt", &ensemble_of("f", &["n", "p"]));
    fixture.write("f/1/.keep", "");
    fixture.rests(1);
    fixture.write("m/2/broken", "");
    fixture.write("p/2/broken", "");
    fixture.write("n/2/model", "");
    fixture.rests(10);
    for (second, mended, version) in [(20, "p", 1), (30, "m", 2)] {
        fixture.remove(&format!("{mended}/2/broken"));
        fixture.rests(second);
        assert!(
            fixture.versions().contains(&("n".to_owned(), version)),
            "{:?}",
            fixture.versions()
        );
    }
}

#[test]
fn what_leaves_the_ensemble_is_free() {
    let fixture = Fixture::of_two_that_wait();
    fixture.write("e/config.pbtxt", &ensemble_of("e", &["m"]));
    fixture.rests(10);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn what_the_ensemble_is_no_longer_made_of_does_not_hold_it() {
    let fixture = Fixture::of_two();
    fixture.write("e/config.pbtxt", &ensemble_of("e", &["n", "p"]));
    fixture.write("m/2/broken", "");
    fixture.write("n/2/model", "");
    assert_eq!(fixture.rests(1), ["m"]);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn what_waits_for_a_broken_member_holds_no_other_ensemble() {
    let fixture = Fixture::of_two_that_wait();
    fixture.write("f/config.pbtxt", &ensemble_of("f", &["m", "p"]));
    fixture.write("f/1/.keep", "");
    fixture.rests(10);
    fixture.write("p/2/model", "");
    fixture.rests(20);
    assert!(fixture.versions().contains(&("p".to_owned(), 2)), "{:?}", fixture.versions());
    // Nor the ensemble itself once it is made of something else ...
    fixture.write("e/config.pbtxt", &ensemble_of("e", &["n", "o"]));
    fixture.rests(30);
    let served = fixture.pair();
    assert!(served.contains(&("n".to_owned(), 2)), "{served:?}");
}

#[test]
fn an_ensemble_that_waits_can_go() {
    let fixture = Fixture::of_two_that_wait();
    fixture.remove("e");
    fixture.rests(10);
    assert!(!fixture.serves("e"));
    assert_eq!(fixture.pair(), [("m".to_owned(), 1), ("n".to_owned(), 2)]);
}

#[test]
fn a_pair_comes_together_when_a_configuration_is_mended() {
    let fixture = Fixture::of_two();
    fixture.write("m/config.pbtxt", "name: \"m\" nonsense: 1");
    fixture.write("n/2/model", "");
    assert_eq!(fixture.rests(1), ["e", "m", "n"]);
    fixture.something_else_changes(10);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
    fixture.write("m/config.pbtxt", &model("m", ""));
    assert!(fixture.rests(20).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn what_cannot_be_read_holds_what_it_was_to_come_along_with() {
    let fixture = Fixture::of_two();
    let before = lines([("e", 1), ("m", 1), ("n", 1)]);
    fixture.write("m/2/model", "");
    let outside = TempDir::new().unwrap();
    let link = fixture.root.path().join("m/2/weights");
    symlink(outside.path(), &link).unwrap();
    assert_eq!(fixture.rests(1), ["m"]);
    // It comes to rest later.
    fixture.write("n/2/model", "");
    assert_eq!(fixture.rests(4), ["e", "n"]);
    assert_eq!(fixture.pair(), before);
    for second in [10, 100] {
        fixture.something_else_changes(second);
        assert_eq!(fixture.pair(), before);
    }
    fs::remove_file(link).unwrap();
    assert!(fixture.rests(200).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 2)]));
}

#[test]
fn what_has_long_been_unreadable_holds_nobody() {
    let fixture = Fixture::of_two();
    symlink("/", fixture.root.path().join("m/out")).unwrap();
    fixture.rests(1);
    fixture.write("n/2/model", "");
    fixture.rests(100);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn a_load_of_an_ensemble_tells_of_the_member_that_does_not_load() {
    let fixture = Fixture::new();
    fixture.load("e").unwrap();
    fixture.write("m/2/broken", "");
    let error = fixture.load("e").unwrap_err();
    let expected =
        "load failed for model 'm', and 'e' serves with it as it was: the model is broken";
    assert_eq!(error.message(), expected);
    fixture.write("m/config.pbtxt", "name: \"m\" nonsense: 1");
    let error = fixture.load("e").unwrap_err();
    assert!(error.message().contains("nonsense"), "{error}");
    assert!(fixture.serves("e"));
}
