//! What is loaded at start-up: patterns, namespaces, tries, and what is whole.

use super::{polling::lines, *};

impl Fixture {
    fn with(&mut self, change: impl FnOnce(&mut RepositoryOptions)) {
        let mut options = options(&[self.root.path()]);
        change(&mut options);
        self.repository = Repository::new(options, self.loader.clone());
    }

    /// As if these files had been written long ago.
    fn start(&self) -> BTreeMap<String, Error> {
        self.repository.load_all().unwrap()
    }
}

#[test]
fn an_earlier_version_serves_where_the_latest_is_broken() {
    let fixture = Fixture::new();
    for broken in ["m/2/broken", "m/3/broken"] {
        fixture.write(broken, "half of a file");
    }
    assert!(fixture.start().is_empty());
    assert_eq!(fixture.versions()[1], ("m".to_owned(), 1));
    assert!(fixture.serves("e") && fixture.repository.all_ready());
    let index = fixture.index();
    assert!(index.contains(&"m UNAVAILABLE the model is broken".to_owned()), "{index:?}");
    assert!(fixture.loader.ended.lock().unwrap().contains(&"m failed".to_owned()));

    // A call asks for what stands there, and is told.
    fixture.write("n/2/broken", "");
    assert!(fixture.load("n").is_err());
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 1));

    // Versions that are named are wanted, and no others.
    let named = Fixture::new();
    let policy = "version_policy { specific { versions: [ 1, 2 ] } }";
    named.write(
        "n/config.pbtxt",
        &model("n", policy).replace("platform: \"ensemble\"", "backend: \"fake\""),
    );
    named.write("n/2/broken", "");
    assert_eq!(named.start().keys().collect::<Vec<_>>(), ["n"]);
    assert!(!named.serves("n"));
}

#[test]
fn polled_it_stays_so_until_the_files_change() {
    let fixture = Fixture::new();
    fixture.write("n/2/broken", "half of a file");
    assert!(fixture.poll(0).is_empty());
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 1));
    fixture.loads();
    fixture.poll(9);
    assert!(fixture.loads().is_empty());
    fixture.write("m/2/model", "");
    fixture.poll(10);
    assert_eq!(fixture.poll(12), ["n"], "tried again, since something has changed");
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 1));
    fixture.remove("n/2/broken");
    fixture.poll(14);
    fixture.poll(16);
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 2));
    fixture.repository.roll_back("n").unwrap();
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 1));
}

#[test]
fn versions_that_do_not_belong_together_are_not_served_together() {
    let fixture = Fixture::new();
    // The encoder's next version is there, its index's is not.
    fixture.write("m/2/space", "two");
    fixture.write("m/1/space", "one");
    fixture.write("e/1/needs", "one");
    assert!(fixture.poll(0).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    let index = fixture.index();
    assert!(
        index.iter().any(|line| line.starts_with("m UNAVAILABLE it loads, but ensemble 'e'")),
        "{index:?}"
    );
    assert!(fixture.repository.all_ready());

    // When the rest comes, both move.
    fixture.replace("e/1/needs", "two");
    fixture.poll(10);
    assert!(fixture.poll(12).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 1)]));
}

#[test]
fn of_several_versions_that_come_at_once_the_last_whole_one_serves() {
    let fixture = Fixture::new();
    fixture.poll(0);
    fixture.write("n/2/model", "");
    fixture.write("n/3/broken", "half of a file");
    // Of the encoder two, of which the ensemble knows the first.
    fixture.write("m/2/space", "two");
    fixture.write("m/3/space", "three");
    fixture.replace("e/1/needs", "two");
    fixture.poll(1);
    assert!(fixture.poll(3).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 2)]));
    assert!(fixture.index().contains(&"n UNAVAILABLE the model is broken".to_owned()));

    // One that is removed does not serve on because of a broken one below it.
    fixture.write("n/9/model", "");
    fixture.poll(5);
    fixture.poll(7);
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 9));
    fixture.remove("n/9");
    fixture.poll(8);
    fixture.poll(9);
    fixture.poll(10);
    assert_eq!(fixture.versions()[2], ("n".to_owned(), 2));

    // What serves is not loaded again for that.
    fixture.loads();
    fixture.write("n/4/broken", "half of a file");
    fixture.poll(20);
    assert_eq!(fixture.poll(22), ["e", "m", "n"], "all that is behind is tried again");
    assert!(!fixture.loads().contains(&"n/2".to_owned()));
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 2), ("n", 2)]));
}

