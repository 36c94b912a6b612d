//! An ensemble and its members, over several looks.

use super::{polling::lines, *};

impl Fixture {
    /// The ensemble `e` is made of `m` and `n`; `o` belongs to none.
    fn of_two() -> Self {
        let fixture = Self::new();
        let step = |name: &str, from: &str, to: &str| {
            format!(
                r#"step {{ model_name: "{name}" model_version: -1
                input_map {{ key: "X" value: "{from}" }} output_map {{ key: "Y" value: "{to}" }} }}"#
            )
        };
        let steps = [step("m", "X", "between"), step("n", "between", "Y")].concat();
        let scheduling = format!("ensemble_scheduling {{ {steps} }}");
        fixture.write("e/config.pbtxt", &model("e", &scheduling));
        fixture.write("o/config.pbtxt", &model("o", ""));
        fixture.write("o/1/model", "");
        fixture.poll(0);
        fixture
    }

    /// The versions of `e`, `m` and `n` that serve.
    fn pair(&self) -> Vec<(String, u64)> {
        let mut versions = self.versions();
        versions.retain(|(name, _)| name != "o");
        versions
    }

    /// `o` changes, and everything that failed is tried again.
    fn something_else_changes(&self, second: u64) {
        self.write(&format!("o/{second}/model"), "");
        self.poll(second);
        self.poll(second + 2);
    }
}

#[test]
fn a_pair_that_is_held_stays_so_whatever_else_changes() {
    let fixture = Fixture::of_two();
    let before = lines([("e", 1), ("m", 1), ("n", 1)]);
    fixture.write("m/2/broken", "");
    fixture.write("n/2/model", "");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["e", "m", "n"]);
    assert_eq!(fixture.pair(), before);
    for second in [10, 20] {
        fixture.something_else_changes(second);
        assert_eq!(fixture.pair(), before);
    }
    // Another version of the one that is held was not to come along with what is broken ...
    fixture.write("n/3/model", "");
    fixture.poll(30);
    fixture.poll(32);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 3)]));
    // ... and what is mended comes.
    fixture.remove("m/2/broken");
    fixture.poll(40);
    assert!(fixture.poll(42).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 3)]));
}

#[test]
fn a_pair_comes_together_when_its_other_half_is_mended() {
    let fixture = Fixture::of_two();
    fixture.write("m/config.pbtxt", "name: \"m\" nonsense: 1");
    fixture.write("n/2/model", "");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["e", "m", "n"]);
    fixture.something_else_changes(10);
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 1)]));
    fixture.write("m/config.pbtxt", &model("m", ""));
    fixture.poll(20);
    assert!(fixture.poll(22).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 1), ("n", 2)]));
}

#[test]
fn what_cannot_be_read_holds_what_it_was_to_come_along_with() {
    let fixture = Fixture::of_two();
    let before = lines([("e", 1), ("m", 1), ("n", 1)]);
    fixture.write("m/2/model", "");
    let outside = TempDir::new().unwrap();
    let link = fixture.root.path().join("m/2/weights");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    fixture.write("n/2/model", "");
    fixture.poll(1);
    assert_eq!(fixture.poll(3), ["e", "m", "n"]);
    assert_eq!(fixture.pair(), before);
    fixture.something_else_changes(10);
    assert_eq!(fixture.pair(), before);
    fs::remove_file(link).unwrap();
    fixture.poll(20);
    assert!(fixture.poll(22).is_empty());
    assert_eq!(fixture.pair(), lines([("e", 1), ("m", 2), ("n", 2)]));
}

#[test]
fn a_load_of_an_ensemble_tells_of_the_member_that_does_not_load() {
    let fixture = Fixture::new();
    fixture.load("e").unwrap();
    fixture.write("m/2/broken", "");
    let error = fixture.load("e").unwrap_err();
    let expected = "load failed for model 'e', which goes on with its member 'm' as it was: the model is broken";
    assert_eq!(error.message(), expected);
    fixture.write("m/config.pbtxt", "name: \"m\" nonsense: 1");
    let error = fixture.load("e").unwrap_err();
    assert!(error.message().contains("nonsense"), "{error}");
    assert!(fixture.serves("e"));
}