#[test]
fn it_steps_back_as_far_as_it_takes() {
    let fixture = Fixture::new();
    for version in 1..=4 {
        fixture.write(&format!("m/{version}/space"), &version.to_string());
    }
    fixture.write("e/1/needs", "1");
    assert!(fixture.poll(0).is_empty());
    assert_eq!(fixture.versions(), lines([("e", 1), ("m", 1), ("n", 1)]));
    let mut loads = fixture.loads();
    // Those of one wave are loaded at once.
    loads[..2].sort();
    assert_eq!(loads, ["m/4", "n/1", "e/1", "m/3", "e/1", "m/2", "e/1", "m/1", "e/1"]);
}

#[test]
fn patterns_choose() {
    let fixture = Fixture::new();
    let patterns = ["m*".to_owned(), "x*".to_owned(), "nope".to_owned()];
    let failed = fixture.repository.load_named(&patterns).unwrap();
    assert!(fixture.serves("m") && !fixture.serves("n") && !fixture.serves("e"));
    assert!(failed["x*"].message().contains("fits 'x*' (--load-model)"), "{}", failed["x*"]);
    assert!(failed["nope"].message().contains("it holds no model of that name (--load-model)"));
}

#[test]
fn a_load_is_tried_again_as_often_as_it_may() {
    let mut fixture = Fixture::new();
    fixture.write("n/1/shy", "");
    assert!(fixture.load("n").is_err());
    fixture.with(|options| options.load_retries = 1);
    fixture.write("n/1/shy", "");
    fixture.loads();
    fixture.load("n").unwrap();
    assert_eq!(fixture.loads(), ["n/1", "n/1"]);
}

#[test]
fn two_namespaces_may_hold_a_name() {
    let mut fixture = Fixture::new();
    let other = TempDir::new().unwrap();
    fs::create_dir_all(other.path().join("m/5")).unwrap();
    fs::write(other.path().join("m/config.pbtxt"), model("m", "")).unwrap();
    let roots = vec![
        Root::Directory(fixture.root.path().to_owned()),
        Root::Directory(other.path().to_owned()),
    ];
    fixture.with(|options| options.roots = roots.clone());
    assert!(fixture.repository.load_all().is_err(), "without namespaces");
    fixture.with(|options| {
        options.roots = roots;
        options.namespaces = true;
    });
    assert!(fixture.start().is_empty());
    let own = format!("{}/m", fixture.root.path().display());
    assert_eq!(fixture.loads().len(), 4);
    let snapshot = fixture.repository.snapshot();
    assert_eq!(snapshot.resolve(&own, None).unwrap().version, 1);
    let ambiguous = snapshot.resolve("m", None).unwrap_err();
    assert!(ambiguous.message().contains("'m' stands in several namespaces"), "{ambiguous}");
    let back = fixture.repository.roll_back("m").unwrap_err();
    assert!(back.message().contains("'m' stands in several namespaces: name it"), "{back}");
    let back = fixture.repository.roll_back(&own).unwrap_err();
    assert!(back.message().contains("no earlier generation"), "{back}");
    let ensemble = snapshot.resolve("e", None).unwrap();
    let hippocamp_config::Scheduling::Ensemble(ensemble) = &ensemble.config.scheduling else {
        panic!("e is an ensemble");
    };
    assert_eq!(&*ensemble.steps[0].model, own, "the model of its own namespace");
    let lines = fixture.index().iter().filter(|line| line.starts_with("m READY")).count();
    assert_eq!(lines, 2);
}

#[test]
fn links_out_of_the_repository_are_refused() {
    let fixture = Fixture::new();
    let secret = tempfile::NamedTempFile::new().unwrap();
    let link = fixture.root.path().join("n/1/secret");
    std::os::unix::fs::symlink(secret.path(), &link).unwrap();
    let error = fixture.load("n").unwrap_err();
    assert!(error.message().contains("leads out of the repository"), "{error}");
    assert!(fixture.index()[0].contains("leads out of the repository"));
    assert_eq!(fixture.poll(0), ["n"]);
    assert!(fixture.serves("m") && !fixture.serves("n"));
    let mut allowed = Fixture::new();
    std::os::unix::fs::symlink(secret.path(), allowed.root.path().join("n/1/secret")).unwrap();
    allowed.with(|options| options.external_links = true);
    allowed.load("n").unwrap();

    fs::remove_file(link).unwrap();
    fixture.poll(1);
    fixture.poll(3);
    assert!(fixture.serves("n"));
}
